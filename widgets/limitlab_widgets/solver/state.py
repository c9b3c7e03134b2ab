"""State of the solver studio: a problem, how it is solved, and the solutions of all methods that are looked at.

Whatever decides the numbers is a trait; when one changes, the methods whose answer it changes solve again, at once and
in the caller's thread. The cursor decides no numbers. Errors against a reference follow from a thread of their own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from traitlets import Any as AnyTrait
from traitlets import Bool, Dict, Enum, HasTraits, Int, Tuple, Unicode, observe
from traitlets import Float as FloatTrait

from limitlab import figures, problems
from limitlab.errors import InvalidArgument, LimitlabError
from limitlab.problems import ODEProblem, SDEProblem
from limitlab.solvers.sde.brownian import BrownianPath
from limitlab.solvers.solution import Solution
from limitlab_widgets.shared.worker import Check, Worker
from limitlab_widgets.solver.methods import STIFF, System, failure_text, first_methods, usable
from limitlab_widgets.solver.noise import brownian_path, refinement
from limitlab_widgets.solver.reference import ode_error, ode_reference, sde_error, sde_reference, tightness
from limitlab_widgets.solver.step_ends import StepEnds

if TYPE_CHECKING:
    import xarray as xr

FIRST = {"ode": ("van_der_pol_mild", {"mu": 2.0}), "sde": ("geometric_brownian", {})}
FEWEST_FRAMES, MOST_FRAMES, SDE_FRAMES, ADAPTIVE_FRAMES = 801, 2001, 256, 64
STEPS = tuple(2**k for k in range(3, 12))
PAUSE = 1.0
TOLERANCE = {"ode": 1e-3, "sde": 1e-2}
ABSOLUTE = {"ode": 1e-3, "sde": 0.1}
DECIDE = (
    *("problem", "initial", "span", "methods", "control", "tolerance", "steps", "max_steps", "log_time"),
    *("seed", "paths"),
)


class SolverState(HasTraits):
    """A system of differential equations and its solutions by one or several methods.

    problem: a name of `limitlab.problems`, an ODEProblem or an SDEProblem. Raises UnknownName or InvalidArgument.
    """

    problem = AnyTrait(help="the problem at its parameters, an ODEProblem or an SDEProblem")
    initial = Tuple(help="initial state, one number a component; empty for the problem's own")
    span = FloatTrait(1.0, help="the end of time")
    methods = Tuple(help="the methods that are looked at, in the order of their colours")
    control = Enum(("tolerance", "steps"), "tolerance", help="what decides the steps")
    tolerance = FloatTrait(1e-3, help="relative tolerance; the absolute one is ABSOLUTE times it")
    steps = Int(256, help="number of fixed steps, a power of two")
    max_steps = Int(2000, help="attempts before an adaptive solve is given up")
    log_time = Bool(False, help="times that are dense at the start, and a logarithmic axis")
    seed = Int(0, help="of the Brownian paths")
    paths = Int(100, help="number of paths of a stochastic problem")
    cursor = FloatTrait(0.0, help="the time that all figures mark")
    failures = Dict(help="what went wrong, text by method")
    errors = Dict(help="error against the reference by method, as far as it is known")
    complaint = Unicode("", help="why an equation that was typed is refused")
    revision = Int(0, help="raised when solutions have changed")

    def __init__(self, problem: str | System | None = None) -> None:
        super().__init__()
        self.solutions: dict[str, xr.Dataset] = {}
        self.milliseconds: dict[str, float] = {}
        self._merged: xr.Dataset | None = None
        self._solved_for: tuple[Any, ...] = ()
        self._asked: tuple[Any, ...] = ()
        self._reference: tuple[tuple[Any, ...], np.ndarray] | None = None
        self._path: tuple[tuple[Any, ...], BrownianPath] | None = None
        self._worker, self._lock = Worker(PAUSE), threading.RLock()
        self.changing = False
        """Whether several traits are about to change, and solutions with them."""
        self.choose(_first("ode") if problem is None else problem)

    @property
    def kind(self) -> str:
        """ "ode" or "sde"."""
        return str(self.problem.kind)

    @property
    def start(self) -> Float[Tensor, "1 state"]:
        """The initial state."""
        return torch.tensor([self.initial], dtype=torch.float64) if self.initial else self.problem.initial_value[None]

    @property
    def solution(self) -> xr.Dataset | None:
        """The solutions of all methods on the dim `method`."""
        if self._merged is None and self.solutions:
            self._merged = figures.by_method(self.solutions)
        return self._merged

    @property
    def times(self) -> Float[np.ndarray, " time"]:
        """The times at which solutions are asked for; of a stochastic problem those of its steps."""
        if isinstance(self.problem, SDEProblem):
            steps = self.steps if self.control == "steps" else ADAPTIVE_FRAMES
            return np.linspace(0.0, self.span, steps + 1)[:: max(1, steps // SDE_FRAMES)]
        frames = int(np.clip(2 * self.problem.frames, FEWEST_FRAMES, MOST_FRAMES))
        if self.log_time:
            return np.append(0.0, np.geomspace(1e-7 * self.span, self.span, frames))
        return np.linspace(0.0, self.span, frames)

    def choose(self, problem: str | System) -> None:
        """Take another problem with a start, a span and steps that suit it; methods stay where they can be used."""
        chosen = problems.get(problem) if isinstance(problem, str) else problem
        if not isinstance(chosen, ODEProblem | SDEProblem):
            raise InvalidArgument(f"problem must be an ODE or an SDE; got {type(chosen).__name__}")
        before = self.problem
        with self._together():
            self.problem, self.initial, self.log_time, self.complaint = chosen, (), False, ""
            if before is None or _class_of(before) != _class_of(chosen) or not first_methods(chosen, self.control):
                self.control = "tolerance" if isinstance(chosen, ODEProblem) else "steps"
                self.tolerance = TOLERANCE[self.kind]
                self.methods = first_methods(chosen, self.control)
            self.span, self.steps = _suiting(chosen)
            self.cursor = 0.4 * self.span

    def choose_kind(self, kind: str) -> None:
        """Take the first problem of "ode" or "sde", unless that is what is looked at."""
        if kind != self.kind:
            self.choose(_first(kind))

    def choose_text(
        self,
        text: str,
        parameters: Mapping[str, float],
        initial: Mapping[str, float],
        span: float = 10.0,
        calculus: str = "ito",
    ) -> bool:
        """Take a typed system; whether it could be. If not, `complaint` says why, and all stays as it was."""
        options: dict[str, Any] = {"calculus": calculus} if calculus != "ito" else {}
        try:
            parsed: Any = problems.parse(text, parameters, initial=dict(initial), span=span, **options)
            self.choose(parsed)
        except LimitlabError as error:
            self.complaint = str(error)
            return False
        return True

    def refinement(self, component: str) -> xr.Dataset:
        """The first path by the first of the methods, at three numbers of steps, up to sixteen times those chosen."""
        finest = min(16 * self.steps, STEPS[-1])
        levels = [finest // 16, finest // 4, finest]
        method = next(iter(self.solutions))
        return refinement(self.problem, self.start, component, method, levels, seed=self.seed, span=self.span)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the errors; whether they are known."""
        return self._worker.wait(timeout)

    def close(self) -> None:
        """Tell nobody any more, and release the thread."""
        self.unobserve_all()
        self._worker.drop()
        self.wait(10)

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Solve once after several changes."""
        self.changing = True
        try:
            yield
        finally:
            self.changing = False
        self._answer()

    @observe(*DECIDE)
    def _follow(self, _change: dict[str, Any]) -> None:
        if not self.changing:
            self._answer()

    def _answer(self) -> None:
        """Solve with the methods whose answer is not known yet."""
        methods = usable(self.problem, self.methods, self.control)
        self.changing = True
        self.methods, self.cursor = methods, min(self.cursor, self.span)
        self.changing = False
        asked = tuple(getattr(self, name) for name in DECIDE if name != "methods")
        known = self.solutions if asked == self._solved_for else {}
        solutions: dict[str, xr.Dataset] = {}
        told = (
            {} if methods else {"": f"no scheme can choose its steps for {self.problem.noise} noise: take fixed steps"}
        )
        self._warm_up()
        for method in methods:
            if method in known:
                solutions[method] = known[method]
                told |= {method: self.failures[method]} if method in self.failures else {}
                continue
            try:
                solution, solutions[method] = self._solve(method)
            except LimitlabError as error:
                told[method] = f"{method}: {error}"
                continue
            if solution.failures:
                samples = len(solution.log.size)
                told[method] = failure_text(method, solution.failures, samples, self.max_steps)
        with self._lock:
            self.solutions, self._merged, self._solved_for, self.failures = solutions, None, asked, told
            # the thread must not read traits that are about to change
            self._asked = self._question(), self.problem, self.start, self.times
            self._compare()
        self.revision += 1

    def _solve(self, method: str) -> tuple[Solution, xr.Dataset]:
        options: dict[str, Any] = {"method": method, "on_failure": "mask"}
        adaptive, stochastic = self.control == "tolerance", isinstance(self.problem, SDEProblem)
        if adaptive:
            options |= {"step_size": None, "max_steps": self.max_steps}
            options |= {"rtol": self.tolerance, "atol": ABSOLUTE[self.kind] * self.tolerance}
        else:
            options |= {"step_size": self.span / self.steps, "max_steps": 2 * self.steps}
        ends = StepEnds() if adaptive and method in STIFF else None
        if ends is not None:
            options["events"] = [ends.event]
        if stochastic:
            options["brownian"] = self._noise()
        y0 = self.start.expand(self.paths, -1) if stochastic else self.start
        begun = time.perf_counter()
        solution = self.problem.solve(y0, self.times, **options)
        self.milliseconds[method] = 1e3 * (time.perf_counter() - begun)
        dataset = self._labelled(solution)
        return solution, dataset if ends is None else ends.added_to(dataset)

    def _warm_up(self) -> None:
        """Do what is done once for a problem, which is no cost of its first method."""
        t = torch.zeros(1, 1, dtype=torch.float64)
        self.problem.field()(t, self.start)
        other = self.problem.diffusion() if isinstance(self.problem, SDEProblem) else self.problem.jacobian()
        other(t, self.start)

    def _noise(self) -> BrownianPath:
        wanted = (self.problem.noises, self.seed, self.paths, self.span)
        if self._path is None or self._path[0] != wanted:
            self._path = wanted, brownian_path(self.problem, self.seed, self.paths, self.span)
        return self._path[1]

    def _labelled(self, solution: Solution) -> xr.Dataset:
        dataset = solution.to_xarray(self.problem.components)
        units = {state.unit for state in self.problem.states}
        dataset["y"].attrs["units"] = units.pop() if len(units) == 1 else "1"
        for name in ("time", "step_time", "step_size"):
            dataset[name].attrs["units"] = self.problem.time_unit
        return dataset

    def _question(self) -> tuple[Any, ...]:
        """What decides the reference; last seed and paths, or its tolerance."""
        shared = (self.problem, self.initial, self.span)
        if isinstance(self.problem, SDEProblem):
            return (*shared, self.seed, self.paths)
        return (*shared, self.log_time, tightness(self.tolerance))

    def _compare(self) -> None:
        """The errors of the solutions there are, if their reference is known; else find it."""
        question, problem, y0, times = self._asked
        if self._reference is None or self._reference[0] != question:
            self.errors = {}
            self._worker.ask(partial(self._find_reference, question, problem, y0, times))
            return
        found = self._reference[1]
        if isinstance(problem, ODEProblem):
            self.errors = {name: ode_error(solution, found, times) for name, solution in self.solutions.items()}
        else:
            self.errors = {name: sde_error(solution, found) for name, solution in self.solutions.items()}

    def _find_reference(
        self, question: tuple[Any, ...], problem: System, y0: Tensor, times: np.ndarray, check: Check
    ) -> None:
        try:
            if isinstance(problem, SDEProblem):
                found = sde_reference(problem, y0.expand(question[-1], -1), question[-2], float(times[-1]), check)
            else:
                found = ode_reference(problem, y0, times, question[-1], check)
        except LimitlabError:
            return
        with self._lock:
            check()
            self._reference = question, found
            self._compare()


def _first(kind: str) -> System:
    name, values = FIRST[kind]
    return problems.get(name, **values)


def _class_of(problem: System) -> tuple[Any, ...]:
    """Problems of one class are solved by the same methods."""
    if isinstance(problem, ODEProblem):
        return "ode", problem.stiff
    return "sde", problem.noise, problem.calculus, problem.method


def _suiting(problem: System) -> tuple[float, int]:
    """A span and a number of fixed steps; a stochastic problem gets no more than a few thousand of its own steps."""
    if isinstance(problem, ODEProblem):
        return problem.span, 256
    span = min(problem.span, 4 * STEPS[-2] * problem.step_size)
    fine = span / (4 * problem.step_size)
    return span, next(steps for steps in STEPS[2:] if steps >= min(fine, STEPS[-2]))
