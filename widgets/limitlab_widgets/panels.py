"""Panels that studios are built from: a problem with its parameters, a training with its buttons, a figure in place.

A panel shows state and sends commands to it; it has no numbers of its own.
"""

from __future__ import annotations

import html
import math
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import numpy as np
from traitlets import Any as AnyTrait

from limitlab import figures
from limitlab.experiments.experiment import curves_of

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from limitlab.experiments import Option
    from limitlab.problems import Parameter, PDEProblem
    from limitlab_widgets.state import TrainingState

DESCRIPTION = "130px"
STYLE = """<style>
.limitlab-card { border: 1px solid var(--jp-border-color2, #d0d7de); border-radius: 6px; padding: 10px 14px; }
.limitlab-card .widget-html-content { line-height: 1.45; }
.limitlab-card h4 { margin: 0 0 4px 0; }
.limitlab-note { opacity: 0.75; font-size: 90%; }
.limitlab-error { color: #b3261e; font-weight: 600; white-space: pre-wrap; }
</style>"""


class ProblemPanel(widgets.VBox):
    """Pick a problem and move its parameters; `problem` is the choice at its parameters."""

    problem = AnyTrait(help="the PDEProblem that is picked, at the sliders' parameters")

    def __init__(self, choices: Sequence[PDEProblem], problem: PDEProblem) -> None:
        self._choices = {choice.name: choice for choice in choices} | {problem.name: problem}
        self.chooser = described(
            widgets.Dropdown,
            "problem",
            "the equation whose solution operator is learned",
            options=[(choice.title, name) for name, choice in self._choices.items()],
            value=problem.name,
        )
        self.equation = widgets.HTMLMath(layout=widgets.Layout(margin="0 0 4px 0"))
        self.sliders: dict[str, widgets.Widget] = {}
        self._rows = widgets.VBox()
        super().__init__([self.chooser, self.equation, self._rows], problem=problem)
        self._draw()
        self.chooser.observe(self._choose, "value")

    def enable(self, enabled: bool) -> None:
        """Whether the choice and the sliders can be moved."""
        for control in (self.chooser, *self.sliders.values()):
            control.disabled = not enabled

    def _choose(self, change: dict[str, Any]) -> None:
        self.problem = self._choices[change["new"]]
        self._draw()

    def _draw(self) -> None:
        problem: PDEProblem = self.problem
        old = tuple(self._rows.children)
        self.equation.value = f"$\\displaystyle {problem.latex()}$"
        self.sliders = {p.name: parameter_slider(p, problem.values[p.name]) for p in problem.parameters}
        for slider in self.sliders.values():
            slider.observe(self._move, "value")
        meanings = [f"${p.latex or p.name}$&ensp;{html.escape(meaning_of(p))}" for p in problem.parameters]
        legend = widgets.HTMLMath(f'<span class="limitlab-note">{"; ".join(meanings) or "no parameters"}</span>')
        self._rows.children = (*self.sliders.values(), legend)
        for row in old:
            row.close()

    def _move(self, _change: dict[str, Any]) -> None:
        ranges = {p.name: p for p in self.problem.parameters}
        # ten to the power of a logarithm can land a rounding error outside the range
        values = {
            name: min(max(float(slider.value), ranges[name].low), ranges[name].high)
            for name, slider in self.sliders.items()
        }
        self.problem = self.problem.with_parameters(**values)


class TrainingPanel(widgets.VBox):
    """Make data, train, pause, resume, stop; progress, time left, what went wrong, and the loss as it falls."""

    BUTTONS = (
        ("prepare", "Make data", "database", "make the training and test functions, or take them from the cache"),
        ("train", "Train", "play", "train a fresh model on the data"),
        ("pause", "Pause", "pause", "halt after this step and look at the model as it is"),
        ("resume", "Resume", "step-forward", "go on from where the pause halted"),
        ("stop", "Stop", "stop", "end here and keep the model as it is"),
    )

    def __init__(self, state: TrainingState) -> None:
        self._state = state
        self.buttons = {
            command: widgets.Button(description=text, icon=icon, tooltip=tip, layout=widgets.Layout(width="auto"))
            for command, text, icon, tip in self.BUTTONS
        }
        for command, button in self.buttons.items():
            button.on_click(lambda _button, command=command: getattr(self._state, command)())
        self.buttons["train"].button_style = "primary"
        self.bar = widgets.IntProgress(min=0, max=1, layout=widgets.Layout(width="100%", margin="6px 0 0 0"))
        self.status = widgets.Label("no data yet", layout=widgets.Layout(width="100%"))
        self.error = widgets.HTML()
        self.curve = FigurePanel(height=250)
        row = widgets.HBox(list(self.buttons.values()), layout=widgets.Layout(flex_flow="row wrap"))
        super().__init__([row, self.bar, self.status, self.error, self.curve])
        state.observe(self._follow, ["phase", "activity", "done", "total", "seconds_left"])
        state.observe(self._tell, "error")
        state.observe(self._draw_curve, "logged")
        self._follow()
        self._draw_curve()

    def _follow(self, _change: dict[str, Any] | None = None) -> None:
        state = self._state
        for command, button in self.buttons.items():
            button.disabled = not state.can(command)
        self.bar.max, self.bar.value = max(1, state.total), state.done
        self.bar.bar_style = {"training": "info", "preparing": "info", "paused": "warning"}.get(state.phase, "")
        left = f", {seconds_text(state.seconds_left)} left" if state.seconds_left is not None else ""
        ending = " (stopping)" if state.phase == "stopping" else ""
        self.status.value = f"{state.activity or 'no data yet'}{left}{ending}"

    def _tell(self, change: dict[str, Any]) -> None:
        self.error.value = f'<div class="limitlab-error">{html.escape(change["new"])}</div>' if change["new"] else ""

    def _draw_curve(self, _change: dict[str, Any] | None = None) -> None:
        self.curve.show(figures.training_curves(curves_of(self._state.logs)))


class FigurePanel(widgets.Box):
    """One plotly figure, brought up to date in place: what stays the same is not sent again."""

    def __init__(self, *, height: int | None = None) -> None:
        super().__init__(layout=widgets.Layout(width="100%", overflow="hidden"))
        self.figure: Any = None
        self._height = height
        self._lock = threading.Lock()

    def show(self, figure: go.Figure) -> None:
        """Show this figure instead of the one that is there."""
        if self._height:
            figure.update_layout(height=self._height)
        with self._lock:
            if self.figure is None or kinds(self.figure) != kinds(figure):
                import plotly.graph_objects as go

                self.figure = go.FigureWidget(figure)
                self.children = (self.figure,)
                return
            with self.figure.batch_update():
                for shown, new in zip(self.figure.data, figure.data, strict=True):
                    shown.update(changes(shown.to_plotly_json(), new.to_plotly_json()), overwrite=True)
                layout = changes(self.figure.layout.to_plotly_json(), figure.layout.to_plotly_json())
                self.figure.layout.update(layout, overwrite=True)


def described(kind: type, description: str, tooltip: str, **options: Any) -> Any:
    """A control with a full description and a tooltip, as wide as its panel."""
    style = {"description_width": DESCRIPTION}
    layout = widgets.Layout(width="100%", max_width="430px")
    return kind(description=description, tooltip=tooltip, style=style, layout=layout, **options)


def parameter_slider(parameter: Parameter, value: float) -> Any:
    """A slider over a parameter's range, logarithmic where the parameter is."""
    shared = {"value": value, "readout_format": ".3g", "continuous_update": False}
    name = f"${parameter.latex or parameter.name}$"
    if parameter.scale == "log":
        ends = {"min": math.log10(parameter.low), "max": math.log10(parameter.high), "step": 0.01}
        return described(widgets.FloatLogSlider, name, meaning_of(parameter), base=10, **ends, **shared)
    step = (parameter.high - parameter.low) / 200
    ends = {"min": parameter.low, "max": parameter.high, "step": step}
    return described(widgets.FloatSlider, name, meaning_of(parameter), **ends, **shared)


def meaning_of(parameter: Parameter) -> str:
    """Meaning of a parameter with its unit, unless that is 1."""
    return parameter.meaning if parameter.unit in ("", "1") else f"{parameter.meaning} [{parameter.unit}]"


def option_control(option: Option, value: Any, *, low: float | None = None, high: float | None = None) -> Any:
    """The control of a setting: a choice, a logarithmic slider for rates, a slider where a range is given, else a box.

    low, high: the part of the setting's own range that a slider covers; widened to hold the value.
    """
    name = option.name.replace("_", " ")
    if option.choices:
        return described(widgets.Dropdown, name, option.help, options=list(option.choices), value=value)
    if low is None or high is None:
        bounds = {"min": option.low, "max": option.high}
        return described(widgets.BoundedIntText, name, option.help, value=value, **bounds)
    low, high = min(low, value), max(high, value)
    if option.type is int:
        return described(widgets.IntSlider, name, option.help, value=value, min=int(low), max=int(high))
    if high / max(low, 1e-12) > 100 and low > 0:
        ends = {"min": math.log10(low), "max": math.log10(high), "step": 0.05, "readout_format": ".2g"}
        return described(widgets.FloatLogSlider, name, option.help, value=value, base=10, **ends)
    return described(widgets.FloatSlider, name, option.help, value=value, min=low, max=high, step=(high - low) / 50)


def seconds_text(seconds: float) -> str:
    """A duration as a reader says it."""
    return f"{math.ceil(seconds)} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def kinds(figure: go.Figure) -> list[tuple[Any, ...]]:
    """What two figures must share for one to be brought up to date into the other."""
    return [(trace.type, trace.name, getattr(trace, "xaxis", None)) for trace in figure.data]


def changes(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The entries of `new` that differ from `old`, and None for those that are gone."""
    gone = {key: None for key in old if key not in new and key != "uid"}
    return gone | {key: value for key, value in new.items() if key not in old or not _same(old[key], value)}


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return bool(one == other)
