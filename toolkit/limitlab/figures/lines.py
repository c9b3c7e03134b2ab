"""Lines of one labelled array against one of its dims, on axes that may be logarithmic: the plainest figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import plotly.graph_objects as go

from limitlab.errors import InvalidArgument, one_of
from limitlab.figures.arrays import labels, numbers
from limitlab.figures.template import axis_title, colour, heading, log_ticks

if TYPE_CHECKING:
    import xarray as xr

Axes = Literal["", "x", "y", "xy"]


def lines(array: xr.DataArray, *, log: Axes = "", marks: bool = False, title: str | None = None) -> go.Figure:
    """Values against the last dim, a line for every entry of the first; dims (x) or (name, x).

    log: the axes that are logarithmic. marks: show the points too. Points that are not finite are left out, so that
    lines may have grids of their own. Raises InvalidArgument for other dims.

    >>> errors = ll.labels.labelled(error=("width", [0.2, 0.1], "error"), width=("width", [8, 16], "width"))["error"]
    >>> ll.figures.lines(errors, log="xy").layout.xaxis.type
    'log'
    """
    one_of("axes", log, ("", "x", "y", "xy"))
    if not 1 <= array.ndim <= 2:
        raise InvalidArgument(f"lines are of one dim, or of a name and a dim; got {array.dims}")
    across = str(array.dims[-1])
    rows = array if array.ndim == 2 else array.expand_dims("line")
    names = labels(rows, str(array.dims[0])) if array.ndim == 2 else [""]
    grid = np.asarray(array[across].values, dtype=np.float32)
    figure = go.Figure()
    for position, (name, values) in enumerate(zip(names, numbers(rows), strict=True)):
        finite = np.isfinite(values)
        figure.add_scatter(
            x=grid[finite],
            y=values[finite],
            name=name,
            mode="lines+markers" if marks else "lines",
            marker={"size": 5},
            line={"color": colour(position)},
            showlegend=array.ndim == 2,
        )
    figure.update_xaxes(title_text=axis_title(array, across), **_axis(grid, "x" in log))
    figure.update_yaxes(title_text=axis_title(array), **_axis(array.values, "y" in log))
    return figure.update_layout(**heading(title), height=420)


def _axis(values: np.ndarray, logarithmic: bool) -> dict[str, Any]:
    return {"type": "log", **log_ticks(np.asarray(values, dtype=float))} if logarithmic else {}
