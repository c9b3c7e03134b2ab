"""Controls of the discovery studio: the terms of the equations, the measurements, the steps of learning."""

from __future__ import annotations

import html
from collections.abc import Callable
from functools import partial
from typing import Any

import ipywidgets as widgets

from limitlab.discovery.symbolic import engines
from limitlab.discovery.terms import BLANK, FIXED, Hideable, Term, inputs_of, terms_of, unknowns_of
from limitlab.errors import LimitlabError
from limitlab.problems import ODEProblem, Parameter
from limitlab_widgets.discovery.learning import FIRSTS, METHODS, OPERATORS, Learning
from limitlab_widgets.discovery.state import DiscoveryState
from limitlab_widgets.shared.controls import (
    button,
    described,
    file_upload,
    is_echo,
    linked,
    parameter_slider,
    seconds_text,
    show_value,
)
from limitlab_widgets.shared.layout import display, fold
from limitlab_widgets.shared.panels import error_text, warning_text
from limitlab_widgets.shared.widget_tree import discard

MOST_POINTS, MOST_NOISE, MOST_TRAJECTORIES = 200, 0.2, 5
POINTS, MANY = "measured times of a trajectory", "how many share the hidden terms"
ONE_FIELD = "one field: further ones would need starts of their own"
BLANK_LATEX = "+ \\,?"


class TermBoxes(widgets.VBox):
    """The equations with a box at every summand: ticked is hidden. With a file, one for a term nobody knows, too.

    inputs: the boxes of the states that hidden terms may depend on, where there is more than one.
    """

    def __init__(self, state: DiscoveryState) -> None:
        self._state = state
        self._drawn: tuple[Any, ...] = ()
        self._following = False
        self.boxes: dict[tuple[str, str], widgets.Checkbox] = {}
        self.inputs: dict[str, widgets.Checkbox] = {}
        self._rows = widgets.VBox()
        note = widgets.HTML('<span class="limitlab-note">tick the terms to hide from the equations</span>')
        super().__init__([note, self._rows])
        state.observe(self._follow, "settings_revision")
        self._enabled = True
        self._follow()

    def enable(self, enabled: bool) -> None:
        """Whether boxes can be ticked; those of terms that hold the time cannot."""
        self._enabled = enabled
        timed = {(term.equation, term.text) for term in terms_of(self._state.problem) if term.timed}
        for pair, box in self.boxes.items():
            box.disabled = not enabled or pair in timed
        for box in self.inputs.values():
            box.disabled = not enabled

    def _follow(self, _change: dict[str, Any] | None = None) -> None:
        state = self._state
        shown = (terms_of(state.problem), unknowns_of(state.problem), state.problem.kind, state.file is None)
        self._following = True
        try:
            if shown != self._drawn:
                self._draw()
                self._drawn = shown
            for pair, box in self.boxes.items():
                box.value = pair in state.hidden
            for name, box in self.inputs.items():
                box.value = name in state.inputs
        finally:
            self._following = False

    def _draw(self) -> None:
        state, old = self._state, self._rows.children
        latex = _latex_of(state.problem)
        self.boxes, rows = {}, []
        for name in unknowns_of(state.problem):
            mine = [term for term in terms_of(state.problem) if term.equation == name]
            if state.file is not None:
                mine.append(Term(name, BLANK, BLANK_LATEX, nonlinear=True, timed=False))
            boxes = [self._box(term) for term in mine]
            rate = f"\\dot{{{latex[name]}}}" if isinstance(state.problem, ODEProblem) else f"{latex[name]}_t"
            left = widgets.HTMLMath(f"${rate} =$", layout=widgets.Layout(width="44px"))
            rows.append(widgets.HBox([left, *boxes], layout=widgets.Layout(flex_flow="row wrap", align_items="center")))
        self.inputs = {name: self._input(name, latex[name]) for name in latex} if len(latex) > 1 else {}
        if self.inputs:
            note = widgets.HTML('<span class="limitlab-note">may depend on</span>')
            rows.append(widgets.HBox([note, *self.inputs.values()], layout=widgets.Layout(flex_flow="row wrap")))
        self._rows.children = tuple(rows)
        discard(old)
        self.enable(self._enabled)

    def _box(self, term: Term) -> widgets.Checkbox:
        what = f"hide {term.text} of the equation of {term.equation}" if term.text else "a term that nobody knows"
        fixed = FIXED[self._state.problem.kind]
        tooltip = f"holds the {fixed}: it cannot be hidden" if term.timed else what
        box = self._ticked(term.latex, tooltip, partial(self._state.hide, term.equation, term.text))
        self.boxes[term.equation, term.text] = box
        return box

    def _input(self, name: str, latex: str) -> widgets.Checkbox:
        return self._ticked(latex, f"hidden terms are functions of {name}", partial(self._state.depend, name))

    def _ticked(self, latex: str, tooltip: str, take: Callable[[bool], None]) -> widgets.Checkbox:
        layout = widgets.Layout(width="auto", margin="0 8px 0 0")
        box = widgets.Checkbox(description=f"${latex}$", tooltip=tooltip, indent=False, layout=layout)
        box.add_class("limitlab-choice")
        box.observe(partial(self._toggle, take), "value")
        return box

    def _toggle(self, take: Callable[[bool], None], change: dict[str, Any]) -> None:
        if self._following:
            return
        try:
            take(change["new"])
        except LimitlabError as error:
            self._state.refuse(error)
            self._follow()


def _latex_of(problem: Hideable) -> dict[str, str]:
    """What hidden terms may depend on, in LaTeX."""
    if isinstance(problem, ODEProblem):
        return {field.name: field.latex or field.name for field in problem.states}
    pairs = ((name, name.partition("_")[::2]) for name in inputs_of(problem))
    return {name: f"{field}_{{{axes}}}" if axes else field for name, (field, axes) in pairs}


class MeasurementPanel(widgets.VBox):
    """How much is measured, with which noise, or a file in its place; of a field, how it begins."""

    def __init__(self, state: DiscoveryState) -> None:
        self._state = state
        self._following, self._named, self._enabled = False, "", True
        self.points = described(widgets.IntSlider, "points", POINTS, min=4, max=MOST_POINTS, value=state.points)
        self.noise = described(
            widgets.FloatSlider,
            "noise",
            "noise as a share of each state's deviation",
            min=0.0,
            max=MOST_NOISE,
            step=0.005,
            readout_format=".1%",
        )
        self.trajectories = described(widgets.IntSlider, "trajectories", MANY, min=1, max=MOST_TRAJECTORIES)
        self.initial = described(
            widgets.Text, "$u(x, 0)$", "how the field begins: a text in x, periodic", continuous_update=False
        )
        self.seed = described(widgets.BoundedIntText, "seed", "of noise, further starts and networks", max=10**6)
        self.span: Any = None
        self._span_row = widgets.VBox()
        self.upload = file_upload(
            "Measurements of mine",
            "comma-separated values: columns time, the states, and perhaps trajectory; t, x, u of a field",
            state.load,
        )
        self.simulated = button("Simulate again", "undo", "leave the file, and measure the problem itself")
        self.about = widgets.HTML()
        for name in ("points", "noise", "trajectories", "seed"):
            linked(state, name, getattr(self, name))
        self._simulation = [self.initial, self.points, self.noise, self.trajectories, self._span_row]
        files = widgets.HBox([self.upload, self.simulated], layout=widgets.Layout(flex_flow="row wrap"))
        super().__init__([*self._simulation, self.seed, files, self.about])
        self.initial.observe(self._begin, "value")
        self.simulated.on_click(self._simulate)
        state.observe(self._follow, "settings_revision")
        self._follow()

    def enable(self, enabled: bool) -> None:
        """Whether the controls can be moved."""
        self._enabled = enabled
        self._show_enabled()

    def _show_enabled(self) -> None:
        for control in (*self._simulation[:-1], self.span, self.seed, self.upload, self.simulated):
            control.disabled = not self._enabled
        field = not isinstance(self._state.problem, ODEProblem)
        self.trajectories.disabled = field or not self._enabled
        self.trajectories.tooltip = ONE_FIELD if field else MANY
        self.points.tooltip = "measured places, scattered over time and space" if field else POINTS

    def _follow(self, _change: dict[str, Any] | None = None) -> None:
        state = self._state
        field = not isinstance(state.problem, ODEProblem)
        for part in self._simulation:
            display(part, state.file is None and (field or part is not self.initial))
        display(self.simulated, state.file is not None)
        text = "columns time and the states, in a .csv file"
        if field:
            text = f"columns t, x and u, in a .csv file; {ONE_FIELD}"
        if state.file is not None:
            text = f"{state.file.name}: {state.file.summary}, up to t = {state.file.span:.4g}"
        self.about.value = f'<span class="limitlab-note">{html.escape(text)}</span>'
        self._following = True
        try:
            self._show_span()
            self.initial.value = state.initial
        finally:
            self._following = False
        self._show_enabled()

    def _show_span(self) -> None:
        state = self._state
        if self.span is None or not self.span.min <= state.span <= self.span.max or state.problem.name != self._named:
            old, self._named = self._span_row.children, state.problem.name
            end = Parameter("T", state.span, state.span / 4, 4 * state.span, "end of the time that is measured")
            self.span = parameter_slider(end, state.span)
            self.span.observe(self._move, "value")
            self._span_row.children = (self.span,)
            discard(old)
        show_value(self.span, state.span)

    def _move(self, change: dict[str, Any]) -> None:
        if self._following or is_echo(change["owner"], change["new"], self._state.span):
            return
        try:
            self._state.span = change["new"]
        except LimitlabError as error:
            self._state.refuse(error)
            self._follow()

    def _begin(self, change: dict[str, Any]) -> None:
        if not self._following and change["new"] != self._state.initial and not self._state.begin(change["new"]):
            self._follow()

    def _simulate(self, _button: Any) -> None:
        self._state.file = None


class LearningPanel(widgets.VBox):
    """Settings of training, search and refit; `commands` begins each, and says how far it is and what went wrong."""

    BUTTONS = (
        ("train", "Train", "play", "learn the hidden terms from the measurements"),
        ("search", "Search", "search", "search formulas for the hidden terms on the visited set"),
        ("refit", "Refit all", "check", "fit combinations of the formulas to the measurements, by simulation"),
        ("stop", "Stop", "stop", "end here and keep what was found"),
    )

    def __init__(self, learning: Learning) -> None:
        self._state = learning
        self.buttons = {
            name: button(text, icon, tip, primary=name == "train") for name, text, icon, tip in self.BUTTONS
        }
        for name, control in self.buttons.items():
            control.on_click(lambda _button, name=name: getattr(self._state, name)())
        self.controls = {
            "first": described(widgets.Dropdown, "first by", "the optimiser of the first phase", options=FIRSTS),
            "adam": described(widgets.BoundedIntText, "steps", "steps of the first phase", min=1, max=100_000),
            "quasi_newton": described(
                widgets.BoundedIntText, "then steps", "of the quasi-Newton method; 0 for none", max=100_000
            ),
            "method": described(widgets.Dropdown, "by", "the quasi-Newton method", options=METHODS),
            "width": described(widgets.IntSlider, "width", "units of a hidden layer", min=4, max=64),
            "collocation": described(
                widgets.IntSlider, "collocation", "points at which the equation is asked", min=16, max=512
            ),
            "term": described(
                widgets.Dropdown,
                "network",
                "what the hidden terms are learned with",
                options=[("a perceptron", ""), *((f"{name}, yours", name) for name in learning.models)],
            ),
            "engine": described(
                widgets.Dropdown,
                "engine",
                "who searches formulas",
                options=[(row.title, name) for name, row in engines().items()],
            ),
            "operators": described(
                widgets.Dropdown, "formulas of", "what formulas are made of", options=list(OPERATORS)
            ),
            "seconds": described(
                widgets.BoundedFloatText, "seconds", "of a search for one hidden term", min=0.1, max=3600.0, step=1.0
            ),
            "combinations": described(
                widgets.BoundedIntText, "combinations", "that a refit of all formulas tries", min=1, max=200
            ),
        }
        for name, control in self.controls.items():
            linked(learning, name, control)
        self.bar = widgets.IntProgress(min=0, max=1, layout=widgets.Layout(width="auto", margin="6px 2px 0 2px"))
        self.status, self.error, self.warning = widgets.HTML(), widgets.HTML(), widgets.HTML()
        pressed = widgets.HBox(list(self.buttons.values()), layout=widgets.Layout(flex_flow="row wrap"))
        self.commands = widgets.VBox([pressed, self.bar, self.status, self.error, self.warning])
        display(self.controls["term"], bool(learning.models))
        parts = {"training": list(self.controls)[:7], "formulas": list(self.controls)[7:]}
        folds = [fold(f"settings of {what}", [self.controls[name] for name in names]) for what, names in parts.items()]
        super().__init__(folds)
        learning.observe(self._follow, ["phase", "activity", "done", "total", "seconds_left", "stage"])
        learning.observe(self._follow, ["learned_revision", "fronts_revision"])
        learning.observe(self._show_error, ["error", "warning"])
        self._follow()
        self._show_error()

    def _follow(self, _change: dict[str, Any] | None = None) -> None:
        state = self._state
        busy = state.phase == "working"
        ready = {
            "train": True,
            "search": state.learned is not None,
            "refit": state.learned is not None and set(state.fronts) == set(state.learned.equations),
        }
        for name, control in self.buttons.items():
            control.disabled = busy or not ready[name] if name in ready else not busy
        for control in self.controls.values():
            control.disabled = busy
        self.bar.max, self.bar.value = max(1, state.total), state.done
        self.bar.bar_style = "info" if busy else ""
        left = f", {seconds_text(state.seconds_left)} left" if state.seconds_left is not None else ""
        stage = f"{state.stage}: " if state.stage and state.activity else ""
        text = html.escape(f"{stage}{state.activity}{left}" or "nothing was learned yet")
        self.status.value = f'<span class="limitlab-note limitlab-status">{text}</span>'

    def _show_error(self, _change: dict[str, Any] | None = None) -> None:
        self.error.value, self.warning.value = error_text(self._state.error), warning_text(self._state.warning)
