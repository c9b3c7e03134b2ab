"""The discovery studio: hide terms of an equation, learn them from measurements, and read formulas off them.

`DiscoveryStudio("lotka_volterra")` as a cell's last line shows it. All numbers come from `limitlab.discovery`, with the
settings of its controls; `studio.state` holds everything, in `state.learning` the networks (`learned`), the formulas
(`fronts`) and the equation (`completed`).
"""

from __future__ import annotations

import dataclasses
import html
from functools import partial
from typing import Any

import ipywidgets as widgets

from limitlab import problems, weights
from limitlab.discovery.terms import MOST_STATES, Hideable, require_suitable, terms_of
from limitlab.errors import InvalidArgument
from limitlab.problems import ODEProblem
from limitlab.problems.pde.periodic import PeriodicProblem
from limitlab_widgets.discovery.code import discovery_code
from limitlab_widgets.discovery.controls import LearningPanel, MeasurementPanel, TermBoxes
from limitlab_widgets.discovery.drawing import FIGURES
from limitlab_widgets.discovery.figures import losses
from limitlab_widgets.discovery.formulas import ForecastPanel, FrontPanel
from limitlab_widgets.discovery.learned import Learned
from limitlab_widgets.discovery.sampling import suited
from limitlab_widgets.discovery.state import FIRST, DiscoveryState
from limitlab_widgets.shared.code.panel import CodePanel
from limitlab_widgets.shared.controls import described
from limitlab_widgets.shared.figure_panel import FigurePanel
from limitlab_widgets.shared.layout import card, columns, display, row, share
from limitlab_widgets.shared.panels import ProblemPanel, StaleNote
from limitlab_widgets.shared.studio import Studio
from limitlab_widgets.shared.typed_equation import TypedEquation

HEIGHT, FORECAST_HEIGHT = 300, 380


class DiscoveryStudio(Studio):
    """Learn the hidden terms of an equation from measurements, interactively, and find formulas for them.

    problem: a name of `limitlab.problems`, or a problem such as one from `problems.parse`: an ODEProblem of one to
    three states, or a periodic equation of the second order in one space dimension.
    models: networks of your own for the hidden terms, by name: torch modules of (point, input), or functions of
    (inputs, terms) that make one. options: points and noise of the measurements, and settings of the learning, such as
    adam=100 or the name of an own network, term="mine". Raises UnknownName or InvalidArgument.

    >>> from limitlab_widgets import DiscoveryStudio
    >>> studio = DiscoveryStudio("logistic", points=12)
    >>> studio.summary()[1]
    'hidden: -r*u^2/K of u'
    >>> studio.close()
    """

    def __init__(self, problem: str | Hideable = FIRST, **options: Any) -> None:
        self.state = DiscoveryState(problem, **options)
        state, learning = self.state, self.state.learning
        self.problem = ProblemPanel(_choices(), state.problem, tooltip="the equation some of whose terms are hidden")
        self.typed = TypedEquation(state, verb="Take it", fields=state.choose_field)
        self.absent = widgets.HTML(f'<span class="limitlab-note">{html.escape(_absent())}</span>')
        self.terms = TermBoxes(state)
        self.measuring = MeasurementPanel(state)
        self.learning = LearningPanel(learning)
        self.trajectory = described(widgets.IntSlider, "trajectory", "which trajectory is looked at", min=1, max=1)
        self.term = described(widgets.Dropdown, "equation of", "whose hidden term and formulas are looked at")
        self.changed, self.verdict = widgets.HTML(), widgets.HTML("Nothing is learned yet: press Train.")
        self.curves = FigurePanel(height=HEIGHT, label="measurements, and the network through them")
        self.losses = FigurePanel(height=HEIGHT, label="terms of the loss as they fall")
        self.residuals = FigurePanel(height=HEIGHT, label="residual of the equations")
        self.hidden = FigurePanel(height=HEIGHT + 40, label="the hidden term beside the truth, with the visited set")
        self.formulas = FrontPanel(learning, HEIGHT + 20)
        self.forecast = ForecastPanel(state.forecast, FORECAST_HEIGHT)
        code = CodePanel(partial(discovery_code, state), state, learning)
        super().__init__(self._arranged(), states=[state], main=self.curves, code=code)
        self._connect()
        self._draw_measured()
        self._draw_learned()

    def summary(self) -> list[str]:
        """The system, what is hidden, and what was found."""
        state = self.state
        values = ", ".join(f"{name} = {value:.4g}" for name, value in state.problem.values.items())
        hidden = ", ".join(f"{text or 'an unknown term'} of {equation}" for equation, text in state.hidden)
        completed = state.learning.completed
        found = [] if completed is None else [f"found: {completed.equation}"]
        return [f"{state.problem.title}{f': {values}' if values else ''}", f"hidden: {hidden or 'nothing'}", *found]

    def _arranged(self) -> list[widgets.Widget]:
        controls = [
            card("1 &nbsp; Equation", [self.problem, self.terms, self.absent, self.typed]),
            card("2 &nbsp; Measurements", [self.measuring]),
            card("3 &nbsp; Settings", [self.learning]),
        ]
        falling = row([share(panel, least=240) for panel in (self.losses, self.residuals)])
        self.top = widgets.VBox([self.curves, falling])
        self.note = StaleNote(self.state, self.top)
        self.learned = widgets.VBox([self.verdict, self.hidden])
        return [
            columns(
                controls,
                [
                    card("", [self.learning.commands, self.note, self.changed, self.top, self.trajectory]),
                    card("Hidden term", [self.term, self.learned]),
                    card("Formulas", [self.formulas]),
                    card("Forecast from a new start", [self.forecast]),
                ],
            )
        ]

    def _connect(self) -> None:
        state, learning = self.state, self.state.learning
        self.problem.observe(self._choose_problem, "problem")
        self.trajectory.observe(self._draw_trajectory, "value")
        self.term.observe(self._look_at_term, "value")
        state.observe(self._follow_problem, "problem")
        state.observe(self._draw_measured, "revision")
        state.observe(self._show_changed, ["settings_revision", "revision"])
        learning.observe(self._draw_learned, "learned_revision")
        learning.observe(self._enable, "phase")
        learning.observe(self.renew_picture, ["learned_revision", "refits_revision"])
        state.observe(self.renew_picture, "revision")

    def _choose_problem(self, change: dict[str, Any]) -> None:
        chosen = change["new"]
        if chosen == self.state.problem:
            return
        if _base(chosen) == _base(self.state.problem):
            self.state.problem = chosen
        else:
            self.state.choose(chosen)

    def _follow_problem(self, change: dict[str, Any]) -> None:
        problem = change["new"]
        if problem == self.problem.problem:
            return
        if _base(problem) == _base(self.problem.problem):
            self.problem.show(problem)
        else:
            self.problem.offer(_choices(), problem)

    def _enable(self, _change: dict[str, Any] | None = None) -> None:
        free = self.state.learning.phase != "working"
        self.problem.enable(free)
        self.terms.enable(free)
        self.measuring.enable(free)
        self.typed.solve.disabled = not free

    def _draw_measured(self, _change: dict[str, Any] | None = None) -> None:
        state = self.state
        with state.lock:
            measured, learned, problem = state.measured, state.learning.learned, state.problem
        if measured is None:
            return
        self.trajectory.max = measured.trajectories
        display(self.trajectory, measured.trajectories > 1)
        # a network beside measurements that it has not seen would be read as a fit of them
        fits = learned is not None and (learned.measured is measured or not state.outdated)
        drawing = FIGURES[measured.kind]
        shown = learned if fits else None
        self.curves.show(drawing.trajectories(problem, measured, shown, self.trajectory.value - 1))

    def _draw_trajectory(self, _change: dict[str, Any]) -> None:
        self._draw_measured()
        learned = self.state.learning.learned
        if learned is not None:
            self.residuals.show(_figures(learned).residuals(learned, self.trajectory.value - 1))

    def _draw_learned(self, _change: dict[str, Any] | None = None) -> None:
        learned = self.state.learning.learned
        self._draw_measured()
        self._show_changed()
        display(self.losses, learned is not None and not learned.shipped)
        display(self.residuals, learned is not None)
        if learned is not None:
            self.losses.show(losses(learned.losses))
            self.residuals.show(_figures(learned).residuals(learned, self.trajectory.value - 1))
        names = learned.equations if learned is not None else ()
        if tuple(self.term.options) != names:
            self.term.options = names
            self.term.value = names[0] if names else None
        display(self.term, len(names) > 1)
        self._look_at_term()

    def _look_at_term(self, _change: dict[str, Any] | None = None) -> None:
        learned, name = self.state.learning.learned, self.term.value
        if self.formulas.equation != (name or ""):
            self.formulas.look_at(name or "")
        if learned is None or name not in learned.equations:
            self.hidden.clear()
            self.verdict.value = "Nothing is learned yet: press Train."
            return
        self.hidden.show(_figures(learned).hidden_term(learned, learned.equations.index(name)))
        what = "A field" if learned.measured.kind == "pde" else "A trajectory"
        trained = weights.card(learned.shipped).label if learned.shipped else f"after {learned.steps} steps"
        told = (
            f"{trained}. {what} that fits proves nothing; off the visited set it extrapolates. "
            f"Condition number of quadratic formulas on the visited set: {learned.condition:.1e}"
        )
        if learned.error is None:
            self.verdict.value = f"The hidden terms are known to nobody here, {told}"
        else:
            self.verdict.value = (
                f"Relative L2 error of the hidden terms where visited: <b>{learned.error:.3f}</b>, {told}"
            )

    def _show_changed(self, _change: dict[str, Any] | None = None) -> None:
        names = self.state.outdated
        text = f"trained before {', '.join(names)} changed: train again" if names else ""
        self.changed.value = f'<span class="limitlab-old" role="status">{html.escape(text)}</span>' if text else ""
        display(self.changed, bool(text))
        for part in (self.losses, self.residuals, self.learned, self.formulas, self.forecast):
            if text:
                part.add_class("limitlab-stale")
            else:
                part.remove_class("limitlab-stale")


def _choices() -> tuple[Hideable, ...]:
    """Ordinary problems of the catalogue with few states, not stiff, with a term to hide; and what evolves in space."""
    systems = tuple(
        problem
        for problem in problems.catalogue("ode")
        if isinstance(problem, ODEProblem)
        and not (problem.sites or problem.stiff or problem.dimension > MOST_STATES)
        and any(not term.timed for term in terms_of(problem))
    )
    return (*systems, *(suited(problem) for problem in _evolving() if not _refusal(problem)))


def _evolving() -> list[PeriodicProblem]:
    return [problem for problem in problems.catalogue("evolution") if isinstance(problem, PeriodicProblem)]


def _refusal(problem: PeriodicProblem) -> str:
    """Why a problem cannot hide a term; empty where it can."""
    try:
        require_suitable(problem)
    except InvalidArgument as error:
        return str(error)
    return ""


def _absent() -> str:
    """What the catalogue has and the studio lacks, with the reason."""
    names = ", ".join(problem.title for problem in _evolving() if _refusal(problem))
    return f"not to be had: {names}, since networks here hand on no derivatives beyond the second"


def _figures(learned: Learned) -> Any:
    return FIGURES[learned.measured.kind]


def _base(problem: Hideable) -> Hideable:
    """The problem without the values of its parameters."""
    return dataclasses.replace(problem, values={})
