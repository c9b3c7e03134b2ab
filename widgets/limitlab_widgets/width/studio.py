"""The width studio: a network without a width, its limit in closed form, and finite networks that approach it.

`WidthStudio(depth=2, activation="relu")` as a cell's last line shows it. All numbers come from
`limitlab.infinite_width`, with the settings of its controls; `studio.state` holds everything.
"""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

from limitlab_widgets.shared.controls import described
from limitlab_widgets.shared.layout import card, row
from limitlab_widgets.shared.panels import error_text
from limitlab_widgets.shared.studio import Studio
from limitlab_widgets.width.controls import NetworksPanel, RegressionPanel
from limitlab_widgets.width.figures import WidthFigures
from limitlab_widgets.width.scaling import ScalingPage
from limitlab_widgets.width.scaling_state import ScalingState
from limitlab_widgets.width.state import WidthState


class WidthStudio(Studio):
    """See a network's kernel, training and functions at infinite width, and how finite ones approach them.

    options: depth (hidden layers), activation, weight_variance, bias_scale, target, points, rate (in units of 1/largest
    eigenvalue), steps, width (a power of two), seeds. Raises InvalidArgument, UnknownName.
    """

    def __init__(self, **options: Any) -> None:
        self.state = WidthState(**options)
        state = self.state
        self.regression, self.networks = RegressionPanel(state), NetworksPanel(state)
        self.time = described(
            widgets.IntSlider, "time t", "the step of training that the figures show, logarithmic", readout=False
        )
        self.time.layout.flex, self.time.layout.min_width = "1 1 auto", "0"
        self.time.style.description_width = "52px"
        self.clock = widgets.Label(layout=widgets.Layout(flex="0 0 128px"))
        self.note = widgets.HTML()
        self.figures = WidthFigures(state)
        controls = row(
            [
                card("1 &nbsp; Network and target", [self.regression], "1 1 330px"),
                card("2 &nbsp; Training of finite networks", [self.networks], "1 1 330px"),
            ]
        )
        shown = [widgets.HBox([self.time, self.clock]), self.note, self.figures]
        look = card("3 &nbsp; The limit, and networks of finite width", shown)
        self.scaling = ScalingPage(ScalingState())
        self.pages = widgets.Tab(
            [widgets.VBox([controls, look]), self.scaling], titles=["Limit and width", "Parametrisation"]
        )
        super().__init__([self.pages], states=[state, self.scaling.state], main=self.figures.functions)
        self.time.observe(self._take_time, "value")
        state.observe(self._follow_time, ["place", "revision"])
        state.observe(self._tell, "note")
        self._follow_time()
        self._tell()

    def _take_time(self, change: dict[str, Any]) -> None:
        self.state.place = change["new"]

    def _follow_time(self, _change: dict[str, Any] | None = None) -> None:
        self.time.max = len(self.state.study.steps) - 1
        self.time.value = self.state.place
        self.clock.value = f"{self.state.step} of {self.state.steps} steps"

    def _tell(self, _change: dict[str, Any] | None = None) -> None:
        self.note.value = error_text(self.state.note)
