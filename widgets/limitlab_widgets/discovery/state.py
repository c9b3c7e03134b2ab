"""State of the discovery studio: an equation, which of its terms are hidden, what is measured, and what comes of it.

The traits here decide the measurements, which follow every move. What takes longer is started by the reader: `learning`
trains, searches and refits; `forecast` solves what was found from a new start, beside the problem itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any

from jaxtyping import Float
from torch import Tensor
from traitlets import Any as AnyTrait
from traitlets import Float as FloatTrait
from traitlets import Int, Tuple, Unicode, validate

import limitlab_widgets.discovery.fields.completing  # noqa: F401, it registers what it does for fields
from limitlab import problems
from limitlab.discovery.terms import (
    Hidden,
    Hideable,
    checked,
    first_hidden,
    inputs_of,
    require_suitable,
    terms_of,
)
from limitlab.errors import InvalidArgument, LimitlabError, check_number, one_of
from limitlab.interruption import TimeIsUp, interruptible
from limitlab.problems import TextLaw
from limitlab.problems.pde.periodic import PeriodicProblem
from limitlab_widgets.discovery.fields.sampling import begun
from limitlab_widgets.discovery.forecast import Forecast
from limitlab_widgets.discovery.learned import Plan, Settings
from limitlab_widgets.discovery.learning import FIRST_SETTINGS, Learning
from limitlab_widgets.discovery.own_terms import Term
from limitlab_widgets.discovery.sampling import Sampling, fitted_to, reading, suited
from limitlab_widgets.discovery.shipped import first_span, shipped_of
from limitlab_widgets.shared.budget import PATIENT_SECONDS, Budget
from limitlab_widgets.shared.state import StudioState
from limitlab_widgets.shared.worker import Check

FIRST = "lotka_volterra"
FIRST_POINTS = {"ode": 30, "pde": 100}
RANGES = {"points": (4, 1000), "trajectories": (1, 20), "seed": (0, 10**6)}
# the first solve of a kernel loads what later ones find loaded
FIRST_PATIENCE, PATIENCE = 60.0, 0.5


class DiscoveryState(StudioState):
    """An equation with hidden terms and measurements of it; `learning` and `forecast` are states of their own.

    problem: an ODEProblem of one to three states, a periodic equation in one space dimension and of the second order,
    or a name of `limitlab.problems`. points: 30 times, or 100 places of a field, where left out. models: networks of
    the reader's own for the hidden terms, by name, modules of (point, input) or functions of (inputs, terms) that make
    one. options: first settings of `learning`, such as adam=100. A field begins as a text in x, two waves where its law
    is random. Raises UnknownName or InvalidArgument, as does every trait that is given a value which cannot be used.

    >>> from limitlab_widgets import DiscoveryState
    >>> state = DiscoveryState("lotka_volterra", points=12)
    >>> state.hidden
    (('x', '-beta*x*y'), ('y', 'delta*x*y'))
    >>> state.measured.seen.values.shape
    torch.Size([1, 12, 2])
    >>> state.close()
    """

    decides = ("problem", "span", "hidden", "inputs", "points", "noise", "trajectories", "seed", "file")

    problem = AnyTrait(help="the equation at its parameters: an ODEProblem of one to three states, or a periodic one")
    span = FloatTrait(1.0, help="the end of the measurements")
    hidden = Tuple(help="(equation, text) of each summand that is hidden; an empty text for a term nobody knows")
    inputs = Tuple(help="the states, or derivatives of a field, that a hidden term may depend on")
    points = Int(30, help="measured times of a trajectory, or places of a field")
    noise = FloatTrait(0.0, help="noise as a share of each state's deviation")
    trajectories = Int(1, help="trajectories, which share the hidden terms; one for a field")
    seed = Int(0, help="of noise, further starts and networks")
    file = AnyTrait(None, help="measurements of a file in the place of simulated ones")
    complaint = Unicode("", help="why a system that was typed is refused")
    settings_revision = Int(0, help="raised when settings have changed, all together, before they are answered")
    revision = Int(0, help="raised when measurements have changed")

    def __init__(
        self,
        problem: str | Hideable = FIRST,
        *,
        points: int | None = None,
        noise: float = 0.0,
        models: Mapping[str, Term] | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        chosen = _named(problem)
        self.measured: Any = None
        self.measured_of: Sampling | None = None
        self.learning = Learning(self.plan, models)
        self.forecast = Forecast()
        self._patience = FIRST_PATIENCE
        for name, value in {**FIRST_SETTINGS[chosen.kind], **options}.items():
            if name not in self.learning.trait_names():
                raise InvalidArgument(f"options must be settings of the learning; there is no {name!r}")
            setattr(self.learning, name, value)
        with self.together():
            self._take(chosen)
            self.points, self.noise = FIRST_POINTS[chosen.kind] if points is None else points, noise
        self._patience, self._took = PATIENCE, 0.0
        self.learning.observe(self._take_refit, "refits_revision")
        self.learning.observe(self._take_learned, "learned_revision")

    @property
    def system(self) -> Hideable:
        """The problem over the span of its measurements. Raises InvalidArgument where a file does not fit."""
        if self.file is not None:
            return fitted_to(self.problem, self.file)
        return dataclasses.replace(self.problem, span=self.span)

    @property
    def sampling(self) -> Sampling:
        """What decides the measurements now. Raises InvalidArgument where a file does not fit."""
        simulated = self.points, self.noise, self.trajectories
        return Sampling(self.system, *(simulated if self.file is None else (0, 0.0, 0)), self.seed, self.file)

    @property
    def start(self) -> Float[Tensor, "1 state"]:
        """The initial state of the first trajectory; raises InvalidArgument for a field, which has a text."""
        if isinstance(self.problem, PeriodicProblem):
            raise InvalidArgument(f"{self.problem.name} begins as the text {self.initial!r:.80}")
        return self.problem.initial_value[None]

    @property
    def initial(self) -> str:
        """How a field begins; empty for a system."""
        law = getattr(self.problem, "initial", None)
        return law.text if isinstance(law, TextLaw) else ""

    @property
    def outdated(self) -> list[str]:
        """What has changed since the training that is looked at."""
        learned = self.learning.learned
        if learned is None:
            return []
        try:
            now = dataclasses.replace(learned.plan, sampling=self.sampling, hidden=self.hidden, inputs=self.inputs)
        except InvalidArgument:
            return ["file"]
        names = [f.name for f in dataclasses.fields(Sampling)]
        before, after = learned.plan.sampling, now.sampling
        changed = [name for name in names if getattr(before, name) != getattr(after, name)]
        hidden = (learned.plan.hidden, learned.plan.inputs) != (now.hidden, now.inputs)
        return changed + (["hidden terms"] if hidden else [])

    def plan(self) -> tuple[Plan, Any]:
        """What a training started now would learn, and from what. Raises InvalidArgument."""
        if not self.hidden:
            raise InvalidArgument("nothing is hidden: tick a term of the equations")
        with self.lock:
            if self.measured is None or self.stale:
                raise InvalidArgument("there are no measurements yet")
            own = self.learning.models.get(self.learning.term)
            return Plan(self.sampling, self.hidden, self.inputs, self.learning.settings, own), self.measured

    def choose(self, problem: str | Hideable) -> None:
        """Take another equation with a span that suits it; its nonlinear terms are hidden, and a file is left."""
        chosen = _named(problem)
        with self.together():
            self._take(chosen)

    def begin(self, text: str) -> bool:
        """Let a field begin as a text in x; whether it can. If not, `error` says why, and all stays as it was."""
        try:
            self.problem = begun(self.problem, text)
        except LimitlabError as error:
            self.refuse(error)
            return False
        return True

    def choose_text(
        self, text: str, parameters: Mapping[str, float], initial: Mapping[str, float], span: float = 10.0, *_: str
    ) -> bool:
        """Take a typed system; whether it could be. If not, `complaint` says why, and all stays as it was."""
        return self._choose_typed(text, parameters, span, initial=dict(initial) or None)

    def choose_field(
        self, text: str, parameters: Mapping[str, float], initial: str, span: float = 1.0, length: float = 1.0
    ) -> bool:
        """Take a typed periodic equation that begins as a text in x, else as two waves; as `choose_text`."""
        options = {"initial": initial} if initial else {}
        return self._choose_typed(text, parameters, span, length=length, **options)

    def _choose_typed(self, text: str, parameters: Mapping[str, float], span: float, **options: Any) -> bool:
        try:
            parsed: Any = problems.parse(text, parameters, span=span, **options)
            chosen = suited(require_suitable(parsed))
            with self.together():
                self._take(chosen, span)
        except LimitlabError as error:
            self.complaint = str(error)
            return False
        self.complaint = ""
        return True

    def load(self, name: str, content: bytes) -> bool:
        """Take the measurements of a file; whether it could be. If not, `error` says why, and all stays as it was."""
        try:
            table = reading(self.problem, name, content)
            fitted_to(self.problem, table)
        except InvalidArgument as error:
            self.refuse(error)
            return False
        self.file = table
        return True

    def hide(self, equation: str, text: str, hidden: bool) -> None:
        """Hide a summand of an equation, or know it again. Raises InvalidArgument."""
        others = [pair for pair in self.hidden if pair != (equation, text)]
        self.hidden = tuple(others + ([(equation, text)] if hidden else []))

    def depend(self, state: str, depends: bool) -> None:
        """Let hidden terms depend on a state, or not. Raises InvalidArgument for the last one that they depend on."""
        others = [name for name in self.inputs if name != state]
        self.inputs = tuple(others + ([state] if depends else []))

    def answer(self) -> None:
        """Measure, unless only what is hidden has changed."""
        known = {(term.equation, term.text) for term in terms_of(self.problem)}
        # simulated measurements hold nothing that the equations lack
        kept = tuple(pair for pair in self.hidden if pair in known or (self.file is not None and not pair[1]))
        if kept != self.hidden:
            self.hidden = kept or first_hidden(self.problem)
        self.complaint = ""
        self.settings_revision += 1
        sampling = self.sampling
        if sampling == self.measured_of:
            self.settle()
        else:
            plan = Plan(sampling, self.hidden, self.inputs, Settings())
            self.work(partial(self._measure, plan), patience=self._patience)

    def close(self) -> None:
        """Stop what is under way and release the threads."""
        super().close()
        self.learning.close()
        self.forecast.close()

    def _take(self, problem: Hideable, span: float | None = None) -> None:
        # before any trait is set: each may raise
        span, hidden = span or first_span(problem), first_hidden(problem)
        if self.problem is not None and self.problem.kind != problem.kind:
            self.trajectories, self.points = 1, FIRST_POINTS[problem.kind]
            for name, value in FIRST_SETTINGS[problem.kind].items():
                setattr(self.learning, name, value)
        self.problem, self.file, self.span, self.hidden = problem, None, span, hidden
        self.inputs = inputs_of(problem)

    def _measure(self, plan: Plan, check: Check) -> None:
        sampling = plan.sampling
        self.report(check, "measuring")
        try:
            with interruptible(Budget(check, PATIENT_SECONDS)):
                measured = sampling.measured()
        except TimeIsUp:
            raise InvalidArgument(f"the solve was stopped after {PATIENT_SECONDS:g} s: shorten the span") from None
        with self.lock:
            check()
            self.measured, self.measured_of = measured, sampling
        self._show_shipped(plan, measured, check)
        self.revision += 1

    def _show_shipped(self, plan: Plan, measured: Any, check: Check) -> None:
        """Show the model that ships of these measurements, where there is one, until the reader has trained another."""
        learned = self.learning.learned
        trained = learned is not None and not learned.shipped
        if trained or self.learning.phase == "working" or not plan.hidden:
            return
        shipped = shipped_of(plan, measured)
        # what is asked now may hide other terms
        check()
        if shipped is not None:
            self.learning.show(shipped)

    def _take_learned(self, _change: dict[str, Any]) -> None:
        if self.learning.learned is None:
            self.forecast.forget()

    def _take_refit(self, _change: dict[str, Any]) -> None:
        learned, completed = self.learning.learned, self.learning.completed
        if learned is not None and completed is not None:
            self.forecast.take(learned, completed)

    @validate("problem")
    def _suitable(self, proposal: dict[str, Any]) -> Hideable:
        problem = suited(require_suitable(proposal["value"]))
        if not terms_of(problem):
            raise InvalidArgument(f"problem must have a term to hide; got {problem.equation!r:.80}")
        return problem

    @validate("hidden")
    def _terms(self, proposal: dict[str, Any]) -> Hidden:
        return checked(self.problem, proposal["value"], blanks=True)

    @validate("inputs")
    def _states(self, proposal: dict[str, Any]) -> tuple[str, ...]:
        chosen = tuple(proposal["value"])
        for name in chosen:
            one_of("input of a hidden term", name, inputs_of(self.problem))
        if not chosen:
            known = ", ".join(inputs_of(self.problem))
            raise InvalidArgument(f"inputs must hold one of {known} or more: a hidden term depends on something")
        return tuple(name for name in inputs_of(self.problem) if name in chosen)

    @validate("span", "noise")
    def _number(self, proposal: dict[str, Any]) -> float:
        low, high = {"span": (1e-9, 1e9), "noise": (0.0, 1.0)}[proposal["trait"].name]
        return check_number(proposal["trait"].name, proposal["value"], low=low, high=high)

    @validate("points", "trajectories", "seed")
    def _count(self, proposal: dict[str, Any]) -> int:
        name = proposal["trait"].name
        low, high = RANGES[name]
        if name == "trajectories" and isinstance(self.problem, PeriodicProblem):
            high = 1
        return int(check_number(name, proposal["value"], low=low, high=high, integer=True))

    @validate("file")
    def _table(self, proposal: dict[str, Any]) -> Any:
        file = proposal["value"]
        if file is not None and not hasattr(file, "summary"):
            raise InvalidArgument(f"file must be a table of measurements; got {file!r:.60}")
        return file


def _named(problem: str | Hideable) -> Hideable:
    return suited(require_suitable(problems.get(problem) if isinstance(problem, str) else problem))
