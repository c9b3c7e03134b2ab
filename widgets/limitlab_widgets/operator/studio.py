"""The operator studio: pick an equation and an operator, make data, train, and look where the prediction errs.

What is learned is the map of one function to another, or a step in time, which is looked at in rollouts.

`OperatorStudio("darcy", size="course")` as a cell's last line shows it. What it does is `limitlab.experiments`, with
the settings of its controls; `studio.state` holds everything, `studio.state.training.result` the last training.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import ipywidgets as widgets
from torch import nn

from limitlab import figures, problems, weights
from limitlab.errors import LimitlabError
from limitlab.experiments.operators._learning import Build
from limitlab.operators import OPERATORS
from limitlab_widgets.operator.code import operator_code
from limitlab_widgets.operator.drawn import DrawnState
from limitlab_widgets.operator.drawn_panel import DrawnPanel
from limitlab_widgets.operator.own_file import FilePanel
from limitlab_widgets.operator.settings import SettingsPanel
from limitlab_widgets.operator.state import OperatorState
from limitlab_widgets.operator.worst_panel import WorstPanel, WorstState
from limitlab_widgets.shared.code.panel import CodePanel
from limitlab_widgets.shared.controls import described, linked, offer
from limitlab_widgets.shared.figure_panel import FigurePanel
from limitlab_widgets.shared.layout import card, columns, display, fold, row, share
from limitlab_widgets.shared.panels import ProblemPanel, StaleNote, TrainingPanel
from limitlab_widgets.shared.studio import Studio

SIDE = 340
FIRST_PATIENCE = 3.0


class OperatorStudio(Studio):
    """Learn the solution operator of a problem, interactively.

    problem: a name of `limitlab.problems`, or a PDEProblem, such as one from `problems.parse`. size: "smoke", "course"
    or "paper". models: torch modules, or functions of the task that make one, by name, to train and compare with the
    operators of the catalogue. options: settings of the experiment, as for its `configure`. Raises what `configure`
    and `experiments.with_models` raise.

    >>> from limitlab_widgets import OperatorStudio
    >>> studio = OperatorStudio("darcy", size="smoke", models={"linear": torch.nn.Conv2d(1, 1, 1)})
    >>> studio.operator.options[-1]
    ('linear, a model of yours', 'linear')
    >>> studio.close()
    """

    def __init__(
        self,
        problem: str | problems.PDEProblem = "burgers",
        size: str = "course",
        *,
        models: Mapping[str, nn.Module | Build] | None = None,
        **options: Any,
    ) -> None:
        self.state = OperatorState(problem, size, models=models, **options)
        state = self.state
        self.problem = ProblemPanel(
            problems.catalogue("pde"), state.problem, tooltip="the equation whose solution operator is learned"
        )
        self.goal = described(widgets.Dropdown, "learn", "what of the equation is learned", options=_goals(state))
        self.goal.style.description_width = "60px"
        learners = [(state.titles[name], name) for name in state.learners]
        self.operator = linked(
            state, "operator", described(widgets.Dropdown, "operator", "what to train next", options=learners)
        )
        self.operator.style.description_width = "60px"
        self.settings = SettingsPanel(state)
        self.file = FilePanel(state.load, self._leave_file)
        self.training = TrainingPanel(state.training)
        self.model = described(widgets.Dropdown, "prediction of", "whose prediction is looked at")
        self.beside = described(widgets.Dropdown, "beside", "whose prediction is looked at next to it")
        self.sample = linked(
            state,
            "sample",
            described(widgets.IntSlider, "test function", "which test function is looked at", min=0, max=0),
        )
        self.step = linked(
            state,
            "step",
            described(widgets.IntSlider, "step", "how many steps the model went on", min=1, max=1, value=1),
        )
        self.resolution = described(
            widgets.SelectionSlider, "test resolution", "points per axis of the test", options=[("no data yet", 0)]
        )
        self.verdict = widgets.HTML("Nothing to look at yet: make data, or train.")
        self.triptych = FigurePanel(label="truth, prediction and error of one test function")
        self.against_resolution = FigurePanel(height=SIDE, label="error against the resolution of the test")
        self.spectrum = FigurePanel(height=SIDE, label="spectrum of the truth and of the error")
        self.worst = WorstPanel(WorstState(state))
        drawn = DrawnState(state)
        self.drawing = DrawnPanel(drawn, state, state.titles)
        code = CodePanel(partial(operator_code, state, drawn), state, drawn)
        super().__init__(self._arranged(), states=[drawn, self.worst.state, state], main=self.triptych, code=code)
        display(self.step, False)
        self._connect()
        self._enable_controls()
        # so that there is something to look at, in a picture too
        state.preview()
        if refused := _refused(state):
            self.verdict.value += f" {html.escape(refused)}."
        state.training.wait(FIRST_PATIENCE)

    @property
    def options(self) -> dict[str, Any]:
        """Controls of the settings, by name."""
        return self.settings.controls

    def summary(self) -> list[str]:
        """The equation, the operator, and what the figure shows."""
        state = self.state
        return [
            state.title,
            state.titles[state.operator],
            *([] if state.predicted is None else [f"prediction of {state.titles[state.model]}"]),
        ]

    def _arranged(self) -> list[widgets.Widget]:
        controls = [
            card(
                "1 &nbsp; Equation",
                [self.problem, self.goal, fold("data", [self.settings.data]), fold("my data", [self.file])],
            ),
            card("2 &nbsp; Operator", [self.operator, fold("settings", [self.settings.model])]),
            card("3 &nbsp; Training", [self.training]),
        ]
        pair = [share(panel, least=300) for panel in (self.against_resolution, self.spectrum)]
        self.drawn = widgets.VBox([self.triptych, row(pair)])
        self.note = StaleNote(self.state, self.drawn)
        look = [
            row([self.model, self.beside, self.sample, self.step, self.resolution]),
            self.note,
            self.verdict,
            self.drawn,
        ]
        cards = [
            card("4 &nbsp; Test functions", look),
            card("5 &nbsp; Your own input", [self.drawing]),
            card("6 &nbsp; Worst input", [self.worst]),
        ]
        return [columns(controls, cards)]

    def _connect(self) -> None:
        state = self.state
        self.problem.observe(self._take_problem, "problem")
        self.goal.observe(self._take_goal, "value")
        self.model.observe(self._take_model, "value")
        self.beside.observe(self._take_beside, "value")
        self.resolution.observe(self._take_resolution, "value")
        state.observe(self._follow_problem, ["problem", "file", "goal"])
        state.observe(self._enable_controls, ["operator", "problem", "file", "goal"])
        state.training.observe(self._enable_controls, "phase")
        state.observe(self._draw_all, "revision")
        state.observe(self._draw_all, ["resolution", "model", "beside", "step"])
        state.observe(self._draw_sample, "sample")
        state.observe(self._draw_verdict, ["options", "problem", "file", "goal", "operator"])
        state.observe(self.renew_picture, ["revision", "problem", "file", "operator"])

    def _take_problem(self, change: dict[str, Any]) -> None:
        self.state.problem = change["new"]

    def _take_goal(self, change: dict[str, Any]) -> None:
        if change["new"]:
            self.state.goal = change["new"]

    def _follow_problem(self, _change: dict[str, Any]) -> None:
        problem = self.state.problem
        _offer(self.goal, _goals(self.state), self.state.goal, self._take_goal)
        if problem != self.problem.problem:
            self.problem.offer(problems.catalogue("pde"), problem)
        self.file.show(self.state.file)

    def _leave_file(self) -> None:
        self.state.file = None

    def _take_model(self, change: dict[str, Any]) -> None:
        if change["new"]:
            self.state.model = change["new"]

    def _take_beside(self, change: dict[str, Any]) -> None:
        self.state.beside = change["new"] or ""

    def _take_resolution(self, change: dict[str, Any]) -> None:
        if change["new"]:
            self.state.resolution = change["new"]

    def _enable_controls(self, _change: dict[str, Any] | None = None) -> None:
        free = self.state.training.phase in ("empty", "ready")
        self.problem.enable(free and self.state.file is None)
        self.file.enable(free)
        self.operator.disabled = self.goal.disabled = not free
        self.settings.enable(free)

    def _draw_all(self, _change: dict[str, Any] | None = None) -> None:
        state = self.state
        # the training's thread replaces predictions while the reader moves a slider
        with state.lock:
            predicted, metrics = state.predicted, state.metrics
            if predicted is None or metrics is None:
                return
            _offer(self.model, [(state.titles[name], name) for name in state.models], state.model, self._take_model)
            others = [(state.titles[name], name) for name in state.models if name != state.model]
            beside = state.beside if state.beside != state.model else ""
            _offer(self.beside, [("nothing", ""), *others], beside, self._take_beside)
            sizes = [(f"{n}", n) for n in state.resolutions]
            _offer(self.resolution, sizes, state.resolution, self._take_resolution)
            self.sample.max = state.samples - 1
            self.step.max = max(1, state.steps)
            display(self.step, bool(state.steps))
            self._draw_sample()
            banded = state.model in OPERATORS and "modes" in OPERATORS[state.model].settings
            modes = state.settings_of[state.model].modes if banded else None
            title = "Spectrum of truth and error"
            self.spectrum.show(partial(figures.error_spectrum.sketch, predicted, modes=modes, title=title))
            growth = state.growth
            if growth is None:
                errors = figures.error_against_resolution.sketch(metrics, title="Error over all test functions")
            else:
                errors = figures.lines.sketch(growth, log="y", marks=True, title="Error over all rollouts")
            now = state.resolution if growth is None else state.step
            errors.add_shapes(figures.vertical_line(now, line={"width": 6}, opacity=0.18))
            self.against_resolution.show(errors)

    def _draw_sample(self, _change: dict[str, Any] | None = None) -> None:
        with self.state.lock:
            predicted = self.state.predicted
            if predicted is None:
                return
            compared = {name: sample.isel(sample=self.state.sample) for name, sample in self.state.compared.items()}
            if compared:
                self.triptych.show(partial(figures.side_by_side.sketch, compared))
            else:
                self.triptych.show(partial(figures.triptych.sketch, predicted.isel(sample=self.state.sample)))
            self._draw_verdict()

    def _draw_verdict(self, _change: dict[str, Any] | None = None) -> None:
        state = self.state
        with state.lock:
            errors = state.errors
            if errors is None:
                return
            error, mean = float(errors[state.sample]), float(errors.mean())
            untrained = " (a baseline; nothing is trained yet)" if state.models == (state.baseline,) else ""
            note = f" ({state.shipped[state.model]})" if state.model in state.shipped else untrained
            after = f" after {state.step} of {state.steps} steps" if state.steps else ""
            answer = (
                f"relative L2 error <b>{error:.4f}</b> of test function {state.sample}{after}, <b>{mean:.4f}</b> on "
                f"average over {state.samples}, at {state.resolution} points per axis{_drift(state)}"
            )
            if math.isnan(error):
                answer = f"no answer at {state.resolution} points per axis, since it takes its training grid alone"
            self.verdict.value = f"{html.escape(state.titles[state.model])}{note}: {answer}{_changed_settings(state)}"


def _goals(state: OperatorState) -> list[tuple[str, str]]:
    return [(goal.title, name) for name, goal in state.goals.items()]


def _refused(state: OperatorState) -> str:
    """Why a model that ships of the problem and the operator is not shown; empty where it is, or none ships."""
    experiment, settings = state.plan()
    return weights.refusal(experiment.name, settings.as_dict(), operator=state.operator)


def _drift(state: OperatorState) -> str:
    """How far the model shown is from its own answer on the finest grid, where that is known."""
    metrics = state.measured[state.model]
    if "drift" not in metrics or state.resolution == max(state.resolutions):
        return ""
    drift = float(metrics["drift"].sel(resolution=state.resolution)[state.sample])
    return f"; {drift:.4f} from its own answer on the finest grid"


def _changed_settings(state: OperatorState) -> str:
    """Which settings of the model shown were moved after its training."""
    try:
        names = ", ".join(name.replace("_", " ") for name in state.changed_settings)
    except LimitlabError:
        return ""
    return f'<br><span class="limitlab-old">trained before {names} changed</span>' if names else ""


def _offer(
    control: Any, options: list[tuple[str, Any]], value: Any, observer: Callable[[dict[str, Any]], None]
) -> None:
    """Let a control offer these, with `value` picked; nobody is told of the first one being picked meanwhile."""
    control.unobserve(observer, "value")
    offer(control, options)
    if control.value != value:
        control.value = value
    control.observe(observer, "value")
