"""Controls of the settings of an operator's data and training, at the values of the problem's experiment."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

from limitlab.errors import LimitlabError
from limitlab.operators import OPERATORS
from limitlab_widgets.operator.state import OperatorState
from limitlab_widgets.shared.controls import described, is_echo, option_control, show_value
from limitlab_widgets.shared.widget_tree import discard

DATA_CONTROLS = {
    "train_samples": None,
    "test_samples": None,
    "resolution": None,
    "interval": (1e-3, 10.0),
    "frames": (3, 40),
    "rollout": (1, 20),
}
MODEL_CONTROLS = {
    "modes": (4, 32),
    "width": (8, 64),
    "layers": (1, 6),
    "padding": (0.0, 0.25),
    "factorization": None,
    "rank": (0.005, 1.0),
    "history": (1, 8),
    "unrolled": (1, 8),
    "pushed": (0, 4),
    "loss": None,
    "batch_size": None,
    "learning_rate": (1e-4, 1e-1),
    "epochs": (1, 100),
}
ROW_SETTINGS = {name for row in OPERATORS.values() for name in row.settings}
COARSEST = 8


class SettingsPanel:
    """`data` and `model`, two columns of controls; another problem, or goal, brings controls of its own."""

    def __init__(self, state: OperatorState) -> None:
        self._state = state
        self._drawn_for = ("", "")
        self.controls: dict[str, Any] = {}
        self._sent: dict[str, Any] = {}
        self.data, self.model = widgets.VBox(), widgets.VBox()
        state.observe(self._follow_problem, ["problem", "file", "goal"])
        state.observe(self._follow_options, "options")
        self._follow_problem()

    def enable(self, enabled: bool) -> None:
        """Whether the controls can be moved; those that the operator does not use cannot."""
        operator = self._state.operator
        idle = ROW_SETTINGS - set(OPERATORS[operator].settings if operator in OPERATORS else ())
        for name, control in self.controls.items():
            control.disabled = not enabled or name in idle

    def _follow_problem(self, _change: dict[str, Any] | None = None) -> None:
        asked = (self._state.name, self._state.goal)
        if asked == self._drawn_for:
            return
        self._drawn_for = asked
        old = [*self.data.children, *self.model.children]
        defaults = self._state.defaults
        known = {option.name: option for option in self._state.experiment.options()}
        self.controls = {}
        for name, ends in {**DATA_CONTROLS, **MODEL_CONTROLS}.items():
            if name not in known:
                continue
            value = getattr(defaults, name)
            if name == "resolution":
                choices = _halvings(defaults.finest, value)
                control = described(
                    widgets.Dropdown, "train resolution", known[name].help, options=choices, value=value
                )
            else:
                low, high = ends or (None, None)
                control = option_control(known[name], value, low=low, high=high)
            control.observe(lambda change, name=name: self._take(name, change), "value")
            self.controls[name], self._sent[name] = control, value
        self.data.children = tuple(self.controls[name] for name in DATA_CONTROLS if name in known)
        self.model.children = tuple(self.controls[name] for name in MODEL_CONTROLS if name in known)
        discard(old)

    def _take(self, name: str, change: dict[str, Any]) -> None:
        state, control, current = self._state, change["owner"], self._value(name)
        # a page answers what the kernel sent with the stop next to it
        echo = current == self._sent[name] and is_echo(control, change["new"], current)
        if echo or change["new"] == current:
            return
        try:
            state.options = {**state.options, name: change["new"]}
        except LimitlabError as error:
            self._sent[name] = control.value = current
            state.refuse(error)

    def _value(self, name: str) -> Any:
        state = self._state
        return state.options.get(name, getattr(state.defaults, name))

    def _follow_options(self, _change: dict[str, Any]) -> None:
        # a new goal may clear the options before it is heard of here, and have none of the controls of the old one
        self._follow_problem()
        for name, control in self.controls.items():
            value = self._value(name)
            if control.value != value and not is_echo(control, control.value, value):
                self._sent[name] = value
                show_value(control, value)


def _halvings(finest: int, value: int) -> list[int]:
    """Resolutions of the training that divide the finest one of the tests."""
    halved = [finest >> k for k in range(8) if finest % (1 << k) == 0 and finest >> k >= COARSEST]
    return sorted({value, *halved})
