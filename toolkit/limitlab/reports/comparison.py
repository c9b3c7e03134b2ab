"""The page that compares the points of a sweep: the parameters of each, what it published, and one figure of it."""

from __future__ import annotations

import html
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from limitlab.reports.page import figure_block, page, table
from limitlab.reports.parameters import Value
from limitlab.reports.publish import Scalar


@dataclass(frozen=True)
class Point:
    """One run of a sweep: the swept parameters, and what came of them. `failure` is one line, or None.

    >>> point = ll.reports.Point({"modes": 8}, {"error": 0.1}, seconds=2.0)
    >>> point.results["error"], point.failure
    (0.1, None)
    """

    parameters: dict[str, Value]
    results: dict[str, Scalar] = field(default_factory=dict)
    page: Path | None = None
    seconds: float = 0.0
    failure: str | None = None


def comparison(title: str, points: Sequence[Point], folder: Path) -> str:
    """The page that compares points: a table of parameters and results with links, and a figure to choose from."""
    swept = list(points[0].parameters)
    metrics = list(dict.fromkeys(name for point in points for name in point.results if name not in swept))
    rows = []
    for point in points:
        cells = [_text(point.parameters[name]) for name in swept]
        if point.failure:
            cells += ["" for _ in metrics] + ["", f'<span class="failed">{html.escape(point.failure)}</span>']
        else:
            address = html.escape(Path(os.path.relpath(point.page, folder)).as_posix()) if point.page else ""
            cells += [_text(point.results.get(name, "")) for name in metrics]
            cells += [f"{point.seconds:.0f} s", f'<a href="{address}">report</a>' if address else ""]
        rows.append(cells)
    header = [*(f"<em>{html.escape(name)}</em>" for name in swept), *map(html.escape, metrics), "duration", ""]
    drawn = _figure(points, swept, metrics)
    failed = sum(point.failure is not None for point in points)
    summary = f"{len(points)} runs" + (f', <span class="failed">{failed} failed</span>' if failed else "")
    body = f"<h1>{html.escape(title)}</h1>\n<p>{summary}</p>\n{table(rows, header)}\n"
    return page(title, body + (figure_block(drawn) if drawn else ""), figures=drawn is not None)


def _figure(points: Sequence[Point], swept: Sequence[str], metrics: Sequence[str]) -> dict[str, Any] | None:
    """Numeric metrics over the first swept parameter, a line for each choice of the others; a menu picks the metric."""
    import plotly.graph_objects as go

    from limitlab import figures

    metrics = [name for name in metrics if any(_is_number(point.results.get(name)) for point in points)]
    if not metrics:
        return None
    along, others = swept[0], swept[1:]
    lines: dict[str, list[Point]] = {}
    for point in points:
        label = ", ".join(f"{name}={_plain(point.parameters[name])}" for name in others)
        lines.setdefault(label, []).append(point)
    numeric = all(_is_number(point.parameters[along]) for point in points)
    traces, owners = [], []
    for metric in metrics:
        for label, members in lines.items():
            measured = [point for point in members if _is_number(point.results.get(metric))]
            if numeric:
                measured.sort(key=lambda point: float(point.parameters[along]))  # type: ignore[arg-type]
            abscissae = [point.parameters[along] if numeric else _plain(point.parameters[along]) for point in measured]
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers" if numeric else "markers",
                    "x": abscissae,
                    "y": [point.results[metric] for point in measured],
                    "name": label or metric,
                    "visible": metric == metrics[0],
                }
            )
            owners.append(metric)
    buttons = [
        {
            "label": metric,
            "method": "update",
            "args": [{"visible": [owner == metric for owner in owners]}, {"yaxis.title.text": metric}],
        }
        for metric in metrics
    ]
    layout = {
        "template": figures.LIGHT,
        "height": 480,
        "xaxis": {"title": {"text": along}, "type": "linear" if numeric else "category"},
        "yaxis": {"title": {"text": metrics[0]}},
        "showlegend": len(lines) > 1,
        "updatemenus": [{"buttons": buttons, "x": 0, "xanchor": "left", "y": 1.15, "yanchor": "top"}],
    }
    # through plotly: a browser does not know the template by its name
    return json.loads(go.Figure({"data": traces, "layout": layout}).to_json())


def _is_number(value: object) -> bool:
    # True is an int in Python
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _plain(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _text(value: object) -> str:
    return html.escape(_plain(value))
