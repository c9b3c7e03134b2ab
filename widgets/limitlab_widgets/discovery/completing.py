"""What completes an equation: formulas refitted to the measurements, and solutions from a new start.

For systems here, for fields in `fields.completing`, which registers itself for its kind of problem.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial, singledispatch
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab import problems
from limitlab.discovery.symbolic import refit
from limitlab.discovery.terms import holed
from limitlab.errors import InvalidArgument, check_number
from limitlab.solvers import solve_ode
from limitlab_widgets.discovery.learned import Learned

if TYPE_CHECKING:
    from limitlab.discovery.symbolic import Completed, Refits

OPTIONS: dict[str, Any] = {"method": "tsit5", "max_steps": 2000, "on_failure": "mask"}
RTOL, ROUGH = 1e-6, 1e-4
"""Tolerance of a solution, and of one through a network, which is wrong by per cents and slow to ask."""
FARTHER = 1.3
"""Times what was seen that a forecast begins at: away from it, but not far."""
Solutions = dict[str, Callable[[], Float[np.ndarray, "time state"]]]
"""How each equation is solved from a new start, by its name: truth, formula, network."""


@singledispatch
def refitted(problem: Any, learned: Learned, candidates: Mapping[str, Any], most: int) -> Refits:
    """Combinations of formulas, by the equation that hides them, fitted to the measurements. Raises LimitlabError."""
    system = holed(problem, learned.plan.hidden)
    times, states, starts = learned.measured.with_starts()
    by_hole = {hole: candidates[name] for hole, name in zip(system.holes, learned.equations, strict=True)}
    return refit(by_hole, system, times, states, starts=starts, most=most)


@singledispatch
def first_start(problem: Any, learned: Learned) -> tuple[Any, ...]:
    """Where a forecast begins at first."""
    return tuple(FARTHER * value for value in learned.measured.first)


@singledispatch
def checked_start(problem: Any, start: tuple[Any, ...]) -> tuple[Any, ...]:
    """A start that can be solved from. Raises InvalidArgument."""
    if len(start) != len(problem.components):
        raise InvalidArgument(f"start must hold {len(problem.components)} numbers; got {len(start)}")
    return tuple(check_number(f"start {index}", number) for index, number in enumerate(start, start=1))


@singledispatch
def solutions(problem: Any, learned: Learned, completed: Completed, start: tuple[Any, ...], times: Tensor) -> Solutions:
    """What is solved from a new start; the truth where it is known."""
    y0 = torch.tensor([start], dtype=torch.float64)

    def formula() -> Float[np.ndarray, "time state"]:
        return _solved(_parsed(completed.equation, learned.measured.first).field(), y0, times)

    known: Solutions = {"truth": partial(_solved, problem.field(), y0, times)} if learned.plan.known else {}
    network = partial(_solved, learned.system.field, y0, times, ROUGH)
    return {**known, "formula": formula, "network": network}


@lru_cache(maxsize=8)
def _parsed(equation: str, start: tuple[float, ...]) -> Any:
    """The problem of a completed equation: read once, and solved from many starts."""
    return problems.parse(equation, initial=start)


def _solved(field: Any, start: Tensor, times: Tensor, rtol: float = RTOL) -> Float[np.ndarray, "time state"]:
    return solve_ode(field, start, times, rtol=rtol, atol=rtol / 100, **OPTIONS).y[0].numpy()
