"""Controls of the width studio: the network and what it learns, how it is trained, and the networks of finite width."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets
from traitlets import HasTraits

from limitlab_widgets.shared.following import Following
from limitlab_widgets.shared.panels import described, error_text, is_echo, seconds_text
from limitlab_widgets.width.regression import ENDS, NONLINEARITIES, TARGETS
from limitlab_widgets.width.state import MOST_SEEDS, WIDTHS, WidthState

STEPS = (50, 100, 200, 400, 1000, 2000)


class RegressionPanel(widgets.VBox):
    """The network without its width, and the target that it learns."""

    def __init__(self, state: WidthState) -> None:
        self.activation = described(
            widgets.Dropdown, "activation", "what stands between the layers", options=NONLINEARITIES
        )
        self.depth = described(widgets.IntSlider, "hidden layers", "number of hidden layers", **_ends("depth"))
        self.weight_variance = described(
            widgets.FloatSlider,
            "weights s_w²",
            "variance of the weights times the number of inputs",
            step=0.05,
            **_ends("weight_variance"),
        )
        self.bias_scale = described(
            widgets.FloatSlider, "biases s_b", "standard deviation of the biases", step=0.05, **_ends("bias_scale")
        )
        self.target = described(
            widgets.Dropdown, "target", "the function of the angle that is learned", options=list(TARGETS)
        )
        self.points = described(
            widgets.IntSlider, "training points", "equally spaced on the unit circle", **_ends("points")
        )
        names = ("activation", "depth", "weight_variance", "bias_scale", "target", "points")
        super().__init__([linked(state, name, getattr(self, name)) for name in names])


class NetworksPanel(widgets.VBox):
    """How training goes, which networks are trained, and the buttons that begin and end it."""

    def __init__(self, state: WidthState) -> None:
        self._state = state
        self.rate = described(
            widgets.FloatSlider,
            "rate η λ_max",
            "rate of gradient descent times the largest eigenvalue; the linear theory diverges above 2",
            step=0.05,
            **_ends("rate"),
        )
        self.steps = described(
            widgets.SelectionSlider,
            "steps",
            "steps of gradient descent",
            options=sorted({*STEPS, state.steps}),
            value=state.steps,
        )
        self.width = described(
            widgets.SelectionSlider, "width", "width of the networks", options=WIDTHS, value=state.width
        )
        self.seeds = described(
            widgets.IntSlider, "networks", "number of networks, each from a seed of its own", min=1, max=MOST_SEEDS
        )
        for control in (self.steps, self.width, self.seeds):
            control.continuous_update = False
        self.run = RunPanel(state, "Train", "train the networks, and those of every change from now on")
        self.failures = widgets.HTML()
        controls = [linked(state, name, getattr(self, name)) for name in ("rate", "steps", "width", "seeds")]
        super().__init__([*controls, self.run, self.failures])
        state.observe(self._tell, "trained")
        self._tell()

    def _tell(self, _change: dict[str, Any] | None = None) -> None:
        told = list(self._state.failures.values())
        more = [f"... and {len(told) - 3} more"] if len(told) > 3 else []
        self.failures.value = error_text("\n".join([*told[:3], *more]))


class RunPanel(widgets.VBox):
    """A button that begins the work of a state and one that ends it, how far it is, and what went wrong."""

    def __init__(self, state: Following, verb: str, tooltip: str) -> None:
        self._state = state
        self.start = _button(verb, "play", tooltip)
        self.start.button_style = "primary"
        self.halt = _button("Stop", "stop", f"end it; nothing begins until {verb} is pressed again")
        self.start.on_click(lambda _button: state.begin())
        self.halt.on_click(lambda _button: state.stop())
        self.bar = widgets.IntProgress(min=0, max=1, layout=widgets.Layout(width="auto", margin="6px 2px 0 2px"))
        self.status = widgets.Label(layout=widgets.Layout(width="auto"))
        self.error = widgets.HTML()
        super().__init__([widgets.HBox([self.start, self.halt]), self.bar, self.status, self.error])
        state.observe(self._follow, ["phase", "activity", "done", "total", "seconds_left"])
        state.observe(self._tell, "error")
        self._follow()
        self._tell()

    def _follow(self, _change: dict[str, Any] | None = None) -> None:
        state, busy = self._state, self._state.phase == "working"
        self.start.disabled, self.halt.disabled = busy, not busy
        self.bar.max, self.bar.value = max(1, state.total), state.done
        self.bar.bar_style = "info" if busy else ""
        left = f", {seconds_text(state.seconds_left)} left for this width" if state.seconds_left is not None else ""
        self.status.value = f"{state.activity}{left}" or "nothing was trained yet"

    def _tell(self, _change: dict[str, Any] | None = None) -> None:
        self.error.value = error_text(self._state.error)


def linked(state: HasTraits, name: str, control: Any) -> Any:
    """The control, showing the trait and setting it; stops of a page between which the value lies are no move."""
    control.value = getattr(state, name)

    def take(change: dict[str, Any]) -> None:
        if not (isinstance(control, widgets.FloatSlider) and is_echo(change)):
            setattr(state, name, change["new"])

    def show(change: dict[str, Any]) -> None:
        control.value = change["new"]

    control.observe(take, "value")
    state.observe(show, name)
    return control


def _ends(name: str) -> dict[str, float]:
    low, high = ENDS[name]
    return {"min": low, "max": high}


def _button(text: str, icon: str, tooltip: str) -> widgets.Button:
    return widgets.Button(description=text, icon=icon, tooltip=tooltip, layout=widgets.Layout(width="auto"))
