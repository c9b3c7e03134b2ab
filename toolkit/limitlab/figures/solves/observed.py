"""Paths beside what was measured with its gaps, and paths of classes in the plane.

What was measured is points, what is missing stands there as rings, and what a model says or sees is a line. A channel,
or a class, has one colour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from limitlab.figures.arrays import LINE_PIXELS, exactly, variable_of
from limitlab.figures.sketch import Sketch, drawing, vertical_line
from limitlab.figures.solves.solutions import compact, evenly, highlighted
from limitlab.figures.template import REFERENCE, axis_title, colour, heading, translucent

if TYPE_CHECKING:
    import xarray as xr

CHANNELS = 6
POINTS = 600
STARTS = 200


@drawing
def observed(paths: xr.Dataset, *, sample: int = 0, learned: float | None = None, title: str | None = None) -> Sketch:
    """The channels of one sample against time: up to six, as measured, missing, and as a path.

    paths: `line` (sample, time, channel) with the coordinate `time`; `measured`, NaN where a value is missing, and
    `complete` (sample, row, channel) at `row_time` (sample, row). learned: the time up to which was learned, as a line.

    >>> rows, values = torch.arange(3.0)[None], torch.tensor([[[0.0], [float("nan")], [2.0]]])
    >>> paths = ll.labels.labelled(
    ...     line=("sample time channel", torch.zeros(1, 2, 1), "path"),
    ...     measured=("sample row channel", values, "measured"),
    ...     complete=("sample row channel", torch.ones(1, 3, 1), "complete"),
    ...     row_time=("sample row", rows, "time"),
    ...     time=("time", [0.0, 2.0], "time"),
    ...     channel=("channel", ["x"], "channel"),
    ... )
    >>> [trace.name for trace in ll.figures.observed(paths).data]
    ['x', 'measured', 'missing']
    """
    sample = highlighted(paths, sample)
    rows = exactly(variable_of(paths, "row_time"), ("sample", "row")).isel(sample=sample).values
    line, measured, complete = (
        exactly(variable_of(paths, name), ("sample", along, "channel")).isel(sample=sample)
        for name, along in (("line", "time"), ("measured", "row"), ("complete", "row"))
    )
    across = np.broadcast_to(paths["time"].values, (paths.sizes["sample"], paths.sizes["time"]))[sample]
    figure = Sketch()
    for number, name in enumerate(map(str, paths["channel"].values[:CHANNELS])):
        drawn = evenly(len(across), LINE_PIXELS)
        told, known, whole = (part.isel(channel=number).values for part in (line, measured, complete))
        path = dict(
            type="scatter",
            x=compact(across[drawn]),
            y=compact(told[drawn]),
            name=name,
            legendgroup=name,
            mode="lines",
            line={"color": colour(number), "width": 2},
        )
        figure.add([path])
        gone = np.isnan(known) & np.isfinite(whole)
        for kind, here, values, mark in (
            ("measured", np.isfinite(known), known, {"color": colour(number), "size": 6}),
            ("missing", gone, whole, {"color": translucent(colour(number), 0.45), "size": 6, "symbol": "circle-open"}),
        ):
            kept = np.flatnonzero(here)[evenly(int(here.sum()), POINTS)]
            points = dict(
                type="scatter",
                x=compact(rows[kept]),
                y=compact(values[kept]),
                name=kind,
                legendgroup=kind,
                mode="markers",
                marker=mark,
                showlegend=number == 0,
            )
            figure.add([points])
    if learned is not None:
        figure.add_shapes(vertical_line(learned, line={"color": REFERENCE, "dash": "dot", "width": 1.5}))
    figure.update_axes("x", title={"text": axis_title(paths["row_time"])})
    figure.update_axes("y", title={"text": ", ".join(map(str, paths["channel"].values[:CHANNELS]))})
    return figure.update_layout(**heading(title), height=380, showlegend=True)


@drawing
def class_paths(paths: xr.Dataset, *, title: str | None = None) -> Sketch:
    """The first two components against each other, a colour for each class; points where paths end.

    paths: `y` (sample, time, state) and `label` (sample,). Up to two hundred samples are drawn.

    >>> paths = ll.labels.labelled(
    ...     y=("sample time state", torch.zeros(2, 3, 2), "state"),
    ...     label=("sample", [0, 1], "class"),
    ...     state=("state", ["x1", "x2"], "component"),
    ... )
    >>> len(ll.figures.class_paths(paths).data)
    4
    """
    y = exactly(variable_of(paths, "y"), ("sample", "time", "state"))
    labels = variable_of(paths, "label").values
    figure = Sketch()
    for number, label in enumerate(np.unique(labels)):
        chosen = np.flatnonzero(labels == label)
        chosen = chosen[evenly(len(chosen), STARTS)]
        states = y.values[chosen][..., :2]
        # a NaN between two paths lifts the pen
        pen = np.concatenate([states, np.full((len(chosen), 1, 2), np.nan)], axis=1).reshape(-1, 2)
        shared: dict[str, Any] = {"type": "scatter", "name": f"class {label}", "legendgroup": f"class {label}"}
        ink, ends = colour(number), states[:, -1]
        line = {"color": translucent(ink, 0.45), "width": 1.2}
        figure.add(
            [
                dict(x=compact(pen[:, 0]), y=compact(pen[:, 1]), mode="lines", line=line, showlegend=False, **shared),
                dict(
                    x=compact(ends[:, 0]),
                    y=compact(ends[:, 1]),
                    mode="markers",
                    marker={"color": ink, "size": 6},
                    **shared,
                ),
            ]
        )
    for letter, name in zip("xy", y["state"].values[:2], strict=True):
        figure.update_axes(letter, title={"text": str(name)})
    return figure.update_layout(**heading(title), height=380, showlegend=True)
