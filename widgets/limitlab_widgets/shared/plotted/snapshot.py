"""A picture of a studio for a notebook that is opened again without its kernel: lines and maps as SVG, and words.

JupyterLab shows "Error displaying widget: model not found" for a widget whose kernel has ended. So a studio is shown
by two outputs: this picture, and the live widget after it. Of the two a page hides the one that is of no use.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Any

import numpy as np

WIDTH, HEIGHT, EDGE = 560, 300, 34
POINTS, CELLS = 240, 40
RULES = """
.limitlab-snapshot { border: 1px solid var(--jp-border-color2, #d0d7de); border-radius: 6px; padding: 8px 12px; }
.limitlab-snapshot svg { display: block; max-width: 100%; height: auto; }
.jp-OutputArea-child:has(.limitlab-snapshot):has(+ .jp-OutputArea-child .limitlab-studio) { display: none; }
.jp-OutputArea-child:has(.limitlab-snapshot) + .jp-OutputArea-child:not(:has(.limitlab-studio)) { display: none; }
"""


def snapshot(title: str, lines: list[str], figure: Any) -> str:
    """HTML that needs no code to be seen: a title, what was set, the main figure, and how to wake the studio."""
    said = "<br>".join(html.escape(line) for line in lines)
    drawn = "" if figure is None else picture(figure)
    wake = "A picture of the studio as it was. <b>Run this cell</b> to wake it."
    return (
        f'<style>{RULES}</style><div class="limitlab-snapshot"><b>{html.escape(title)}</b><br>{said}{drawn}'
        f"<i>{wake}</i></div>"
    )


def picture(figure: Any) -> str:
    """The lines, points and maps of a plotly figure as a small SVG; what it cannot draw it leaves out."""
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    panels = _panels(figure)
    drawn = [part for panel, traces in panels.items() for part in _panel(figure, panel, traces)]
    if not drawn:
        return ""
    return f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="picture" {size}>{"".join(drawn)}</svg>'


def _panels(figure: Any) -> dict[tuple[str, str], list[Any]]:
    """Traces that can be drawn, by the names of their axes."""
    panels: dict[tuple[str, str], list[Any]] = {}
    for trace in figure.data:
        if trace.type in ("scatter", "scattergl", "heatmap") and trace.visible in (None, True):
            panels.setdefault((trace.xaxis or "x", trace.yaxis or "y"), []).append(trace)
    return panels


def _panel(figure: Any, axes: tuple[str, str], traces: list[Any]) -> Iterator[str]:
    across, up = (figure.layout[f"{name[0]}axis{name[1:]}"] for name in axes)
    curves = [(trace, *_points(trace, across, up)) for trace in traces if trace.type != "heatmap"]
    curves = [curve for curve in curves if curve[1].size]
    left, right, bottom, top = _frame(across, up)
    ends = _ends([curve[1] for curve in curves], across), _ends([curve[2] for curve in curves], up)
    maps = [trace for trace in traces if trace.type == "heatmap" and trace.z is not None]
    if not curves and not maps:
        return
    yield f'<rect x="{left:.0f}" y="{top:.0f}" width="{right - left:.0f}" height="{bottom - top:.0f}" fill="none" '
    yield 'stroke="currentColor" stroke-opacity="0.4"/>'
    for trace in maps:
        yield from _map(trace, (left, right, bottom, top))
    for trace, x, y in curves:
        (low_x, high_x), (low_y, high_y) = ends
        px = left + (x - low_x) / (high_x - low_x) * (right - left)
        py = bottom - (y - low_y) / (high_y - low_y) * (bottom - top)
        yield _polyline(trace, px, np.clip(py, top, bottom))


def _frame(across: Any, up: Any) -> tuple[float, float, float, float]:
    """Left, right, bottom and top of a panel in pixels."""
    (x0, x1), (y0, y1) = (axis.domain or (0.0, 1.0) for axis in (across, up))
    wide, high = WIDTH - 2 * EDGE, HEIGHT - 2 * EDGE / 2
    return EDGE + x0 * wide, EDGE + x1 * wide, HEIGHT - EDGE / 2 - y0 * high, HEIGHT - EDGE / 2 - y1 * high


def _points(trace: Any, across: Any, up: Any) -> tuple[np.ndarray, np.ndarray]:
    """The points of a line, thinned, on the scales of its axes; NaN where it has gaps."""
    if trace.x is None or trace.y is None or not len(trace.y):
        return np.empty(0), np.empty(0)
    y = np.asarray(trace.y, dtype=float)
    try:
        x = np.asarray(trace.x, dtype=float)[: len(y)]
    except (TypeError, ValueError):
        # names along the axis are no numbers
        x = np.arange(len(y), dtype=float)
    stride = max(1, len(y) // POINTS)
    # a gap that falls between two of the points that are kept is one still
    gaps = np.logical_or.reduceat(~np.isfinite(y), np.arange(0, len(y), stride))
    y = np.where(gaps, np.nan, y[::stride])
    with np.errstate(divide="ignore", invalid="ignore"):
        return tuple(  # type: ignore[return-value]
            np.log10(values) if axis.type == "log" else values for values, axis in ((x[::stride], across), (y, up))
        )


def _ends(values: list[np.ndarray], axis: Any) -> tuple[float, float]:
    if axis.range is not None and None not in axis.range:
        low, high = sorted(float(end) for end in axis.range)
        return low, high if high > low else low + 1.0
    joined = np.concatenate([*values, [np.nan]])
    finite = joined[np.isfinite(joined)]
    if not finite.size:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    reach = 0.05 * (high - low) or 0.5
    return low - reach, high + reach


def _polyline(trace: Any, x: np.ndarray, y: np.ndarray) -> str:
    # a dot is small: of an open mark it shows the rim, whose inside is of the paper's colour
    colour = trace.line.color or trace.marker.line.color or trace.marker.color
    ink = html.escape(colour) if isinstance(colour, str) else "#0072B2"
    if trace.mode == "markers":
        shown = np.isfinite(x) & np.isfinite(y)
        dots = "".join(f"M{across:.1f} {up:.1f}h0" for across, up in zip(x[shown], y[shown], strict=True))
        return f'<path d="{dots}" stroke="{ink}" stroke-width="5" stroke-linecap="round"/>'
    steps, down = [], False
    for across, up in zip(x, y, strict=True):
        if np.isfinite(across) and np.isfinite(up):
            steps.append(f"{'L' if down else 'M'}{across:.1f} {up:.1f}")
        down = bool(np.isfinite(across) and np.isfinite(up))
    return f'<path d="{"".join(steps)}" fill="none" stroke="{ink}" stroke-width="1.4"/>'


def _map(trace: Any, frame: tuple[float, float, float, float]) -> Iterator[str]:
    """A heat map in a few hundred grey squares."""
    left, right, bottom, top = frame
    z = np.asarray(trace.z, dtype=float)
    z = z[:: max(1, z.shape[0] // CELLS), :: max(1, z.shape[1] // CELLS)]
    finite = z[np.isfinite(z)]
    if not finite.size:
        return
    low, span = float(finite.min()), float(np.ptp(finite)) or 1.0
    wide, high = (right - left) / z.shape[1], (bottom - top) / z.shape[0]
    for index, value in np.ndenumerate(z):
        if np.isfinite(value):
            x, y = left + index[1] * wide, bottom - (index[0] + 1) * high
            grey = int(30 + 200 * (value - low) / span)
            # half a pixel over: a seam between two squares would let the page shine through
            yield f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide + 0.5:.1f}" height="{high + 0.5:.1f}" '
            yield f'fill="rgb({grey},{grey},{grey})"/>'
