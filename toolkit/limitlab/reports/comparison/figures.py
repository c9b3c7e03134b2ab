"""Figures of a comparison: every metric over one axis, a line for each choice of the others, and a map of two axes.

A menu picks the metric. Runs that differ in their seed alone are drawn as their mean, in a band from the lowest to the
highest; on an axis of names, where a band has no meaning, as a bar.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from limitlab.reports.comparison.points import SEED, Differences, Point, is_number, plain
from limitlab.reports.parameters import Value

MOST_TICKS = 24
FAINT = 0.2

Runs = Mapping[tuple[str, ...], Sequence[float]]
"""The numbers of a metric where the axes have these values: one, or one for each seed."""


def figures(points: Sequence[Point], varied: Differences) -> list[dict[str, Any]]:
    """The lines, where a metric is a number, and the map where two parameters vary, as plotly's JSON."""
    metrics = [name for name in varied.metrics if any(is_number(point.results.get(name)) for point in points)]
    if not metrics or varied.along is None:
        return []
    drawn = [_lines(points, varied, metrics)]
    if len(varied.others) == 1 and varied.along != SEED:
        drawn.append(_map(points, varied, metrics))
    return drawn


def _lines(points: Sequence[Point], varied: Differences, metrics: Sequence[str]) -> dict[str, Any]:
    """Metrics over the axis `along`, a line for each choice of the others."""
    along = str(varied.along)
    abscissae = varied.axes[along]
    numeric = all(map(is_number, abscissae))
    traces: dict[str, list[dict[str, Any]]] = {metric: [] for metric in metrics}
    choices = list(product(*(varied.axes[name] for name in varied.others)))
    for metric in metrics:
        runs = _runs(points, (along, *varied.others), metric)
        for position, choice in enumerate(choices):
            label = ", ".join(f"{name}={plain(value)}" for name, value in zip(varied.others, choice, strict=True))
            measured = [(x, runs[_key(x, *choice)]) for x in abscissae if _key(x, *choice) in runs]
            traces[metric] += _line(measured, numeric, position, label or metric)
    axis = {"type": "linear", **whole_ticks(abscissae)} if numeric else {"type": "category"}
    # beside the figure: above it is the menu
    legend = {"orientation": "v", "x": 1.02, "xanchor": "left", "y": 1, "yanchor": "top"}
    layout = {"xaxis": {"title": {"text": along}, **axis}, "showlegend": len(choices) > 1, "legend": legend}
    ticks = {name: whole_scale(_numbers(points, name)) for name in metrics}
    changes = {name: {"yaxis.title.text": name, **_below("yaxis", ticks[name])} for name in metrics}
    return _chosen_by_menu(traces, layout, changes)


def _line(
    measured: Sequence[tuple[Value, Sequence[float]]], numeric: bool, position: int, label: str
) -> list[dict[str, Any]]:
    """The mean over seeds, and its band where there are several."""
    from limitlab.figures.template import colour, translucent

    x = [value if numeric else plain(value) for value, _ in measured]
    means = [sum(values) / len(values) for _, values in measured]
    lows, highs = [min(values) for _, values in measured], [max(values) for _, values in measured]
    line = {
        "type": "scatter",
        "mode": "lines+markers" if numeric else "markers",
        "x": x,
        "y": means,
        "name": label,
        "legendgroup": label,
        "line": {"color": colour(position)},
    }
    if all(len(values) == 1 for _, values in measured):
        return [line]
    if not numeric:
        above = [high - mean for high, mean in zip(highs, means, strict=True)]
        below = [mean - low for low, mean in zip(lows, means, strict=True)]
        return [{**line, "error_y": {"type": "data", "array": above, "arrayminus": below}}]
    band = {
        "type": "scatter",
        "mode": "lines",
        "x": [*x, *reversed(x)],
        "y": [*highs, *reversed(lows)],
        "fill": "toself",
        "fillcolor": translucent(colour(position), FAINT),
        "line": {"width": 0},
        "name": f"seeds of {label}",
        "legendgroup": label,
        "showlegend": False,
        "hoverinfo": "skip",
    }
    return [band, line]


def _map(points: Sequence[Point], varied: Differences, metrics: Sequence[str]) -> dict[str, Any]:
    """Every metric as colour over two axes; a cell without a run, or whose run failed, stays empty."""
    across, up = str(varied.along), varied.others[0]
    columns, rows = varied.axes[across], varied.axes[up]
    traces: dict[str, list[dict[str, Any]]] = {}
    for metric in metrics:
        runs = _runs(points, (across, up), metric)
        cells = [[runs.get(_key(x, y), ()) for x in columns] for y in rows]
        heat = {
            "type": "heatmap",
            "x": [plain(x) for x in columns],
            "y": [plain(y) for y in rows],
            "z": [[sum(values) / len(values) if values else None for values in row] for row in cells],
            "colorscale": "Viridis",
            "colorbar": {"title": {"text": metric}},
            "hovertemplate": f"{across}=%{{x}}, {up}=%{{y}}: %{{z:.5g}}<extra></extra>",
            "xgap": 1,
            "ygap": 1,
        }
        traces[metric] = [heat]
    layout = {
        "xaxis": {"type": "category", "title": {"text": across}},
        "yaxis": {"type": "category", "title": {"text": up}},
    }
    return _chosen_by_menu(traces, layout, {metric: {} for metric in metrics})


def _chosen_by_menu(
    traces: Mapping[str, Sequence[dict[str, Any]]], layout: Mapping[str, Any], changes: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """A figure whose menu shows one metric and makes the changes of its layout; it begins with the first."""
    import plotly.graph_objects as go

    from limitlab.figures import LIGHT

    first = next(iter(traces))
    shown = [{**trace, "visible": metric == first} for metric, members in traces.items() for trace in members]
    owners = [metric for metric, members in traces.items() for _ in members]
    buttons = [
        {"label": metric, "method": "update", "args": [{"visible": [owner == metric for owner in owners]}, change]}
        for metric, change in changes.items()
    ]
    menu = {"buttons": buttons, "x": 0, "xanchor": "left", "y": 1.15, "yanchor": "top"}
    figure = go.Figure({"data": shown, "layout": {"template": LIGHT, "height": 480, **layout, "updatemenus": [menu]}})
    figure.update_layout({key.replace(".", "_"): value for key, value in changes[first].items() if value is not None})
    # through plotly: a browser does not know the template by its name
    return json.loads(figure.to_json())


def whole_ticks(values: Iterable[Any]) -> dict[str, Any]:
    """Ticks at whole numbers themselves, as many as there is room for from the largest down; else plotly's own."""
    ordered = sorted(set(values), reverse=True)
    if not all(isinstance(value, int) for value in ordered):
        return {}
    room = (ordered[0] - ordered[-1]) / MOST_TICKS
    kept = ordered[:1]
    for value in ordered[1:]:
        if kept[-1] - value >= room:
            kept.append(value)
    return {"tickmode": "array", "tickvals": kept[::-1], "ticktext": list(map(str, kept[::-1]))}


def whole_scale(values: Sequence[float]) -> dict[str, Any]:
    """Evenly spaced whole ticks for counts, whatever their range; plotly's own for other numbers."""
    if not all(isinstance(value, int) for value in values):
        return {"tickmode": "auto", "dtick": None, "tickformat": ""}
    least = max(1.0, (max(values) - min(values)) / 8)
    decade = 10 ** math.floor(math.log10(least))
    step = next(digit * decade for digit in (1, 2, 5, 10) if digit * decade >= least)
    return {"tickmode": "linear", "tick0": 0, "dtick": step, "tickformat": "d"}


def _below(axis: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{axis}.{name}": value for name, value in settings.items()}


def _numbers(points: Sequence[Point], metric: str) -> list[Any]:
    return [point.results[metric] for point in points if is_number(point.results.get(metric))]


def _runs(points: Sequence[Point], axes: Sequence[str], metric: str) -> Runs:
    """Numbers of a metric by the values of the axes; several where points differ in nothing but their seed."""
    runs: dict[tuple[str, ...], list[float]] = {}
    for point in points:
        value = point.results.get(metric)
        if is_number(value):
            at = _key(*(point.parameters[name] for name in axes))
            runs.setdefault(at, []).append(float(value))  # type: ignore[arg-type]
    return runs


def _key(*values: object) -> tuple[str, ...]:
    return tuple(map(repr, values))
