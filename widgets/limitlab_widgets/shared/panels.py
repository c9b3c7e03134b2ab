"""Panels that more than one studio is built from: a problem with its parameters, old figures, a training.

A panel shows state and sends commands to it; it has no numbers of its own.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
from traitlets import Any as AnyTrait

from limitlab import figures
from limitlab.errors import LimitlabError
from limitlab.experiments.contract.result import curves_of
from limitlab_widgets.shared.controls import (
    button,
    described,
    is_echo,
    meaning_of,
    parameter_slider,
    seconds_text,
    show_value,
)
from limitlab_widgets.shared.figure_panel import FigurePanel
from limitlab_widgets.shared.layout import display
from limitlab_widgets.shared.widget_tree import discard

if TYPE_CHECKING:
    from limitlab.problems import Parameter, Problem
    from limitlab_widgets.shared.state import StudioState
    from limitlab_widgets.shared.training import TrainingState


class ProblemPanel(widgets.VBox):
    """Pick a problem and move its parameters; `problem` is the choice at its parameters.

    tooltip: what the problem is picked for. continuous: whether a slider speaks while it is dragged.

    >>> from limitlab_widgets import ProblemPanel
    >>> panel = ProblemPanel(ll.problems.catalogue("pde"), ll.problems.get("burgers"), tooltip="what is learned")
    >>> panel.sliders["nu"].value = 0.05
    >>> panel.problem.values["nu"]
    0.05
    """

    problem = AnyTrait(help="the problem that is picked, at the sliders' parameters")

    def __init__(self, choices: Sequence[Problem], problem: Problem, *, tooltip: str, continuous: bool = False) -> None:
        self._choices: dict[str, Problem] = {}
        self._continuous = continuous
        self.chooser = described(widgets.Dropdown, "problem", tooltip)
        self.chooser.style.description_width = "60px"
        self.chooser.observe(self._choose, "value")
        self.equation = widgets.HTMLMath(layout=widgets.Layout(margin="0 0 4px 0", overflow="auto hidden"))
        self.sliders: dict[str, Any] = {}
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

    def show(self, problem: Problem) -> None:
        """Move the sliders to the parameters of this problem, which is the one that is picked at other values."""
        self.problem = problem
        for name, slider in self.sliders.items():
            show_value(slider, problem.values[name])

    def enable(self, enabled: bool) -> None:
        """Whether the choice and the sliders can be moved."""
        for control in (self.chooser, *self.sliders.values()):
            control.disabled = not enabled

    def _choose(self, change: dict[str, Any]) -> None:
        self.problem = self._choices[change["new"]]
        self._draw()

    def _draw(self) -> None:
        problem, old = self.problem, self._rows.children
        self.equation.value = f"$${problem.latex()}$$"
        self.sliders = {
            p.name: parameter_slider(p, problem.values[p.name], continuous=self._continuous) for p in problem.parameters
        }
        for parameter in problem.parameters:
            slider = self.sliders[parameter.name]
            slider.style.description_width = "48px"
            slider.observe(lambda change, parameter=parameter: self._move(parameter, change), "value")
        meanings = [f"${p.latex or p.name}$&ensp;{html.escape(meaning_of(p))}" for p in problem.parameters]
        legend = widgets.HTMLMath(f'<span class="limitlab-note">{"; ".join(meanings) or "no parameters"}</span>')
        self._rows.children = (*self.sliders.values(), legend)
        discard(old)

    def _move(self, parameter: Parameter, change: dict[str, Any]) -> None:
        slider, current = change["owner"], self.problem.values[parameter.name]
        # ten to the power of a logarithm can land a rounding error outside the range
        value = min(max(float(change["new"]), parameter.low), parameter.high)
        if value == current or is_echo(slider, change["new"], current):
            return
        try:
            self.problem = self.problem.with_parameters(**{parameter.name: value})
        except LimitlabError:
            slider.value = current


class StaleNote(widgets.HBox):
    """What a state is doing while its figures show an older answer, a button that stops it, and what went wrong.

    figures: the part of the page that is dimmed meanwhile.
    """

    def __init__(self, state: StudioState, figures: widgets.DOMWidget) -> None:
        self._state, self._figures = state, figures
        self.text, self.error, self.warning = (
            widgets.HTML(layout=widgets.Layout(flex="1 1 auto")),
            widgets.HTML(),
            widgets.HTML(),
        )
        self.stop = button("Stop", "stop", "give up what is computed now; the next change begins anew")
        self.stop.on_click(lambda _button: state.stop())
        super().__init__([self.text, self.error, self.warning, self.stop], layout=widgets.Layout(flex_flow="row wrap"))
        state.observe(self._follow, ["stale", "phase", "activity"])
        state.observe(self._show_error, ["error", "warning"])
        self._follow()
        self._show_error()

    def _follow(self, _change: dict[str, Any] | None = None) -> None:
        state = self._state
        text = f"old: figures and table answer earlier settings; {state.activity or 'computing'}" if state.stale else ""
        self.text.value = f'<span class="limitlab-old" role="status">{html.escape(text)}</span>' if text else ""
        display(self.text, bool(text))
        display(self.stop, state.phase == "working")
        if state.stale:
            self._figures.add_class("limitlab-stale")
        else:
            self._figures.remove_class("limitlab-stale")

    def _show_error(self, _change: dict[str, Any] | None = None) -> None:
        self.error.value, self.warning.value = error_text(self._state.error), warning_text(self._state.warning)
        display(self.error, bool(self._state.error))
        display(self.warning, bool(self._state.warning))


class TrainingPanel(widgets.VBox):
    """Make data, train, pause, resume, stop; progress, time left, what went wrong, and the loss as it falls.

    >>> from limitlab_widgets import OperatorState, TrainingPanel
    >>> panel = TrainingPanel(OperatorState("burgers", size="smoke").training)
    >>> [command for command, button in panel.buttons.items() if not button.disabled]
    ['prepare', 'train']
    """

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
            command: button(text, icon, tip, primary=command == "train") for command, text, icon, tip in self.BUTTONS
        }
        for command, control in self.buttons.items():
            control.on_click(lambda _button, command=command: getattr(self._state, command)())
        self.bar = widgets.IntProgress(min=0, max=1, layout=widgets.Layout(width="auto", margin="6px 2px 0 2px"))
        self.status = widgets.Label("no data yet", layout=widgets.Layout(width="auto"))
        self.status.add_class("limitlab-status")
        self.error, self.warning = widgets.HTML(), widgets.HTML()
        self.curve = FigurePanel(height=280, label="the loss as it falls")
        rows = [("prepare", "train"), ("pause", "resume", "stop")]
        commands = widgets.VBox([widgets.HBox([self.buttons[command] for command in row]) for row in rows])
        super().__init__([commands, self.bar, self.status, self.error, self.warning, self.curve])
        state.observe(self._follow, ["phase", "activity", "done", "total", "seconds_left"])
        state.observe(self._show_error, ["error", "warning"])
        state.observe(self._draw_curve, "logged")
        self._follow()
        self._draw_curve()

    def _follow(self, _change: dict[str, Any] | None = None) -> None:
        state = self._state
        for command, control in self.buttons.items():
            control.disabled = not state.can(command)
        self.bar.max, self.bar.value = max(1, state.total), state.done
        self.bar.bar_style = {"training": "info", "preparing": "info", "paused": "warning"}.get(state.phase, "")
        left = f", {seconds_text(state.seconds_left)} left" if state.seconds_left is not None else ""
        ending = " (stopping)" if state.phase == "stopping" else ""
        self.status.value = f"{state.activity or 'no data yet'}{left}{ending}"

    def _show_error(self, _change: dict[str, Any]) -> None:
        self.error.value, self.warning.value = error_text(self._state.error), warning_text(self._state.warning)

    def _draw_curve(self, _change: dict[str, Any] | None = None) -> None:
        self.curve.show(figures.training_curves(curves_of(self._state.logs)))


def error_text(message: str) -> str:
    """A message in red, as HTML that shows any text as it is; nothing for an empty one."""
    return f'<div class="limitlab-error" role="alert">{html.escape(message)}</div>' if message else ""


def warning_text(message: str) -> str:
    """What a reader should know of the numbers, as HTML that shows any text as it is; nothing for an empty one."""
    return f'<div class="limitlab-note" role="status">{html.escape(message)}</div>' if message else ""
