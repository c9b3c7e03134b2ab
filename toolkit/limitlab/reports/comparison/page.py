"""The page that compares the points of a sweep: what was the same, a row for each run, figures of what differed."""

from __future__ import annotations

import html
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from limitlab.reports.comparison.figures import figures
from limitlab.reports.comparison.points import Differences, Point, differences, plain
from limitlab.reports.page import figure_block, page, table


def comparison(
    title: str,
    points: Sequence[Point],
    folder: Path,
    fixed: Mapping[str, Any] | None = None,
    record: Mapping[str, Any] | None = None,
) -> str:
    """The page that compares points.

    folder: where its links start. fixed: parameters that no point changes. record: how the sweep was made.
    What did not vary stands in a line above the table. Where two parameters vary there is a map beside the lines, and
    runs that differ in their seed alone are a band.

    >>> from pathlib import Path
    >>> points = [ll.reports.Point({"modes": modes}, {"error": 1 / modes}) for modes in (4, 8)]
    >>> "<p>2 runs</p>" in ll.reports.comparison.comparison("Modes", points, Path("sweep"))
    True
    """
    varied = differences(points)
    failed = sum(point.failure is not None for point in points)
    summary = f"{len(points)} runs" + (f', <span class="failed">{failed} failed</span>' if failed else "")
    drawn = figures(points, varied)
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        f"<p>{summary}</p>",
        _same({**(fixed or {}), **varied.same}),
        _failures(points),
        _table(points, varied, folder),
        *map(figure_block, drawn),
    ]
    return page(title, "\n".join(filter(None, parts)), figures=bool(drawn), styles=_STYLE, record=record)


def _same(values: Mapping[str, Any]) -> str:
    """The caption of the table: all that is one value in all runs."""
    if not values:
        return ""
    pairs = ", ".join(f"<em>{html.escape(name)}</em>&nbsp;=&nbsp;{_text(value)}" for name, value in values.items())
    return f'<p class="same">The same in all runs: {pairs}.</p>'


def _failures(points: Sequence[Point]) -> str:
    """What failed, a line each."""
    lines = [
        f"<li>{_named(point)}: <span class='failed'>{html.escape(point.failure.splitlines()[0])}</span></li>"
        for point in points
        if point.failure
    ]
    return f'<section class="failures"><h2>Runs that failed</h2><ul>{"".join(lines)}</ul></section>' if lines else ""


def _named(point: Point) -> str:
    return ", ".join(f"<em>{html.escape(name)}</em> = {_text(value)}" for name, value in point.parameters.items())


def _table(points: Sequence[Point], varied: Differences, folder: Path) -> str:
    """A row for each run, in a frame of the page's width, which a wide table scrolls in."""
    rows = []
    for point in points:
        cells = [_text(point.parameters[name]) for name in varied.axes]
        if point.failure:
            cells += ["" for _ in varied.metrics] + ["", '<span class="failed">failed</span>']
        else:
            address = html.escape(Path(os.path.relpath(point.page, folder)).as_posix()) if point.page else ""
            cells += [_text(point.results.get(name, "")) for name in varied.metrics]
            cells += [f"{point.seconds:.0f} s", f'<a href="{address}">report</a>' if address else ""]
        rows.append(cells)
    header = [*(f"<em>{html.escape(name)}</em>" for name in varied.axes), *map(html.escape, varied.metrics)]
    # a region that scrolls must be reached by keys
    frame = '<div class="wide" role="region" aria-label="all runs" tabindex="0">'
    return f"{frame}{table(rows, [*header, 'duration', ''])}</div>"


def _text(value: object) -> str:
    return html.escape(plain(value))


_STYLE = """
.same { color: var(--soft); overflow-wrap: anywhere; }
.failures h2 { font-size: 1.1rem; margin: 1rem 0 .3rem; }
.failures li { overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
.wide td { white-space: nowrap; }
"""
