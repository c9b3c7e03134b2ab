"""Controls of the width studio: the network and what it learns, how it is trained, and the networks of finite width."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

from limitlab_widgets.shared.controls import described, linked
from limitlab_widgets.shared.panels import error_text
from limitlab_widgets.width.regression import ENDS, NONLINEARITIES, TARGETS
from limitlab_widgets.width.run import RunPanel
from limitlab_widgets.width.state import MOST_SEEDS, WIDTHS, WidthState

MOST_FAILURES = 3
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
            "weights $s_w^2$",
            "variance of the weights times the number of inputs",
            step=0.05,
            **_ends("weight_variance"),
        )
        self.bias_scale = described(
            widgets.FloatSlider, "biases $s_b$", "standard deviation of the biases", step=0.05, **_ends("bias_scale")
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
            r"rate $\eta\lambda_{\max}$",
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
        state.observe(self._show_failures, "trained")
        self._show_failures()

    def _show_failures(self, _change: dict[str, Any] | None = None) -> None:
        failures = list(self._state.failures.values())
        more = [f"... and {len(failures) - MOST_FAILURES} more"] if len(failures) > MOST_FAILURES else []
        self.failures.value = error_text("\n".join([*failures[:MOST_FAILURES], *more]))


def _ends(name: str) -> dict[str, float]:
    low, high = ENDS[name]
    return {"min": low, "max": high}
