"""What solutions look like, in figures that move together, and what they cost, as a table.

A change of the solutions brings every figure up to date; a change of the cursor moves only its line and its mark.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import numpy as np
import torch

from limitlab import figures
from limitlab.errors import InvalidArgument
from limitlab.figures.template import colour
from limitlab.problems import ODEProblem, SDEProblem
from limitlab_widgets.figure_panel import FigurePanel
from limitlab_widgets.panels import row
from limitlab_widgets.solver_state import SolverState

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

MOST_ROWS = 4
ARROWS = 22
MARGIN = 0.08
PLANE = "in the plane"
HEADERS = ("method", "steps", "rejected", "field calls", "Jacobians", "LU", "ms", "error")


class SolverFigures(widgets.VBox):
    """Components against time, phase plane or space, and steps; of noise also the spread of all paths."""

    def __init__(self, state: SolverState) -> None:
        self._state = state
        self._shown: xr.Dataset | None = None
        self.axes = [widgets.Dropdown(layout=widgets.Layout(width="auto", flex="1 1 60px")) for _ in range(3)]
        self.time, self.phase, self.ladder = FigurePanel(height=400), FigurePanel(height=400), FigurePanel(height=470)
        self.fan, self.marginal = FigurePanel(height=350), FigurePanel(height=350)
        self.noise, self.refined = FigurePanel(height=350), FigurePanel(height=350)
        self.refine = widgets.Checkbox(
            description="refine the first Brownian path",
            tooltip="the same noise at the steps, a quarter and a sixteenth of them, and what is solved along it",
            indent=False,
        )
        self.table = widgets.HTML()
        self._picked: tuple[Any, ...] = ()
        self._chooser = widgets.HBox([widgets.Label("phase"), *self.axes])
        beside = widgets.VBox([self.phase, self._chooser], layout=_flex("1 1 360px"))
        self._right = beside
        for panel, flex in ((self.time, "1.25 1 400px"), (self.fan, "1.25 1 400px"), (self.marginal, "1 1 360px")):
            panel.layout = _flex(flex)
        for panel in (self.noise, self.refined):
            panel.layout = _flex("1 1 380px")
        parts = [row([self.time, beside]), row([self.fan, self.marginal]), self.ladder]
        super().__init__([*parts, self.refine, row([self.noise, self.refined]), self.table])
        for axis in self.axes:
            axis.observe(self._pick, "value")
        self.refine.observe(self._draw_refinement, "value")
        state.observe(self.draw, "revision")
        state.observe(self._move, "cursor")
        state.observe(self._tabulate, "errors")
        self.draw()
