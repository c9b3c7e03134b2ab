"""Lines of labelled arrays against a dim, on axes that may be logarithmic: the plainest figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from limitlab.errors import InvalidArgument, one_of
from limitlab.figures.arrays import coordinate, labels, numbers
from limitlab.figures.sketch import Sketch, drawing
from limitlab.figures.template import axis_title, colour, heading, log_ticks

if TYPE_CHECKING:
    import xarray as xr

Axes = Literal["", "x", "y", "xy"]


@drawing
def lines(
    arrays: xr.DataArray | Mapping[str, xr.DataArray], *, log: Axes = "", marks: bool = False, title: str | None = None
) -> Sketch:
    """Values against the last dim, a line for every entry of the first; dims (x) or (name, x).

    arrays: one array, or arrays (x) by name, each on a grid of its own. log: the axes that are logarithmic. marks: show
    the points too. Points that are not finite are left out. Raises InvalidArgument for other dims.

    >>> errors = ll.labels.labelled(error=("width", [0.2, 0.1], "error"), width=("width", [8, 16], "width"))["error"]
    >>> ll.figures.lines(errors, log="xy").layout.xaxis.type
    'log'
    """
    one_of("axes", log, ("", "x", "y", "xy"))
    named = _by_name(arrays)
    figure = Sketch()
    for position, (name, array) in enumerate(named.items()):
        values, grid = numbers(array), coordinate(array, str(array.dims[0]))
        finite = np.isfinite(values)
        line = dict(
            type="scatter",
            x=grid[finite],
            y=values[finite],
            name=name,
            mode="lines+markers" if marks else "lines",
            marker={"size": 5},
            line={"color": colour(position)},
            showlegend=len(named) > 1,
        )
        figure.add([line])
    first = next(iter(named.values()))
    across, up = ([trace[axis] for trace in figure.traces] for axis in ("x", "y"))
    figure.update_axes("x", title={"text": axis_title(first, str(first.dims[0]))}, **_axis(across, "x" in log))
    figure.update_axes("y", title={"text": axis_title(first)}, **_axis(up, "y" in log))
    return figure.update_layout(**heading(title), height=420)


def _by_name(arrays: xr.DataArray | Mapping[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    """The lines of a figure, each of one dim, by name."""
    if isinstance(arrays, Mapping):
        named = dict(arrays)
    elif arrays.ndim == 2:
        named = dict(zip(labels(arrays, str(arrays.dims[0])), arrays, strict=True))
    else:
        named = {"": arrays}
    wrong = [array.dims for array in named.values() if array.ndim != 1]
    if wrong or not named:
        raise InvalidArgument(f"lines are of one dim, or of a name and a dim; got {wrong or 'none'}")
    return named


def _axis(values: list[np.ndarray], logarithmic: bool) -> dict[str, Any]:
    return {"type": "log", **log_ticks(np.concatenate(values).astype(float))} if logarithmic else {}
