"""Descent with preconditioner and without, its cost by dimension, and energies on samples less the solution's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from limitlab.figures.arrays import exactly, numbers, variable_of
from limitlab.figures.template import REFERENCE, axis_title, colour, heading

if TYPE_CHECKING:
    import xarray as xr

POINTS_AN_AXIS = 16
DASHES = ("solid", "dot", "dash", "dashdot")


def mesh_independence(errors: xr.DataArray, *, title: str | None = None) -> go.Figure:
    """Error against iteration, a colour for each resolution and a dash for each scheme.

    errors: dims (scheme, resolution, iteration).

    >>> error = 0.5 ** torch.arange(5.0).expand(2, 2, 5)
    >>> named = ll.labels.labelled(
    ...     error=("scheme resolution iteration", error, "error"),
    ...     scheme=("scheme", ["a", "b"], "scheme"),
    ...     resolution=("resolution", [8, 16], "modes an axis"),
    ... )
    >>> len(ll.figures.mesh_independence(named["error"]).data)
    4
    """
    errors = exactly(errors, ("scheme", "resolution", "iteration"))
    figure = go.Figure()
    for dash, scheme in zip(DASHES, errors["scheme"].values, strict=False):
        for position, resolution in enumerate(errors["resolution"].values):
            values = numbers(errors.sel(scheme=scheme, resolution=resolution))
            shown = np.isfinite(values) & (values > 0)
            figure.add_scatter(
                x=np.arange(len(values))[shown],
                y=values[shown],
                name=f"{scheme}, {resolution:g}",
                mode="lines",
                line={"color": colour(position), "dash": dash},
            )
    figure.update_xaxes(title_text="iteration")
    figure.update_yaxes(title_text=axis_title(errors), type="log", exponentformat="power")
    return figure.update_layout(**heading(title), height=420)


def dimension_costs(costs: xr.Dataset, *, title: str | None = None) -> go.Figure:
    """Left, numbers that a grid of 16 points an axis and a sparse network hold; right, the network's error.

    costs: numbers (dimension), error (dimension, iteration).

    >>> costs = ll.labels.labelled(
    ...     numbers=("dimension", [30, 400], "numbers"),
    ...     error=("dimension iteration", [[1.0, 0.1], [1.0, 0.1]], "error"),
    ...     dimension=("dimension", [2, 20], "dimension"),
    ... )
    >>> len(ll.figures.dimension_costs(costs).data)
    4
    """
    held, errors = variable_of(costs, "numbers"), exactly(variable_of(costs, "error"), ("dimension", "iteration"))
    dimensions = costs["dimension"].values.astype(float)
    figure = make_subplots(1, 2, subplot_titles=("numbers held", "error of the networks"), horizontal_spacing=0.14)
    lines = {
        f"grid, {POINTS_AN_AXIS} points an axis": (POINTS_AN_AXIS**dimensions, REFERENCE),
        "sparse network": (numbers(held), colour(0)),
    }
    for name, (values, paint) in lines.items():
        figure.add_scatter(x=dimensions, y=values, name=name, mode="lines+markers", line={"color": paint}, row=1, col=1)
    for position, dimension in enumerate(dimensions):
        values = numbers(errors.isel(dimension=position))
        shown = np.isfinite(values) & (values > 0)
        figure.add_scatter(
            x=np.arange(len(values))[shown],
            y=values[shown],
            name=f"d = {dimension:g}",
            mode="lines+markers",
            line={"color": colour(position + 1)},
            row=1,
            col=2,
        )
    figure.update_xaxes(title_text="dimension", row=1, col=1)
    figure.update_xaxes(title_text="iteration", row=1, col=2)
    figure.update_yaxes(type="log", exponentformat="power", title_text="numbers", row=1, col=1)
    figure.update_yaxes(type="log", exponentformat="power", title_text=axis_title(errors), row=1, col=2)
    return figure.update_layout(**heading(title), height=420)


def sample_energies(energies: xr.Dataset, *, title: str | None = None) -> go.Figure:
    """Energies on a training sample and at fresh points, less the solution's there, against the step.

    energies: variables (step), each a line; NaN where it was not measured.

    >>> energies = ll.labels.labelled(train=("step", [5.0, -1.0], "sample"), test=("step", [5.0, 1.0], "fresh"))
    >>> len(ll.figures.sample_energies(energies).data)
    3
    """
    figure = go.Figure()
    for position, (name, values) in enumerate(energies.data_vars.items()):
        line = exactly(values, ("step",))
        shown = np.isfinite(line.values)
        steps = line["step"].values if "step" in line.coords else np.arange(line.size)
        label = str(values.attrs.get("long_name", name))
        figure.add_scatter(
            x=steps[shown], y=line.values[shown].astype(np.float32), name=label, mode="lines",
            line={"color": colour(position), "width": 1.5},
        )  # fmt: skip
    ends = [min(trace.x[0] for trace in figure.data), max(trace.x[-1] for trace in figure.data)]
    figure.add_scatter(x=ends, y=[0, 0], name="the solution", mode="lines", line={"color": REFERENCE, "dash": "dash"})
    figure.update_xaxes(title_text="training step")
    figure.update_yaxes(title_text="energy above that of the solution")
    return figure.update_layout(**heading(title), height=420)
