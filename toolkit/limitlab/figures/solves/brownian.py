"""Noise: one Brownian path as it is refined, an ensemble as a fan of its quantiles, and its marginals.

A refined path keeps the points that it had: the new ones are bridged between them. The bands of a fan hold the middle
50 and 90 % of the samples at each time; exact moments and densities are laid over what was sampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from limitlab.errors import InvalidArgument, check_number, unknown_name
from limitlab.figures.arrays import LINE_PIXELS, coordinate, exactly, labels, thin, variable_of
from limitlab.figures.sketch import Sketch, drawing
from limitlab.figures.sliding import with_slider
from limitlab.figures.solves.solutions import (
    compact,
    component_title,
    components_of,
    cursor_lines,
    evenly,
    extremes,
)
from limitlab.figures.template import REFERENCE, SEQUENTIAL, axis_title, colour, heading, translucent

if TYPE_CHECKING:
    import xarray as xr

MARKED_POINTS = 129
BANDS = (0.05, 0.25)
LINE = {"type": "scatter", "mode": "lines"}


def brownian_refinement(
    paths: xr.DataArray, *, slider: bool = False, cursor: float | None = None, title: str | None = None
) -> go.Figure:
    """One path at several levels of refinement, coarse to fine; with `slider` one level at a time, over the one before.

    paths: dims (level, time), NaN at the times that a level does not have.

    >>> nan = float("nan")
    >>> path = ll.labels.labelled(W=("level time", [[0.0, nan, 1.0], [0.0, 0.8, 1.0]], "Brownian path"))["W"]
    >>> [line.name for line in ll.figures.brownian_refinement(path).data]
    ['1 step', '2 steps']
    """
    paths = exactly(paths, ("level", "time"))
    if not paths.sizes["level"]:
        raise InvalidArgument(f"{paths.name or 'the array'} needs at least one level; it has none")
    levels = [_finite(paths, index) for index in range(paths.sizes["level"])]
    scale = sample_colorscale(SEQUENTIAL, np.linspace(0.0, 0.75, len(levels)))
    widths = np.linspace(3.5, 1.0, len(levels))
    if not slider:
        looks = zip(levels, scale, widths, strict=True)
        traces = [_line(level, hue, width, -index) for index, (level, hue, width) in enumerate(looks)]
        return _framed(traces, levels, paths, title).update_layout(shapes=cursor_lines(cursor))
    frames = {}
    for index, label in enumerate(labels(paths, "level")):
        before = _line(levels[max(index - 1, 0)], REFERENCE, 1.5, 0).update(name="one level coarser")
        traces = [before, _line(levels[index], colour(0), 2, 1).update(name="this level")]
        frames[label] = _framed(traces, levels, paths, title)
    return with_slider(frames, axis_title(paths, "level")).update_layout(height=500, shapes=cursor_lines(cursor))


@drawing
def fan_chart(
    solution: xr.Dataset,
    component: str | None = None,
    *,
    exact: xr.Dataset | None = None,
    paths: int = 3,
    cursor: float | None = None,
    title: str | None = None,
) -> Sketch:
    """Median, the bands of 50 and 90 %, and a few paths of an ensemble against time; failed samples leave it.

    solution: `y` (sample, time, state) with times that all samples share. exact: `mean` (time) and perhaps `quantile`
    (probability, time), drawn dashed. The first component without `component`.

    >>> y = torch.randn(50, 21, 1).cumsum(1)
    >>> walks = ll.labels.labelled(
    ...     y=("sample time state", y, "position"), time=("time", range(21), "time"), state=("state", ["x"], "state")
    ... )

    >>> [trace.name for trace in ll.figures.fan_chart(walks, paths=0).data]
    ['middle 90 %', 'middle 50 %', 'median']
    """
    ensemble, name = _ensemble(solution, component)
    number = int(check_number("paths", paths, low=0, integer=True))
    ensemble = ensemble.isel(time=evenly(ensemble.sizes["time"], LINE_PIXELS // 2))
    alive = ensemble.dropna("time", how="all")
    times, hue = coordinate(alive, "time"), colour(0)
    figure = Sketch()
    for tail, shade in zip(BANDS, (0.16, 0.28), strict=True):
        low, high = np.nanquantile(alive.values, [tail, 1 - tail], axis=0) if alive.size else np.empty((2, 0))
        band = dict(
            x=np.concatenate([times, times[::-1]]),
            y=compact(np.concatenate([high, low[::-1]])),
            fill="toself",
            fillcolor=translucent(hue, shade),
            line={"width": 0},
            name=f"middle {100 * (1 - 2 * tail):.0f} %",
            hoverinfo="skip",
        )
        figure.add([{**LINE, **band}])
    for index, values in enumerate(ensemble.values[:number]):
        path = dict(
            x=coordinate(ensemble, "time"),
            y=compact(values),
            line={"color": REFERENCE, "width": 1},
            name="paths",
            legendgroup="paths",
            showlegend=index == 0,
            hoverinfo="skip",
        )
        figure.add([{**LINE, **path}])
    median = np.nanmedian(alive.values, axis=0) if alive.size else np.empty(0)
    figure.add([{**LINE, "x": times, "y": compact(median), "line": {"color": hue, "width": 2.5}, "name": "median"}])
    if exact is not None:
        figure.add(_exact_moments(exact))
    figure.update_axes("x", title={"text": axis_title(ensemble, "time")})
    figure.update_axes("y", title={"text": component_title(solution, name)})
    return figure.update_layout(**heading(title), height=420, showlegend=True, shapes=cursor_lines(cursor))


@drawing
def marginals(
    solution: xr.Dataset,
    times: Sequence[float],
    component: str | None = None,
    *,
    exact: xr.Dataset | None = None,
    title: str | None = None,
) -> Sketch:
    """Histogram of an ensemble at chosen times, a panel each, as a density; with the exact one as a line.

    solution: as of `fan_chart`; the nearest of its times is drawn, and named above its panel. exact: `density`
    (time, value), also taken at the nearest time.

    >>> y = torch.randn(50, 21, 1).cumsum(1)
    >>> walks = ll.labels.labelled(
    ...     y=("sample time state", y, "position"), time=("time", range(21), "time"), state=("state", ["x"], "state")
    ... )

    >>> figure = ll.figures.marginals(walks, times=[5, 20])
    """
    ensemble, name = _ensemble(solution, component)
    requested = [check_number("times", float(time)) for time in times]
    if not requested:
        raise InvalidArgument("times must name at least one time; got none")
    nearest = ensemble.sel(time=requested, method="nearest")
    unit = ensemble["time"].attrs.get("units", "1")
    headings = [f"t = {time:.3g}" + ("" if unit in ("", "1") else f" {unit}") for time in nearest["time"].values]
    panels = {"shared_xaxes": "all", "horizontal_spacing": 0.05, "column_titles": tuple(headings)}
    figure = Sketch(rows=1, cols=len(requested), **panels)
    for index, time in enumerate(requested):
        values = nearest.isel(time=index).values
        figure.add([_histogram(values[np.isfinite(values)], index == 0)], col=index + 1)
        if exact is not None:
            figure.add([_density(exact, time, index == 0)], col=index + 1)
    figure.update_axes("x", title={"text": component_title(solution, name)})
    figure.update_axes("y", rangemode="tozero")
    figure.update_axes("y", col=1, title={"text": "density"})
    return figure.update_layout(
        **heading(title), height=360, bargap=0, showlegend=exact is not None, legend={"y": 1.12}
    )


def _finite(paths: xr.DataArray, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Times and values that a level has."""
    level = paths.isel(level=index).dropna("time")
    return np.asarray(coordinate(level, "time")), np.asarray(level.values, dtype=np.float64)


def _line(level: tuple[np.ndarray, np.ndarray], hue: str, width: float, order: int) -> go.Scatter:
    times, values = level
    indices = extremes(values, LINE_PIXELS)
    steps = max(len(times) - 1, 0)
    return go.Scatter(
        x=times[indices],
        y=compact(values[indices]),
        mode="lines+markers" if len(times) <= MARKED_POINTS else "lines",
        line={"color": hue, "width": width},
        marker={"size": 5 + width if len(times) <= 33 else 2 + width},
        name="1 step" if steps == 1 else f"{steps} steps",
        zorder=order,
        hovertemplate="t = %{x:.5g}: %{y:.5g}<extra></extra>",
    )


def _framed(
    traces: list[go.Scatter], levels: list[tuple[np.ndarray, np.ndarray]], paths: xr.DataArray, title: str | None
) -> go.Figure:
    """The traces with axes that hold every level, so that a slider does not move them."""
    figure = go.Figure(traces)
    for update, index in ((figure.update_xaxes, 0), (figure.update_yaxes, 1)):
        values = np.concatenate([level[index] for level in levels])
        low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
        margin = 0.05 * (high - low) or 0.5
        update(range=[low - margin, high + margin] if index else [low, high])
    figure.update_xaxes(title_text=axis_title(paths, "time"))
    figure.update_yaxes(title_text=axis_title(paths))
    return figure.update_layout(**heading(title), height=420, showlegend=True)


def _ensemble(solution: xr.Dataset, component: str | None) -> tuple[xr.DataArray, str]:
    """One component (sample, time) of all samples at the times that they share, and its name."""
    (name,) = components_of(solution, None if component is None else [component], most=1)
    y = exactly(variable_of(solution, "y"), ("sample", "time", "state"))
    y = y.isel(state=[str(known) for known in y["state"].values].index(name))
    if "time" in y.coords and y["time"].ndim == 2:
        times = y["time"].values
        if not np.array_equal(times, np.broadcast_to(times[:1], times.shape)):
            raise InvalidArgument("an ensemble needs times that all samples share; time has the dims (sample, time)")
        y = y.drop_vars("time").assign_coords(time=("time", times[0], y["time"].attrs))
    return y.where(np.isfinite(y)), name


def _exact_moments(exact: xr.Dataset) -> list[dict[str, Any]]:
    look: dict[str, Any] = {**LINE, "hoverinfo": "skip"}
    traces = []
    if "mean" in exact:
        mean = thin(exactly(exact["mean"], ("time",)), LINE_PIXELS, "time")
        line = {"color": colour(1), "width": 2.5, "dash": "dash"}
        traces.append(dict(x=coordinate(mean, "time"), y=compact(mean.values), line=line, name="exact mean", **look))
    if "quantile" in exact:
        quantiles = thin(exactly(exact["quantile"], ("probability", "time")), LINE_PIXELS, "time")
        times = np.append(coordinate(quantiles, "time"), np.nan)
        values = np.pad(quantiles.values.astype(float), ((0, 0), (0, 1)), constant_values=np.nan)
        across, up = np.tile(times, len(values)), compact(values.ravel())
        line = {"color": colour(1), "width": 1.5, "dash": "dot"}
        traces.append(dict(x=across, y=up, line=line, name="exact quantiles", **look))
    if not traces:
        raise unknown_name("variable", "mean", map(str, exact.data_vars))
    return traces


def _histogram(values: np.ndarray, first: bool) -> dict[str, Any]:
    """Density of the values over their middle 99.6 %, so that a long tail does not flatten it."""
    low, high = np.quantile(values, [0.002, 0.998]) if values.size else (0.0, 1.0)
    # a deterministic start: all values are one
    spread = float(high - low) or 1e-3 * max(abs(float(low)), 1.0)
    edges = float(low + high) / 2 + spread * np.linspace(-0.5, 0.5, int(np.clip(np.sqrt(values.size), 12, 60)) + 1)
    counts, _ = np.histogram(values, edges)
    width = edges[1] - edges[0]
    return dict(
        type="bar",
        x=compact((edges[1:] + edges[:-1]) / 2),
        y=compact(counts / (max(values.size, 1) * width)),
        width=width,
        marker={"color": translucent(colour(0), 0.45), "line": {"width": 0}},
        name="samples",
        legendgroup="samples",
        showlegend=first,
        hovertemplate="%{x:.4g}: %{y:.4g}<extra></extra>",
    )


def _density(exact: xr.Dataset, time: float, first: bool) -> dict[str, Any]:
    density = exactly(variable_of(exact, "density"), ("time", "value")).sel(time=time, method="nearest")
    density = thin(density, LINE_PIXELS, "value")
    return dict(
        x=compact(density["value"].values),
        y=compact(density.values),
        **LINE,
        line={"color": colour(1), "width": 2.5},
        name="exact density",
        legendgroup="exact density",
        showlegend=first,
        hoverinfo="skip",
    )
