"""A forecast from a new start as state: the equation that was completed, the network, and the truth, side by side.

A fit to the measurements says nothing of other starts. The equation with the formulas is solved from there, the
equation with the network in it, which knows only what was visited, and the problem itself where it is known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from traitlets import Float as FloatTrait
from traitlets import Int, Tuple, validate

from limitlab.discovery.terms import unknowns_of
from limitlab.errors import InvalidArgument, LimitlabError, check_number
from limitlab.interruption import TimeIsUp, interruptible
from limitlab_widgets.discovery.completing import checked_start, first_start, solutions
from limitlab_widgets.discovery.learned import Learned
from limitlab_widgets.shared.budget import PATIENT_SECONDS, Budget
from limitlab_widgets.shared.state import StudioState
from limitlab_widgets.shared.worker import Check

if TYPE_CHECKING:
    from limitlab.discovery.symbolic import Completed

FRAMES = 201
LONGER = 2.0
"""How much longer a forecast is than the measurements."""
PATIENCE = 0.1


@dataclass(frozen=True, eq=False)
class Forecasts:
    """States (time, state), or fields (time, x), by what was solved; NaN where a solve failed."""

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

    start = Tuple(help="where the forecast begins: a number a state, or a text in x; empty before there is an equation")
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
                problem = learned.plan.sampling.problem
                self.start = first_start(problem, learned)
                self.span = LONGER * problem.span
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

    def _solve(self, learned: Learned, completed: Completed, start: tuple[Any, ...], span: float, check: Check) -> None:
        problem = learned.plan.sampling.problem
        times = torch.linspace(0.0, span, FRAMES, dtype=torch.float64)
        forecasts = Forecasts(unknowns_of(problem), times.numpy())
        together, late = Budget(check, PATIENT_SECONDS), []
        asked = solutions(problem, learned, completed, start, times)
        with torch.no_grad():
            for number, (name, solve) in enumerate(asked.items()):
                # what one leaves is shared by those after it
                budget = Budget(check, together.left / (len(asked) - number))
                try:
                    with interruptible(budget):
                        forecasts.states[name] = solve()
                except TimeIsUp:
                    pass
                except LimitlabError as error:
                    if name != "formula":
                        raise
                    self.refuse(InvalidArgument(f"the equation cannot be solved from this start: {error}"))
                late += [name] if budget.spent else []
        if late:
            self.refuse(InvalidArgument(_stopped(late, forecasts)))
        with self.lock:
            check()
            self.forecasts = forecasts
        self.revision += 1

    @validate("start")
    def _start(self, proposal: dict[str, Any]) -> tuple[Any, ...]:
        start = tuple(proposal["value"])
        if not start:
            return start
        if self._learned is None:
            raise InvalidArgument(f"start must hold nothing before there is an equation; got {start}")
        return checked_start(self._learned.plan.sampling.problem, start)

    @validate("span")
    def _positive(self, proposal: dict[str, Any]) -> float:
        return check_number("span", proposal["value"], low=1e-9, high=1e9)


def _stopped(late: list[str], forecasts: Forecasts) -> str:
    """Which forecasts end early, where, and what to do."""
    ends = []
    for name in late:
        reached = np.isfinite(forecasts.states[name]).all(1) if name in forecasts.states else np.zeros(1, dtype=bool)
        until = float(forecasts.times[: len(reached)][reached][-1]) if reached.any() else 0.0
        ends.append(f"{name} at t = {until:.4g}")
    most = f"{PATIENT_SECONDS:g} s for all of them"
    return f"stopped, as there are {most}: {', '.join(ends)} of {forecasts.times[-1]:.4g}; shorten the span"
