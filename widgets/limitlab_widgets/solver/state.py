"""State of the solver studio: a problem, how it is solved, and the solutions of all methods that are looked at.

Whatever decides the numbers is a trait; when one changes, the methods whose answer it changes solve again, in the
worker. The cursor decides no numbers. Errors against a reference follow when nothing has changed for a while.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from torch import Tensor
from traitlets import Any as AnyTrait
from traitlets import Bool, Dict, Enum, Int, Tuple, Unicode, validate
from traitlets import Float as FloatTrait

from limitlab import problems
from limitlab.errors import InvalidArgument, LimitlabError, check_number
from limitlab.problems import ODEProblem, SDEProblem
from limitlab.problems.text.systems import kind_of
from limitlab_widgets.shared.budget import SECONDS, Budget
from limitlab_widgets.shared.state import StudioState
from limitlab_widgets.shared.worker import Check
from limitlab_widgets.solver.methods import System, first_methods, usable
from limitlab_widgets.solver.question import STEPS, Question, Solved
from limitlab_widgets.solver.reference import ode_error, ode_reference, sde_error, sde_reference, tightness

if TYPE_CHECKING:
    import xarray as xr

FIRST = {"ode": ("van_der_pol_mild", {"mu": 2.0}), "sde": ("geometric_brownian", {})}
MOST_PATHS, MOST_ATTEMPTS, MOST_SEED = 10_000, 10**6, 10**6
ENDS: dict[str, tuple[float, float | None]] = {
    "span": (1e-12, 1e15),
    "tolerance": (1e-13, 1.0),
    "cursor": (0.0, None),
    "seconds": (0.01, 3600.0),
}
# the first solve of a kernel loads what later ones find loaded
FIRST_PATIENCE, PATIENCE, PAUSE = 60.0, 0.8, 1.0
TOLERANCE = {"ode": 1e-3, "sde": 1e-2}


class SolverState(StudioState):
    """A system of differential equations and its solutions by one or several methods.

    problem: a name of `limitlab.problems`, an ODEProblem or an SDEProblem. Raises UnknownName or InvalidArgument, as
    does every trait that is given a value which cannot be solved for.

    >>> from limitlab_widgets import SolverState
    >>> state = SolverState("linear_decay")
    >>> sorted(state.solutions)
    ['dopri8', 'tsit5']
    >>> state.close()
    """

    decides = (
        *("problem", "initial", "span", "methods", "control", "tolerance", "steps", "max_steps", "log_time"),
        *("seconds", "seed", "paths", "refine"),
    )

    problem = AnyTrait(help="the problem at its parameters, an ODEProblem or an SDEProblem")
    initial = Tuple(help="initial state, one number a component; empty for the problem's own")
    span = FloatTrait(1.0, help="the end of time")
    methods = Tuple(help="the methods that are looked at, in the order of their colours")
    control = Enum(("tolerance", "steps"), "tolerance", help="what decides the steps")
    tolerance = FloatTrait(1e-3, help="relative tolerance; the absolute one is ABSOLUTE times it")
    steps = Int(256, help="number of fixed steps, a power of two")
    max_steps = Int(2000, help="attempts before an adaptive solve is given up")
    seconds = FloatTrait(SECONDS, help="time for the methods together; what they have by then is shown")
    log_time = Bool(False, help="times that are dense at the start, and a logarithmic axis")
    seed = Int(0, help="of the Brownian paths")
    paths = Int(100, help="number of paths of a stochastic problem")
    refine = Bool(False, help="whether one Brownian path is looked at with more and more steps")
    cursor = FloatTrait(0.0, help="the time that all figures mark")
    failures = Dict(help="what went wrong, text by method")
    errors = Dict(help="error against the reference by method, as far as it is known")
    complaint = Unicode("", help="why an equation that was typed is refused")
    settings_revision = Int(0, help="raised when settings have changed, all together, before they are answered")
    revision = Int(0, help="raised when solutions have changed")

    def __init__(self, problem: str | System | None = None) -> None:
        super().__init__()
        self._patience = FIRST_PATIENCE
        self.solved: Solved | None = None
        self._reference: tuple[tuple[Any, ...], np.ndarray] | None = None
        self.choose(_first("ode") if problem is None else problem)
        self._patience, self._took = PATIENCE, 0.0

    @property
    def kind(self) -> str:
        """ "ode" or "sde"."""
        return str(self.problem.kind)

    @property
    def question(self) -> Question:
        """What the traits ask now, without what does not matter to it."""
        adaptive, stochastic = self.control == "tolerance", isinstance(self.problem, SDEProblem)
        return Question(
            self.problem,
            self.initial,
            self.span,
            self.control,
            tolerance=self.tolerance if adaptive else None,
            max_steps=self.max_steps if adaptive else None,
            steps=None if adaptive else self.steps,
            log_time=self.log_time and not stochastic,
            seed=self.seed if stochastic else None,
            paths=self.paths if stochastic else None,
            seconds=self.seconds,
        )

    @property
    def start(self) -> Float[Tensor, "1 state"]:
        """The initial state."""
        return self.question.start

    @property
    def times(self) -> Float[np.ndarray, " time"]:
        """The times at which solutions are asked for."""
        return self.question.times

    @property
    def solutions(self) -> dict[str, xr.Dataset]:
        """The solutions by method, as far as there are any."""
        return self.solved.solutions if self.solved else {}

    @property
    def milliseconds(self) -> dict[str, float]:
        """What each solve took, by method."""
        return self.solved.milliseconds if self.solved else {}

    @property
    def solution(self) -> xr.Dataset | None:
        """The solutions of all methods on the dim `method`."""
        return self.solved.solution if self.solved else None

    def choose(self, problem: str | System) -> None:
        """Take another problem with a start, a span and steps that suit it; methods stay where they can be used."""
        chosen = problems.get(problem) if isinstance(problem, str) else problem
        before = self.problem
        with self.together():
            self.problem, self.initial, self.log_time = chosen, (), False
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
        """Take a typed system; whether it could be. If not, `complaint` says why, and all stays as it was.

        calculus: of a stochastic system; others have none.
        """
        options: dict[str, Any] = {"calculus": calculus} if kind_of(text) == "sde" else {}
        try:
            parsed: Any = problems.parse(text, parameters, initial=dict(initial) or None, span=span, **options)
            self.choose(parsed)
        except LimitlabError as error:
            self.complaint = str(error)
            return False
        self.complaint = ""
        return True

    def answer(self) -> None:
        """Solve with the methods whose answer is not known yet."""
        self.methods = methods = usable(self.problem, self.methods, self.control)
        self.cursor, self.complaint = min(self.cursor, self.span), ""
        question = self.question
        self.settings_revision += 1
        refine = self.refine and question.stochastic
        if self.solved and self.solved.answers(question, methods, refine):
            self.settle()
        elif methods:
            self.work(partial(self._solve, question, methods, refine), patience=self._patience)
        else:
            self.settle()
            reason = f"no scheme can choose its steps for {self.problem.noise} noise: take fixed steps"
            self.solved = Solved(question, (), failures={"": reason})
            self._announce()

    def _solve(self, question: Question, methods: tuple[str, ...], refine: bool, check: Check) -> None:
        solved, earlier = Solved(question, methods), self.solved
        question.warm_up()
        together = Budget(check, question.seconds)
        for count, method in enumerate(methods, start=1):
            check()
            if earlier and earlier.question == question and method in earlier.methods:
                solved.adopt(method, earlier)
                continue
            self.report(check, f"solving by {method}, {count} of {len(methods)}")
            if not _is_made(earlier, question, method):
                question.make_code(method)
            # what one leaves is shared by those after it
            solved.add(method, check, together.left / (len(methods) + 1 - count))
        if refine and solved.solutions:
            self.report(check, "refining one path")
            solved = solved.refined(earlier, check)
        # merged here, and not by the first view that looks at it
        _ = solved.solution
        with self.lock:
            check()
            self.solved = solved
        self._announce()
        self.answered(check)
        self._compare(solved, check)

    def _announce(self) -> None:
        """Let the views show what was solved, whichever answer is the newest by then."""
        solved = self.solved
        assert solved is not None
        self.errors, self.failures = self._errors(solved), solved.failures
        self.revision += 1

    def _compare(self, solved: Solved, check: Check) -> None:
        """Find the reference that the solutions are measured against, where it is not known."""
        if self.errors or not solved.solutions:
            return
        self.rest(check, PAUSE)
        question = solved.question
        try:
            if isinstance(question.problem, SDEProblem):
                y0 = question.start.expand(question.paths or 1, -1)
                reference = sde_reference(question.problem, y0, question.seed or 0, question.span, check)
            else:
                tight = tightness(question.tolerance)
                reference = ode_reference(question.problem, question.start, question.times, tight, check)
        except LimitlabError:
            return
        with self.lock:
            check()
            self._reference = _reference_key(question), reference
            self.errors = self._errors(solved)

    def _errors(self, solved: Solved) -> dict[str, float]:
        """The errors of the solutions, if their reference is known."""
        question, reference = solved.question, self._reference
        if reference is None or reference[0] != _reference_key(question):
            return {}
        if question.stochastic:
            return {name: sde_error(solution, reference[1]) for name, solution in solved.solutions.items()}
        return {name: ode_error(solution, reference[1], question.times) for name, solution in solved.solutions.items()}

    @validate("problem")
    def _system(self, proposal: dict[str, Any]) -> System:
        if not isinstance(proposal["value"], ODEProblem | SDEProblem):
            raise InvalidArgument(f"problem must be an ODE or an SDE; got {type(proposal['value']).__name__}")
        return proposal["value"]

    @validate("initial")
    def _numbers(self, proposal: dict[str, Any]) -> tuple[float, ...]:
        numbers, expected = tuple(proposal["value"]), self.problem.dimension
        if len(numbers) not in (0, expected):
            raise InvalidArgument(f"initial must hold {expected} numbers, or none; got {len(numbers)}")
        return tuple(check_number(f"initial value {index}", number) for index, number in enumerate(numbers, start=1))

    @validate(*ENDS)
    def _positive(self, proposal: dict[str, Any]) -> float:
        low, high = ENDS[proposal["trait"].name]
        return check_number(proposal["trait"].name, proposal["value"], low=low, high=high)

    @validate("max_steps", "seed", "paths")
    def _count(self, proposal: dict[str, Any]) -> int:
        ends = {"max_steps": (1, MOST_ATTEMPTS), "seed": (0, MOST_SEED), "paths": (1, MOST_PATHS)}
        low, high = ends[proposal["trait"].name]
        return int(check_number(proposal["trait"].name, proposal["value"], low=low, high=high, integer=True))

    @validate("steps")
    def _power_of_two(self, proposal: dict[str, Any]) -> int:
        if proposal["value"] not in STEPS:
            raise InvalidArgument(
                f"steps must be a power of two from {STEPS[0]} to {STEPS[-1]}; got {proposal['value']!r:.80}"
            )
        return int(proposal["value"])


def _reference_key(question: Question) -> tuple[Any, ...]:
    """What decides a reference: of the steps only how tight it must be."""
    tight = None if question.stochastic else tightness(question.tolerance)
    shared = (question.problem, question.initial, question.span, question.log_time)
    return (*shared, question.seed, question.paths, tight)


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


def _is_made(earlier: Solved | None, question: Question, method: str) -> bool:
    """Whether an earlier answer needed the machine code of this method: a slider asks for what was made before."""
    if earlier is None or method not in earlier.methods:
        return False
    before = earlier.question
    return (before.problem.name, before.steps is None) == (question.problem.name, question.steps is None)
