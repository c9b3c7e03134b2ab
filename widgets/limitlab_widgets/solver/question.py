"""What decides the numbers of a solver studio, read once: a worker solves it while the traits move on.

Settings that a problem or its steps do not use are left out, so that moving them asks nothing new.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab import figures
from limitlab.errors import LimitlabError
from limitlab.interruption import interruptible
from limitlab.problems import SDEProblem
from limitlab.solvers.ode.solve import solve_ode
from limitlab.solvers.sde.brownian import BrownianPath
from limitlab.solvers.sde.solve import solve_sde
from limitlab.solvers.solution import Solution
from limitlab_widgets.shared.budget import Budget
from limitlab_widgets.shared.worker import Check
from limitlab_widgets.solver.methods import STIFF, System, failure_text
from limitlab_widgets.solver.noise import brownian_path, refinement
from limitlab_widgets.solver.step_ends import StepEnds

if TYPE_CHECKING:
    import xarray as xr

FEWEST_FRAMES, MOST_FRAMES, SDE_FRAMES, ADAPTIVE_FRAMES = 801, 2001, 256, 64
EARLIEST = 1e-7
STEPS = tuple(2**k for k in range(3, 12))
ABSOLUTE = {"ode": 1e-3, "sde": 0.1}


@dataclass(frozen=True)
class Question:
    """A problem, where it starts and ends, and what decides the steps; None for what does not matter to it."""

    problem: System
    initial: tuple[float, ...]
    span: float
    control: str
    tolerance: float | None
    max_steps: int | None
    steps: int | None
    log_time: bool
    seed: int | None
    paths: int | None
    seconds: float

    @property
    def stochastic(self) -> bool:
        """Whether there is noise."""
        return isinstance(self.problem, SDEProblem)

    @cached_property
    def start(self) -> Float[Tensor, "1 state"]:
        """The initial state."""
        return torch.tensor([self.initial], dtype=torch.float64) if self.initial else self.problem.initial_value[None]

    @cached_property
    def times(self) -> Float[np.ndarray, " time"]:
        """The times at which solutions are asked for; of a stochastic problem those of its steps."""
        if self.stochastic:
            steps = self.steps or ADAPTIVE_FRAMES
            return np.linspace(0.0, self.span, steps + 1)[:: max(1, steps // SDE_FRAMES)]
        frames = int(np.clip(2 * self.problem.frames, FEWEST_FRAMES, MOST_FRAMES))
        uniform = np.linspace(0.0, self.span, frames)
        if not self.log_time:
            return uniform
        # the uniform ones too: an orbit late in logarithmic time would be drawn as chords
        return np.union1d(uniform, np.geomspace(EARLIEST * self.span, self.span, frames))

    @cached_property
    def noise(self) -> BrownianPath:
        """The Brownian paths, the same for every method and every number of steps."""
        assert isinstance(self.problem, SDEProblem)
        assert self.seed is not None
        assert self.paths is not None
        return brownian_path(self.problem, self.seed, self.paths, self.span)

    def warm_up(self) -> None:
        """Do what is done once for a problem, which is no cost of its first method."""
        t = torch.zeros(1, 1, dtype=torch.float64)
        self.problem.field()(t, self.start)
        other = self.problem.diffusion() if isinstance(self.problem, SDEProblem) else self.problem.jacobian()
        other(t, self.start)

    def make_code(self, method: str) -> None:
        """Make the machine code of a stochastic method of fixed steps, which is no cost of its first solve."""
        if self.stochastic and self.steps is not None:
            # the same for any number of steps and paths; what this solve says of itself is not asked
            with suppress(LimitlabError):
                replace(self, steps=1, paths=1).solve(method, lambda: None)

    def solve(self, method: str, check: Check) -> tuple[Solution, xr.Dataset]:
        """Solve by one method, asking `check` at every step, which may end it where it is. Raises LimitlabError."""
        problem = self.problem
        # as it is: a solver may know more of an equation than how to call it
        field = problem.field()
        if self.steps is None:
            options: dict[str, Any] = {"rtol": self.tolerance, "max_steps": self.max_steps}
            options["atol"] = ABSOLUTE[problem.kind] * (self.tolerance or 0.0)
        else:
            # times off the grid of steps end steps of their own
            options = {"step_size": self.span / self.steps, "max_steps": 2 * self.steps}
        options |= {"method": method, "on_failure": "mask"}
        with interruptible(check):
            return self._solve(problem, field, options)

    def _solve(self, problem: System, field: Any, options: dict[str, Any]) -> tuple[Solution, xr.Dataset]:
        method = options["method"]
        if isinstance(problem, SDEProblem):
            options |= {"brownian": self.noise, "noise": problem.noise, "calculus": problem.calculus}
            y0 = self.start.expand(self.paths or 1, -1)
            solution = solve_sde(field, problem.diffusion(), y0, torch.from_numpy(self.times), **options)
            return solution, self._labelled(solution)
        ends = StepEnds() if self.steps is None and method in STIFF else None
        if ends is not None:
            options["events"] = [ends.event]
        if method in STIFF:
            options["jacobian"] = problem.jacobian()
        solution = solve_ode(field, self.start, torch.from_numpy(self.times), **options)
        dataset = self._labelled(solution)
        return solution, dataset if ends is None else ends.added_to(dataset)

    def _labelled(self, solution: Solution) -> xr.Dataset:
        dataset = solution.to_xarray(self.problem.components)
        units = {state.unit for state in self.problem.states}
        dataset["y"].attrs["units"] = units.pop() if len(units) == 1 else "1"
        for name in ("time", "step_time", "step_size"):
            dataset[name].attrs["units"] = self.problem.time_unit
        return dataset


@dataclass(frozen=True)
class Solved:
    """The answer: solutions, milliseconds and failures by method; of the methods that were asked, some have none.

    reached: until when the solution goes of a method that did not come to the end.

    levels: the first path at several numbers of steps, where that is looked at.
    """

    question: Question
    methods: tuple[str, ...]
    solutions: dict[str, xr.Dataset] = field(default_factory=dict)
    milliseconds: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    levels: xr.Dataset | None = None
    reached: dict[str, float] = field(default_factory=dict)

    @cached_property
    def solution(self) -> xr.Dataset | None:
        """The solutions of all methods on the dim `method`."""
        return figures.by_method(self.solutions) if self.solutions else None

    def answers(self, question: Question, methods: tuple[str, ...], refine: bool) -> bool:
        """Whether nothing is left to solve."""
        asked = (self.question, self.methods) == (question, methods)
        return asked and (self.levels is not None or not refine or not self.solutions)

    def refined(self, earlier: Solved | None, check: Check) -> Solved:
        """With the first path by the first of the methods, at three numbers of steps, up to 16 times those asked."""
        question = self.question
        assert isinstance(question.problem, SDEProblem)
        first = next(iter(self.solutions))
        if earlier and earlier.question == question and first == next(iter(earlier.solutions), None):
            known = earlier.levels
        else:
            known = None
        if known is not None:
            return replace(self, levels=known)
        finest = min(16 * (question.steps or ADAPTIVE_FRAMES), STEPS[-1])
        levels = refinement(
            question.problem,
            question.start,
            next(iter(self.solutions)),
            [finest // 16, finest // 4, finest],
            seed=question.seed or 0,
            span=question.span,
            check=check,
        )
        return replace(self, levels=levels)

    def add(self, method: str, check: Check, seconds: float) -> None:
        """Solve by one more method, for so many seconds at most."""
        begun = time.perf_counter()
        try:
            solution, dataset = self.question.solve(method, Budget(check, seconds))
        except LimitlabError as error:
            self.failures[method] = f"{method}: {error}"
            return
        self.milliseconds[method] = 1e3 * (time.perf_counter() - begun)
        self.solutions[method] = dataset
        if solution.failures:
            self.reached[method] = min(failure.time for failure in solution.failures)
            self.failures[method] = failure_text(method, solution.failures, len(solution.log.size), self.question)

    def adopt(self, method: str, earlier: Solved) -> None:
        """Take over what is known of a method from an earlier answer to the same question."""
        for name in ("solutions", "milliseconds", "failures", "reached"):
            known, mine = getattr(earlier, name), getattr(self, name)
            if method in known:
                mine[method] = known[method]
