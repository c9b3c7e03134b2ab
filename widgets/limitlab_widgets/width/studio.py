"""The width studio: a network without a width, its limit in closed form, and finite networks that approach it.

`WidthStudio(depth=2, activation="relu")` as a cell's last line shows it. All numbers come from the experiments
`ntk_circle`, `abc_regimes` and `coordinate_check`, with the settings of its controls; `studio.state` holds everything.
"""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

from limitlab_widgets.shared.code.panel import CodePanel
from limitlab_widgets.shared.controls import described, linked
from limitlab_widgets.shared.layout import card, columns
from limitlab_widgets.shared.panels import StaleNote, error_text
from limitlab_widgets.shared.studio import Studio
from limitlab_widgets.width.code import scaling_code, width_code
from limitlab_widgets.width.controls import NetworksPanel, RegressionPanel
from limitlab_widgets.width.figures import WidthFigures
from limitlab_widgets.width.scaling import ScalingPage
from limitlab_widgets.width.scaling_state import ScalingState
from limitlab_widgets.width.state import WidthState


class WidthStudio(Studio):
    """See a network's kernel, training and functions at infinite width, and how finite ones approach them.

    options: depth (hidden layers), activation, weight_variance, bias_scale, target, points, rate (in units of 1/largest
    eigenvalue), steps, width (a power of two), seeds. Raises InvalidArgument, UnknownName.

    >>> from limitlab_widgets import WidthStudio
    >>> studio = WidthStudio(depth=1, activation="erf", width=16, seeds=2, steps=50)
    >>> studio.time.value = studio.time.max
    >>> studio.clock.value
    '50 of 50 steps'
    >>> studio.close()
    """

    def __init__(self, **options: Any) -> None:
        self.state = WidthState(**options)
        state = self.state
        self.regression, self.networks = RegressionPanel(state), NetworksPanel(state)
        slider = described(
            widgets.IntSlider, "time $t$", "the step of training that the figures show, logarithmic", readout=False
        )
        slider.layout.flex, slider.layout.min_width, slider.layout.max_width = "1 1 auto", "0", None
        slider.style.description_width = "52px"
        self.time = linked(state, "record", slider)
        self.clock = widgets.Label(layout=widgets.Layout(flex="0 0 128px"))
        self.note = widgets.HTML()
        self.figures = WidthFigures(state)
        controls = [
            card("1 &nbsp; Network and target", [self.regression]),
            card("2 &nbsp; Training of finite networks", [self.networks]),
        ]
        moved = [widgets.HBox([self.time, self.clock]), StaleNote(state.search, self.figures), self.note, self.figures]
        look = card("3 &nbsp; The limit, and networks of finite width", moved)
        self.scaling = ScalingPage(ScalingState())
        self.pages = widgets.Tab(
            [columns(controls, [look]), self.scaling], titles=["Limit and width", "Parametrisation"]
        )
        code = CodePanel(self._code, state, self.scaling.state, self.pages)
        super().__init__([self.pages], states=[state, self.scaling.state], main=self.figures.functions, code=code)
        state.observe(self._follow_time, ["record", "revision"])
        state.observe(self._show_note, "note")
        state.observe(self.renew_picture, ["revision", "trained"])
        self._follow_time()
        self._show_note()

    def summary(self) -> list[str]:
        """The network, how it is trained, and the time that the figure shows."""
        state = self.state
        return [
            f"{state.depth} hidden layers of {state.activation}, {state.points} points of the target {state.target}",
            f"step {state.step} of {state.regression.steps}, {len(state.ensemble)} networks of width {state.width}",
        ]

    def _code(self) -> str:
        """Of the page that is open."""
        return scaling_code(self.scaling.state) if self.pages.selected_index else width_code(self.state)

    def _follow_time(self, _change: dict[str, Any] | None = None) -> None:
        state = self.state
        with state.lock:
            self.time.max = len(state.study.steps) - 1
            self.clock.value = f"{state.step} of {state.regression.steps} steps"

    def _show_note(self, _change: dict[str, Any] | None = None) -> None:
        self.note.value = error_text(self.state.note)
