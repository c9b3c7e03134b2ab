"""A forecast from a new start as state: the equation that was completed, the network, and the truth, side by side.

A fit to the measurements says nothing of other starts. The equation with the formulas is solved from there, the
equation with the network in it, which knows only what was visited, and the problem itself where it is known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from traitlets import Float as FloatTrait
from traitlets import Int, Tuple, validate

from limitlab import problems
from limitlab.errors import InvalidArgument, LimitlabError, check_number
from limitlab.interruption import interruptible
from limitlab.solvers import solve_ode
from limitlab_widgets.discovery.learned import Learned
from limitlab_widgets.shared.state import StudioState
from limitlab_widgets.shared.worker import Check

if TYPE_CHECKING:
    from limitlab.discovery.symbolic import Completed

FRAMES = 201
OPTIONS: dict[str, Any] = {"method": "tsit5", "max_steps": 2000, "on_failure": "mask"}
RTOL, ROUGH = 1e-6, 1e-4
"""Tolerance of a solution, and of one through a network, which is wrong by per cents and slow to ask."""
LONGER = 2.0
"""How much longer a forecast is than the measurements."""
PATIENCE = 0.1


@dataclass(frozen=True, eq=False)
class Forecasts:
    """States (time, state) by what was solved; NaN from where a solve failed."""

    components: tuple[str, ...]
    times: Float[np.ndarray, " time"]
    states: dict[str, Float[np.ndarray, "time state"]] = field(default_factory=dict)

    def error(self, name: str) -> float | None:
        """Relative L2 distance from the truth; None where nobody knows it, infinite where the solve failed."""
        if "truth" not in self.states or name not in self.states:
            return None
        truth, other = self.states["truth"], self.states[name]
        error = float(np.linalg.norm(other - truth) / np.linalg.norm(truth))
        return error if math.isfinite(error) else math.inf


class Forecast(StudioState):
    """Solutions from a new start: of the completed equation, of the network in the equation, of the problem."""

    decides = ("start", "span")

    start = Tuple(help="where the forecast begins, one number a state; empty before there is an equation")
    span = FloatTrait(1.0, help="how long it goes on")
    revision = Int(0, help="raised when forecasts have changed")
    taken = Int(0, help="raised when another equation is forecast")

    def __init__(self) -> None:
        super().__init__()
        self.forecasts: Forecasts | None = None
        self._learned: Learned | None = None
        self._completed: Completed | None = None

    @property
    def learned(self) -> Learned | None:
        """The training whose equation is forecast."""
        return self._learned

    def take(self, learned: Learned, completed: Completed) -> None:
        """Forecast another equation; the start stays where it was, if it was of the same training."""
        with self.together():
            if self._learned is None or self._learned.plan != learned.plan:
                self._learned = learned
                # away from what was seen, but not far
                first = learned.measured.first
                self.start = tuple(1.3 * value for value in first)
                self.span = LONGER * learned.plan.sampling.problem.span
            self._learned, self._completed = learned, completed
        self.taken += 1

    def forget(self) -> None:
        """Show no forecast."""
        self.settle()
        with self.lock:
            self._learned = self._completed = self.forecasts = None
        self.taken += 1
        self.revision += 1

    def answer(self) -> None:
        """Solve from the start."""
        if self._learned is not None and self._completed is not None:
            job = partial(self._solve, self._learned, self._completed, self.start, self.span)
            self.work(job, patience=PATIENCE)

    def _solve(
        self, learned: Learned, completed: Completed, start: tuple[float, ...], span: float, check: Check
    ) -> None:
        problem = learned.plan.sampling.problem
        times = torch.linspace(0.0, span, FRAMES, dtype=torch.float64)
        y0 = torch.tensor([start], dtype=torch.float64)
        forecasts = Forecasts(problem.components, times.numpy())
        with torch.no_grad():
            if learned.plan.known:
                forecasts.states["truth"] = _solved(problem.field(), y0, times, check)
            try:
                found = _parsed(completed.equation, learned.measured.first)
                forecasts.states["formula"] = _solved(found.field(), y0, times, check)
            except LimitlabError as error:
                self.refuse(InvalidArgument(f"the equation cannot be solved from this start: {error}"))
            forecasts.states["network"] = _solved(learned.system.field, y0, times, check, ROUGH)
        with self.lock:
            check()
            self.forecasts = forecasts
        self.revision += 1

    @validate("start")
    def _numbers(self, proposal: dict[str, Any]) -> tuple[float, ...]:
        numbers = tuple(proposal["value"])
        count = len(self._learned.plan.sampling.problem.components) if self._learned is not None else 0
        if len(numbers) not in (0, count):
            raise InvalidArgument(f"start must hold {count} numbers; got {len(numbers)}")
        return tuple(check_number(f"start {index}", number) for index, number in enumerate(numbers, start=1))

    @validate("span")
    def _positive(self, proposal: dict[str, Any]) -> float:
        return check_number("span", proposal["value"], low=1e-9, high=1e9)


@lru_cache(maxsize=8)
def _parsed(equation: str, start: tuple[float, ...]) -> Any:
    """The problem of a completed equation: read once, and solved from many starts."""
    return problems.parse(equation, initial=start)


def _solved(
    field: Any, start: Tensor, times: Tensor, check: Check, rtol: float = RTOL
) -> Float[np.ndarray, "time state"]:
    with interruptible(check):
        return solve_ode(field, start, times, rtol=rtol, atol=rtol / 100, **OPTIONS).y[0].numpy()
