"""The operator studio: pick an equation and an operator, make data, train, and look where the prediction errs.

`OperatorStudio("darcy", size="course")` as a cell's last line shows it. What it does is `limitlab.experiments`, with
the settings of its controls; `studio.state` holds everything, `studio.state.training.result` the last training.
"""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

from limitlab import figures, problems
from limitlab.operators import OPERATORS
from limitlab_widgets.operator.state import BASELINE, OperatorState
from limitlab_widgets.shared.controls import described, option_control
from limitlab_widgets.shared.figure_panel import FigurePanel
from limitlab_widgets.shared.layout import card, row, share
from limitlab_widgets.shared.panels import ProblemPanel, TrainingPanel
from limitlab_widgets.shared.studio import Studio
from limitlab_widgets.shared.widget_tree import discard

DATA_CONTROLS = {"train_samples": None, "test_samples": None, "resolution": None}
MODEL_CONTROLS = {
    "modes": (4, 32),
    "width": (8, 64),
    "layers": (1, 6),
    "padding": (0.0, 0.25),
    "loss": None,
    "batch_size": None,
    "learning_rate": (1e-4, 1e-1),
    "epochs": (1, 100),
}
ROW_SETTINGS = {name for row in OPERATORS.values() for name in row.settings}


class OperatorStudio(Studio):
    """Learn the solution operator of a problem, interactively.

    problem: a name of `limitlab.problems`, or a PDEProblem, such as one from `problems.parse`. size: "smoke", "course"
    or "paper". options: settings of the experiment, as for its `configure`. Raises what `configure` raises.
    """

    def __init__(self, problem: str | problems.PDEProblem = "burgers", size: str = "course", **options: Any) -> None:
        self.state = OperatorState(problem, size, **options)
        state = self.state
        self.problem = ProblemPanel(
            problems.catalogue("pde"), state.problem, tooltip="the equation whose solution operator is learned"
        )
        learners = [(row.title, name) for name, row in OPERATORS.items() if row.trains]
        self.operator = described(
            widgets.Dropdown,
            "operator",
            "what to train next",
            options=learners,
        )
        self.operator.style.description_width = "60px"
        self.options: dict[str, Any] = {}
        self._data_rows, self._model_rows = widgets.VBox(), widgets.VBox()
        self.training = TrainingPanel(state.training)
        self.shown = described(widgets.Dropdown, "prediction of", "whose prediction is looked at")
        self.sample = described(widgets.IntSlider, "test function", "which test function is looked at", min=0, max=0)
        self.resolution = described(
            widgets.SelectionSlider, "test resolution", "points per axis of the test", options=[("no data yet", 0)]
        )
        self.verdict = widgets.HTML("Nothing to look at yet: make data, or train.")
        self.triptych = FigurePanel()
        self.against_resolution, self.spectrum = FigurePanel(height=360), FigurePanel(height=360)
        super().__init__(self._arranged(), states=[state], main=self.triptych)
        self._draw_options()
        self._connect()
        self._follow_phase()

    def _arranged(self) -> list[widgets.Widget]:
        cards = [
            card("1 &nbsp; Equation and data", [self.problem, self._data_rows], "1.4 1 310px"),
            card("2 &nbsp; Operator", [self.operator, self._model_rows], "1 1 280px"),
            card("3 &nbsp; Training", [self.training], "1.3 1 310px"),
        ]
        sliders = [self.shown, self.sample, self.resolution]
        pair = [self.against_resolution, self.spectrum]
        for panel in pair:
            share(panel, least=400)
        look = [row(sliders), self.verdict, self.triptych, row(pair)]
        return [row(cards), card("4 &nbsp; Prediction of test functions", look)]

    def _connect(self) -> None:
        state = self.state
        self.problem.observe(self._take_problem, "problem")
        widgets.link((state, "operator"), (self.operator, "value"))
        widgets.link((state, "sample"), (self.sample, "value"))
        self.operator.observe(self._follow_phase, "value")
        self.shown.observe(self._take_shown, "value")
        self.resolution.observe(self._take_resolution, "value")
        state.training.observe(self._follow_phase, "phase")
        state.observe(self._draw_all, "revision")
        state.observe(self._draw_all, ["resolution", "shown"])
        state.observe(self._draw_sample, "sample")

    def _take_problem(self, change: dict[str, Any]) -> None:
        renamed = change["old"].name != change["new"].name
        self.state.problem = change["new"]
        if renamed:
            self._draw_options()
            self._follow_phase()

    def _draw_options(self) -> None:
        """Controls of the settings, at the experiment's values; the training resolutions divide the finest one."""
        old = [*self._data_rows.children, *self._model_rows.children]
        known = {option.name: option for option in self.state.experiment.options()}
        defaults = self.state.defaults
        self.options = {}
        for name, ends in {**DATA_CONTROLS, **MODEL_CONTROLS}.items():
            value = getattr(defaults, name)
            if name == "resolution":
                finest = defaults.finest
                halved = [finest >> k for k in range(8) if finest % (1 << k) == 0 and finest >> k >= 8]
                choices = sorted({value, *halved})
                control = described(
                    widgets.Dropdown, "train resolution", known[name].help, options=choices, value=value
                )
            else:
                low, high = ends or (None, None)
                control = option_control(known[name], value, low=low, high=high)
            control.observe(lambda change, name=name: self._take_option(name, change["new"]), "value")
            self.options[name] = control
        self._data_rows.children = tuple(self.options[name] for name in DATA_CONTROLS)
        self._model_rows.children = tuple(self.options[name] for name in MODEL_CONTROLS)
        discard(old)

    def _take_option(self, name: str, value: Any) -> None:
        self.state.options = {**self.state.options, name: value}

    def _follow_phase(self, _change: dict[str, Any] | None = None) -> None:
        free = self.state.training.phase in ("empty", "ready")
        self.problem.enable(free)
        self.operator.disabled = not free
        idle = ROW_SETTINGS - set(OPERATORS[self.state.operator].settings)
        for name, control in self.options.items():
            control.disabled = not free or name in idle

    def _take_shown(self, change: dict[str, Any]) -> None:
        if change["new"]:
            self.state.shown = change["new"]

    def _take_resolution(self, change: dict[str, Any]) -> None:
        if change["new"]:
            self.state.resolution = change["new"]

    def _draw_all(self, _change: dict[str, Any] | None = None) -> None:
        state = self.state
        predicted, metrics = state.predicted, state.metrics
        if predicted is None or metrics is None or state.shown not in state.models:
            return
        self._offer(self.shown, [(OPERATORS[name].title, name) for name in state.models], state.shown)
        self._offer(self.resolution, [(f"{n}", n) for n in state.resolutions], state.resolution)
        self.sample.max = state.samples - 1
        self._draw_sample()
        modes = state.settings_of[state.shown].modes if "modes" in OPERATORS[state.shown].settings else None
        self.spectrum.show(figures.error_spectrum(predicted, modes=modes, title="Spectrum of truth and error"))
        errors = figures.error_against_resolution(metrics, title="Error over all test functions")
        errors.add_vline(x=state.resolution, line_width=6, opacity=0.18)
        self.against_resolution.show(errors)

    def _draw_sample(self, _change: dict[str, Any] | None = None) -> None:
        state = self.state
        predicted, metrics = state.predicted, state.metrics
        if predicted is None or metrics is None:
            return
        self.triptych.show(figures.triptych(predicted.isel(sample=state.sample)))
        errors = metrics["relative_l2"].sel(model=state.shown, resolution=state.resolution)
        here, mean = float(errors[state.sample]), float(errors.mean())
        untrained = " (a baseline; nothing is trained yet)" if state.models == (BASELINE,) else ""
        title = OPERATORS[state.shown].title
        self.verdict.value = (
            f"{title}{untrained}: relative L2 error <b>{here:.4f}</b> of test function {state.sample}, "
            f"<b>{mean:.4f}</b> on average over {state.samples}, at {state.resolution} points per axis"
        )

    @staticmethod
    def _offer(control: Any, options: list[tuple[str, Any]], value: Any) -> None:
        if tuple(control.options) != tuple(options):
            control.options = options
        if control.value != value:
            control.value = value
