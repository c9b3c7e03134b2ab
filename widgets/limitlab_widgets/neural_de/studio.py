"""The neural DE studio: pick data and a class, train it, watch its solves change, and take values away at test.

`NeuralDEStudio("spirals")` as a cell's last line shows it. What it does is `limitlab.experiments`, with the settings of
its controls; `studio.state` holds everything, in `state.trained` every class that was trained on the same data.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from functools import partial
from typing import Any

import ipywidgets as widgets

from limitlab import weights
from limitlab_widgets.neural_de import figures
from limitlab_widgets.neural_de.code import neural_de_code
from limitlab_widgets.neural_de.controls import ClassPanel, SettingControls, SourcePanel
from limitlab_widgets.neural_de.drawn_panel import DrawnPanel
from limitlab_widgets.neural_de.moments import Moment
from limitlab_widgets.neural_de.own_fields import Field
from limitlab_widgets.neural_de.probe import HIGHEST
from limitlab_widgets.neural_de.sources import SERIES
from limitlab_widgets.neural_de.state import NeuralDEState
from limitlab_widgets.shared.code.panel import CodePanel
from limitlab_widgets.shared.controls import described, linked, offer
from limitlab_widgets.shared.figure_panel import FigurePanel
from limitlab_widgets.shared.layout import card, columns, display, fold, row, share
from limitlab_widgets.shared.panels import StaleNote, TrainingPanel
from limitlab_widgets.shared.studio import Studio

MAIN, SIDE = 320, 290
FIRST_PATIENCE = 3.0
NOTHING = "The data are made; then press Train, and watch."
NO_PATH = "A flow sees the start alone, so that nothing can be missing at test: compare trainings with values missing."


class NeuralDEStudio(Studio):
    """Train classes of neural differential equations on data with gaps, interactively, and see which of them holds.

    data: a name of the studio's data, such as "annuli", "pendulum", "spirals". kind: a class, such as "augmented" or
    "lsde". size: "smoke", "course" or "paper". models: vector fields of your own, by name: torch modules of (t, y), or
    functions of the size of the state that make one; each is trained in the place of the field of the plain ODE.
    options: settings of the experiment, such as steps=50. Raises UnknownName or InvalidArgument.

    >>> from limitlab_widgets import NeuralDEStudio
    >>> studio = NeuralDEStudio("spirals", "lsde", size="smoke")
    >>> studio.summary()
    ['series: spirals', 'Langevin SDE']
    >>> studio.close()
    """

    def __init__(
        self,
        data: str = "annuli",
        kind: str = "ode",
        *,
        size: str = "course",
        models: Mapping[str, Field] | None = None,
        **options: Any,
    ) -> None:
        self.state = NeuralDEState(data, kind, size=size, models=models, **options)
        state = self.state
        self.settings = SettingControls(state)
        self.source, self.kind = SourcePanel(state, self.settings), ClassPanel(state)
        self.training = TrainingPanel(state.training)
        self.moment = described(widgets.IntSlider, "moment", "a moment of the training, the last is the newest", max=0)
        self.sample = described(widgets.IntSlider, "series", "which series of the test set is looked at", max=0)
        self.verdict = widgets.HTML(NOTHING)
        self.paths = FigurePanel(height=MAIN, label="what the model does with data of the test set")
        self.odds = FigurePanel(height=MAIN, label="probability of each class along the series")
        self.steps = FigurePanel(height=SIDE, label="step sizes of the solver along time, at moments of the training")
        self.calls = FigurePanel(height=SIDE, label="field calls of a sample against the training step")
        rate = described(
            widgets.FloatSlider, "missing", "share of the test values that is missing", min=0.0, max=HIGHEST,
            step=0.05, readout_format=".0%",
        )  # fmt: skip
        self.rate = linked(state.probe, "rate", rate, read=lambda value: round(value, 4))
        self.shown = described(widgets.Dropdown, "of", "the class whose series is looked at")
        self.missing = FigurePanel(height=SIDE, label="accuracy of every class against the share missing at test")
        self.gaps = FigurePanel(height=SIDE, label="a test series with its gaps")
        self.no_path = widgets.HTML(f'<span class="limitlab-note">{NO_PATH}</span>')
        self.drawing = DrawnPanel(state.drawing, self.sample)
        code = CodePanel(self._code, state, state.probe, state.drawing, self.moment, self.sample)
        super().__init__(self._arranged(), states=[state], main=self.paths, code=code)
        self._connect()
        self._draw()
        self._draw_probe()
        # so that there is something to look at, in a picture too
        state.training.prepare()
        state.training.wait(FIRST_PATIENCE)

    def summary(self) -> list[str]:
        """The data, the class, and what was trained."""
        state = self.state
        title = state.titles[state.kind][0]
        trained = [f"trained: {'; '.join(state.trained)}"] if state.trained else []
        return [state.source.title, title, *trained]

    def _arranged(self) -> list[widgets.Widget]:
        of = self.settings.controls
        solve = [of[name] for name in ("method", "tolerance", "solver_steps", "way", "weight")]
        learning = [of[name] for name in ("steps", "learning_rate", "width", "depth")]
        controls = [
            card("1 &nbsp; Data", [self.source]),
            card("2 &nbsp; Class", [self.kind]),
            card("3 &nbsp; Solve and regularise", solve),
            card("4 &nbsp; Training", [fold("steps, rate, width", learning), self.training]),
        ]
        pair = row([share(self.paths, least=280), share(self.odds, least=280)])
        costs = row([share(self.steps, least=280), share(self.calls, least=280)])
        self.drawn = widgets.VBox([pair, costs])
        self.note = StaleNote(self.state, self.drawn)
        self.held = widgets.VBox([row([share(self.missing, least=280), share(self.gaps, least=280)])])
        self.probe_note = StaleNote(self.state.probe, self.held)
        self.asking = widgets.VBox([row([self.rate, self.shown]), self.probe_note])
        return [
            columns(
                controls,
                [
                    card("", [self.verdict, self.note, row([self.moment, self.sample]), self.drawn]),
                    card(
                        "5 &nbsp; Which class holds when values are missing at test",
                        [self.no_path, self.asking, self.held],
                    ),
                    card("6 &nbsp; A signal of your own", [self.drawing]),
                ],
            )
        ]

    def _connect(self) -> None:
        state = self.state
        state.observe(self._draw, "revision")
        state.observe(self._enable, "settings_revision")
        state.training.observe(self._enable, "phase")
        state.probe.observe(self._draw_probe, "revision")
        self.moment.observe(self._draw_moment, "value")
        self.sample.observe(self._draw_moment, "value")
        self.sample.observe(self._draw_gaps, "value")
        self.shown.observe(self._look_at, "value")
        for of in (state, state.probe):
            of.observe(self.renew_picture, "revision")

    def _code(self) -> str:
        return neural_de_code(self.state, self.moment.value, self.sample.value)

    def _enable(self, _change: dict[str, Any] | None = None) -> None:
        free = self.state.training.phase in ("empty", "ready")
        for part in (self.source, self.kind, self.settings):
            part.enable(free)

    def _draw(self, _change: dict[str, Any] | None = None) -> None:
        state = self.state
        with state.lock:
            moments = list(state.moments)
        last = max(0, len(moments) - 1)
        newest = self.moment.value == self.moment.max
        self.moment.max = last
        display(self.moment, last > 0)
        held = moments[0].look if moments else {}
        display(self.sample, "line" in held)
        display(self.odds, "line" in held and "label" in held)
        if moments:
            self.sample.max = moments[0].look.sizes["sample"] - 1
        if newest and self.moment.value != last:
            # whose observer draws
            self.moment.value = last
        else:
            self._draw_moment()

    def _draw_moment(self, _change: dict[str, Any] | None = None) -> None:
        state = self.state
        with state.lock:
            moments, trained = list(state.moments), dict(state.trained)
            data = state.learned_from
        if not moments:
            return
        number = min(self.moment.value, len(moments) - 1)
        moment, sample, name = moments[number], self.sample.value, state.begun_name
        self.paths.show(partial(figures.paths, moment.look, sample, figures.learned_until(data)))
        if "line" in moment.look and "label" in moment.look:
            self.odds.show(partial(figures.odds, moment.look, sample))
        self.steps.show(partial(figures.step_sizes, moments[: number + 1], sample))
        self.calls.show(partial(figures.field_calls, trained, moments, name))
        self.verdict.value = _said(moment, name, trained, weights.card(state.shipped).label if state.shipped else "")

    def _draw_probe(self, _change: dict[str, Any] | None = None) -> None:
        state, probe = self.state, self.state.probe
        with probe.lock:
            trained, asked = dict(probe.trained), dict(probe.accuracies)
        series = state.source.family == SERIES if not trained else probe.active
        display(self.no_path, not series)
        display(self.asking, series and bool(trained))
        display(self.gaps, series and bool(trained))
        self.shown.unobserve(self._look_at, "value")
        offer(self.shown, tuple(trained))
        self.shown.observe(self._look_at, "value")
        if trained and self.shown.value != probe.shown:
            self.shown.value = probe.shown
        if not trained:
            self.missing.clear()
            return
        at_test = partial(figures.missing_at_test, trained, probe.rate, asked)
        self.missing.show(at_test if series else partial(figures.errors, trained))
        self._draw_gaps()

    def _draw_gaps(self, _change: dict[str, Any] | None = None) -> None:
        probe = self.state.probe
        with probe.lock:
            look = probe.look
        if look is not None:
            sample = min(self.sample.value, look.sizes["sample"] - 1)
            self.gaps.show(partial(figures.paths, look, sample))

    def _look_at(self, change: dict[str, Any]) -> None:
        if change["new"]:
            self.state.probe.shown = change["new"]


def _said(moment: Moment, name: str, trained: dict[str, Any], shipped: str) -> str:
    """What a moment costs, and how right the class is where its training has ended; shipped: what is said of that."""
    rejected = int(((moment.look["accepted"] == 0) & moment.look["step_size"].notnull()).sum("step").mean("sample"))
    stage = (shipped or f"step {moment.step}") if moment.step else "untrained"
    text = f"{html.escape(name)}, {stage}: <b>{moment.calls:.0f}</b> field calls a sample"
    text += f", {rejected} of its steps rejected" if rejected else ""
    one = trained.get(name)
    if one is not None and one.moments and one.moments[-1].step == moment.step:
        metrics = one.metrics
        if "accuracy" in metrics:
            accuracy = metrics["accuracy"]
            best = float(accuracy[0] if accuracy.ndim else accuracy)
            text += f"; accuracy <b>{best:.1%}</b> on the test set"
        else:
            text += f"; error <b>{float(metrics['error']):.3f}</b> deviations on new trajectories"
    return text
