"""Controls of the neural DE studio: data and their gaps, the class with its equation, the solve, the training."""

from __future__ import annotations

import html
from typing import Any

import ipywidgets as widgets

from limitlab.errors import LimitlabError
from limitlab_widgets.neural_de.sources import CLASSES, TITLES, UNWEIGHTED, WAY_TITLES
from limitlab_widgets.neural_de.state import NeuralDEState
from limitlab_widgets.shared.controls import button, described, file_upload, is_echo, offer, show_value
from limitlab_widgets.shared.layout import display

LOGARITHMIC: dict[str, tuple[str, str, float, float]] = {
    "tolerance": ("tolerance", "absolute and relative, of a step", -8, -1),
    "weight": ("weight", "coefficient of the regularisation's term", -3, 3),
    "learning_rate": ("learning rate", "of Adam", -4, -1),
}
COUNTS: dict[str, tuple[str, str, int]] = {
    "steps": ("steps", "training steps", 100_000),
    "width": ("width", "units of a hidden layer", 512),
    "depth": ("depth", "hidden layers of the field", 8),
    "solver_steps": ("solver steps", "of a solve whose steps are uniform", 2000),
}


class SettingControls:
    """A control of each setting by name; all follow the state, and a refused value goes back with the reason said."""

    def __init__(self, state: NeuralDEState) -> None:
        self._state = state
        self._following = False
        self.controls: dict[str, Any] = {
            "missing": described(
                widgets.FloatSlider, "missing", "share of the training values that is missing", min=0.0, max=0.9,
                step=0.05, readout_format=".0%",
            ),
            "dropped": described(
                widgets.Dropdown, "what goes", "what is missing",
                options=[("single values", "value"), ("whole times", "time")],
            ),
            "method": described(widgets.Dropdown, "method", "solver of what has no noise"),
            "way": described(widgets.Dropdown, "regularise", "what is made small beside the loss"),
        }  # fmt: skip
        for name, (text, tip, low, high) in LOGARITHMIC.items():
            ends = {"base": 10, "min": low, "max": high, "step": 0.25, "readout_format": ".1e"}
            self.controls[name] = described(widgets.FloatLogSlider, text, tip, **ends)
        for name, (text, tip, most) in COUNTS.items():
            self.controls[name] = described(widgets.BoundedIntText, text, tip, min=1, max=most)
        self.follow()
        for name, control in self.controls.items():
            control.observe(lambda change, name=name: self._take(name, change), "value")
        state.observe(self.follow, "settings_revision")

    def enable(self, enabled: bool) -> None:
        """Whether the controls can be moved; what the data or the class do not have cannot."""
        unweighted = self._state.value("way") in UNWEIGHTED
        for name, control in self.controls.items():
            control.disabled = not enabled or (name == "weight" and unweighted)

    def follow(self, _change: dict[str, Any] | None = None) -> None:
        """Show the settings as they are."""
        state, source = self._state, self._state.source
        known = {option.name: option for option in source.experiment.options()}
        ways = [(title, way) for way, title in WAY_TITLES.items() if not state.way_refusal(way)]
        self._following = True
        try:
            offer(self.controls["method"], [(name, name) for name in known["method"].choices])
            offer(self.controls["way"], ways)
            for name, control in self.controls.items():
                if name in known or name in ("way", "weight"):
                    value = state.value(name)
                    if not is_echo(control, control.value, value):
                        show_value(control, value)
        finally:
            self._following = False
        display(self.controls["solver_steps"], "solver_steps" in known)
        for name in ("missing", "dropped"):
            display(self.controls[name], not source.points)
        self.enable(state.training.phase in ("empty", "ready"))

    def _take(self, name: str, change: dict[str, Any]) -> None:
        if self._following or is_echo(change["owner"], change["new"], self._state.value(name)):
            return
        value = float(f"{change['new']:.2e}") if name in LOGARITHMIC else change["new"]
        try:
            self._state.move(name, value)
        except LimitlabError as error:
            self._state.refuse(error)
            self.follow()


class SourcePanel(widgets.VBox):
    """Pick data, or load a file in their place; how much of them is missing in training."""

    def __init__(self, state: NeuralDEState, gaps: SettingControls) -> None:
        self._state, self._gaps = state, gaps
        self._following = False
        options = [(title, name) for name, (title, _) in TITLES.items()]
        self.chooser = described(widgets.Dropdown, "data", "what is learned from", options=options, value=state.data)
        self.upload = file_upload(
            "Series of mine",
            "a file of comma-separated values: columns time, values, and perhaps series and label",
            state.load,
        )
        self.leave = button("Leave the file", "undo", "go back to the data of the studio")
        self.about = widgets.HTML()
        files = widgets.HBox([self.upload, self.leave], layout=widgets.Layout(flex_flow="row wrap"))
        controls = [gaps.controls[name] for name in ("missing", "dropped")]
        super().__init__([self.chooser, files, self.about, *controls])
        self.chooser.observe(self._choose, "value")
        self.leave.on_click(self._leave)
        state.observe(self._follow, "settings_revision")
        self._follow()

    def enable(self, enabled: bool) -> None:
        """Whether other data can be picked."""
        for control in (self.upload, self.leave):
            control.disabled = not enabled
        self.chooser.disabled = not enabled or self._state.file is not None

    def _follow(self, _change: dict[str, Any] | None = None) -> None:
        state = self._state
        self._following = True
        try:
            self.chooser.value = state.data
        finally:
            self._following = False
        display(self.leave, state.file is not None)
        text = "a .csv file: columns time, values, and perhaps series and label"
        if state.file is not None:
            text = f"{state.file.name}: {state.file.series!r} of {', '.join(state.file.channels)}"
        self.about.value = f'<span class="limitlab-note">{html.escape(text)}</span>'
        self.enable(state.training.phase in ("empty", "ready"))

    def _choose(self, change: dict[str, Any]) -> None:
        if not self._following:
            self._state.data = change["new"]

    def _leave(self, _button: Any) -> None:
        self._state.file = None


class ClassPanel(widgets.VBox):
    """Pick a class that fits the data; its equation, and why the others do not fit."""

    def __init__(self, state: NeuralDEState) -> None:
        self._state = state
        self._following = False
        self.chooser = described(widgets.Dropdown, "class", "the class of equations that is trained next")
        self.equation = widgets.HTMLMath(layout=widgets.Layout(overflow="auto hidden"))
        self.others = widgets.HTML()
        super().__init__([self.chooser, self.equation, self.others])
        self.chooser.observe(self._choose, "value")
        state.observe(self._follow, "settings_revision")
        self._follow()

    def enable(self, enabled: bool) -> None:
        """Whether another class can be picked."""
        self.chooser.disabled = not enabled

    def _follow(self, _change: dict[str, Any] | None = None) -> None:
        state = self._state
        parts = state.titles
        self._following = True
        try:
            offer(self.chooser, [(title, name) for name, (title, _) in parts.items() if not state.refusal(name)])
            self.chooser.value = state.kind
        finally:
            self._following = False
        self.equation.value = f"${parts[state.kind][1]}$"
        reasons: dict[str, list[str]] = {}
        for kind in CLASSES:
            if reason := state.refusal(kind):
                reasons.setdefault(reason.partition(" needs ")[2], []).append(kind.replace("_", " "))
        lines = [f"not here: {', '.join(kinds)} (needs {reason})" for reason, kinds in reasons.items()]
        self.others.value = "".join(f'<div class="limitlab-note">{html.escape(line)}</div>' for line in lines)

    def _choose(self, change: dict[str, Any]) -> None:
        if not self._following and change["new"]:
            self._state.kind = change["new"]
