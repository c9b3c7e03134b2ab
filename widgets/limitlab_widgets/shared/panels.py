"""Panels that studios are built from: a problem with its parameters, a training with its buttons; cards and controls.

A panel shows state and sends commands to it; it has no numbers of its own.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
from traitlets import Any as AnyTrait

from limitlab import figures
from limitlab.experiments.contract.result import curves_of
from limitlab_widgets.shared.figure_panel import FigurePanel

if TYPE_CHECKING:
    from limitlab.experiments import Option
    from limitlab.problems import Parameter, Problem
    from limitlab_widgets.shared.training import TrainingState

DESCRIPTION = "108px"
STOPS = 200
STYLE = """<style>
.limitlab-card { border: 1px solid var(--jp-border-color2, #d0d7de); border-radius: 6px; padding: 10px 14px; }
.limitlab-card .widget-html-content { line-height: 1.45; }
.limitlab-card h4 { margin: 0 0 4px 0; }
.limitlab-note { opacity: 0.75; font-size: 90%; }
.limitlab-row > .widget-inline-hbox { flex: 1 1 280px; }
.limitlab-error { color: #b3261e; font-weight: 600; white-space: pre-wrap; }
.limitlab-choice:has(input:disabled) { opacity: 0.45; }
.limitlab-table { border-collapse: collapse; width: 100%; line-height: 1.5; font-variant-numeric: tabular-nums; }
.limitlab-table th, .limitlab-table td { padding: 1px 8px; text-align: right; white-space: nowrap; }
.limitlab-table th { font-weight: 600; border-bottom: 1px solid var(--jp-border-color2, #d0d7de); }
.limitlab-table th:first-child, .limitlab-table td:first-child { text-align: left; padding-left: 0; }
</style>"""


class ProblemPanel(widgets.VBox):
    """Pick a problem and move its parameters; `problem` is the choice at its parameters.

    tooltip: what the problem is picked for. continuous: whether a slider speaks while it is dragged.
    """

    problem = AnyTrait(help="the problem that is picked, at the sliders' parameters")

    def __init__(self, choices: Sequence[Problem], problem: Problem, *, tooltip: str, continuous: bool = False) -> None:
        self._choices: dict[str, Problem] = {}
        self._continuous = continuous
        self.chooser = described(widgets.Dropdown, "problem", tooltip)
        self.chooser.style.description_width = "60px"
        self.chooser.observe(self._choose, "value")
        self.equation = widgets.HTMLMath(layout=widgets.Layout(margin="0 0 4px 0", overflow="auto hidden"))
        self.sliders: dict[str, widgets.Widget] = {}
        self._rows = widgets.VBox()
        super().__init__([self.chooser, self.equation, self._rows])
        self.offer(choices, problem)

    def offer(self, choices: Sequence[Problem], problem: Problem) -> None:
        """Let the reader pick from these and from `problem`, which is picked."""
        self._choices = {choice.name: choice for choice in choices} | {problem.name: problem}
        self.chooser.unobserve(self._choose, "value")
        self.chooser.options = [(choice.title, name) for name, choice in self._choices.items()]
        self.chooser.value = problem.name
        self.problem = problem
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
        problem: Problem = self.problem
        old = tuple(self._rows.children)
        self.equation.value = f"$\\displaystyle {problem.latex()}$"
        self.sliders = {
            p.name: parameter_slider(p, problem.values[p.name], continuous=self._continuous) for p in problem.parameters
        }
        for name, slider in self.sliders.items():
            slider.observe(lambda change, name=name: self._move(name, change), "value")
        meanings = [f"${p.latex or p.name}$&ensp;{html.escape(meaning_of(p))}" for p in problem.parameters]
        legend = widgets.HTMLMath(f'<span class="limitlab-note">{"; ".join(meanings) or "no parameters"}</span>')
        self._rows.children = (*self.sliders.values(), legend)
        for row in old:
            row.close()

    def _move(self, name: str, change: dict[str, Any]) -> None:
        if is_echo(change):
            return
        (parameter,) = (p for p in self.problem.parameters if p.name == name)
        # ten to the power of a logarithm can land a rounding error outside the range
        value = min(max(float(change["new"]), parameter.low), parameter.high)
        self.problem = self.problem.with_parameters(**{name: value})


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
        self.bar = widgets.IntProgress(min=0, max=1, layout=widgets.Layout(width="auto", margin="6px 2px 0 2px"))
        self.status = widgets.Label("no data yet", layout=widgets.Layout(width="auto"))
        self.error = widgets.HTML()
        self.curve = FigurePanel(height=280)
        rows = [("prepare", "train"), ("pause", "resume", "stop")]
        commands = widgets.VBox([widgets.HBox([self.buttons[command] for command in row]) for row in rows])
        super().__init__([commands, self.bar, self.status, self.error, self.curve])
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
        self.error.value = error_text(change["new"])

    def _draw_curve(self, _change: dict[str, Any] | None = None) -> None:
        self.curve.show(figures.training_curves(curves_of(self._state.logs)))


def card(title: str, children: Sequence[widgets.Widget], flex: str = "0 0 auto") -> widgets.VBox:
    """A framed part of a studio under its title."""
    layout = widgets.Layout(flex=flex, margin="3px", overflow="visible", min_width="0")
    framed = widgets.VBox([widgets.HTML(f"<h4>{title}</h4>"), *children], layout=layout)
    framed.add_class("limitlab-card")
    return framed


def row(children: Sequence[widgets.Widget]) -> widgets.HBox:
    """Parts side by side, one below the other where the page is narrow."""
    beside = widgets.HBox(children, layout=widgets.Layout(flex_flow="row wrap", overflow="visible"))
    beside.add_class("limitlab-row")
    return beside


def error_text(message: str) -> str:
    """A message in red, as HTML that shows any text as it is; nothing for an empty one."""
    return f'<div class="limitlab-error">{html.escape(message)}</div>' if message else ""


def described(kind: type, description: str, tooltip: str, **options: Any) -> Any:
    """A control with a full description and a tooltip, as wide as its panel."""
    style = {"description_width": DESCRIPTION}
    layout = widgets.Layout(width="auto", max_width="460px")
    return kind(description=description, tooltip=tooltip, style=style, layout=layout, **options)


def parameter_slider(parameter: Parameter, value: float, *, continuous: bool = False) -> Any:
    """A slider over a parameter's range, logarithmic where the parameter is; continuous: speaks while it is dragged."""
    shared = {"value": value, "continuous_update": continuous}
    name, low, high = f"${parameter.latex or parameter.name}$", parameter.low, parameter.high
    if parameter.scale == "log":
        least, most = math.log10(low), math.log10(high)
        ends = {"min": least, "max": most, "step": _step(least, math.log10(value), 0.01), "readout_format": ".3g"}
        return described(widgets.FloatLogSlider, name, meaning_of(parameter), base=10, **ends, **shared)
    step = _step(low, value, (high - low) / STOPS)
    digits = -math.floor(math.log10(step))
    readout = f".{max(digits, 0)}f" if digits < 6 and abs(high) < 1e5 else ".3g"
    ends = {"min": low, "max": high, "step": step, "readout_format": readout}
    return described(widgets.FloatSlider, name, meaning_of(parameter), **ends, **shared)


def _step(low: float, value: float, about: float) -> float:
    """A step that leads from the low end to the value, so that a page shows the value and not the stop next to it."""
    stops = round((value - low) / about)
    return (value - low) / stops if stops else about


def is_echo(change: dict[str, Any]) -> bool:
    """Whether a page only answered a slider's value with the nearest stop of its track, which nobody moved."""
    slider, old, new = change["owner"], change["old"], change["new"]
    if isinstance(slider, widgets.FloatLogSlider):
        old, new = (math.log(value, slider.base) for value in (old, new))
    return bool(abs(new - old) < 0.5 * slider.step)


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
        ends = {"min": math.log10(low), "max": math.log10(high), "step": 0.01, "readout_format": ".2g"}
        return described(widgets.FloatLogSlider, name, option.help, value=value, base=10, **ends)
    return described(widgets.FloatSlider, name, option.help, value=value, min=low, max=high, step=(high - low) / 50)


def seconds_text(seconds: float) -> str:
    """A duration as a reader says it."""
    return f"{math.ceil(seconds)} s" if seconds < 90 else f"{seconds / 60:.0f} min"
