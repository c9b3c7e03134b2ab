"""What a figure shows now, in words, for who cannot see it: its axes, its lines and maps, and how far they reach."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

MOST = 8
VALUES = {"heatmap": "z", "contour": "z", "surface": "z", "scatter3d": "z"}
"""What of a trace is told, by its type; of all others y."""
TAG = re.compile(r"<[^>]*>")


def words(traces: Sequence[Mapping[str, Any]], layout: Mapping[str, Any]) -> str:
    """Such as "x against time: tsit5 from -2.02 to 2.02, dopri8 from -2.01 to 2.01"; a name is told once an axis.

    >>> from limitlab_widgets.shared.plotted.words import words
    >>> words([{"type": "scatter", "name": "u", "y": [0.0, 2.0]}], {"xaxis": {"title": {"text": "time"}}})
    'against time: u from 0 to 2'
    """
    told: dict[str, dict[str, list[float]]] = {}
    for trace in traces:
        values = _numbers(trace.get(VALUES.get(str(trace.get("type")), "y")))
        if values.size and trace.get("visible", True) is True:
            ends = told.setdefault(_axes(trace, layout), {}).setdefault(str(trace.get("name") or ""), [])
            ends += [float(values.min()), float(values.max())]
    return "; ".join(_panel(axes, named) for axes, named in told.items()) or "nothing yet"


def _panel(axes: str, named: Mapping[str, Sequence[float]]) -> str:
    # lines without a name stand behind those with one
    chosen = {name: ends for name, ends in named.items() if name} or named
    parts = [
        f"{plain(name)} from {min(ends):.3g} to {max(ends):.3g}".strip() for name, ends in list(chosen.items())[:MOST]
    ]
    more = [f"and {len(chosen) - MOST} more"] if len(chosen) > MOST else []
    return f"{axes}: {', '.join([*parts, *more])}" if axes else ", ".join([*parts, *more])


def _axes(trace: Mapping[str, Any], layout: Mapping[str, Any]) -> str:
    """The titles of the axes of a trace."""
    across, up = (_title(layout, str(trace.get(f"{axis}axis") or axis)) for axis in "xy")
    return " ".join([*([up] if up else []), *([f"against {across}"] if across else [])])


def _title(layout: Mapping[str, Any], axis: str) -> str:
    title = (layout.get(f"{axis[0]}axis{axis[1:]}") or {}).get("title") or {}
    return plain(str(title.get("text") or "")) if isinstance(title, Mapping) else plain(str(title))


def plain(text: str) -> str:
    """A text without its tags and without the signs of its formulas."""
    return TAG.sub("", text).replace("$", "").replace("\\", "").strip()


def _numbers(values: Any) -> np.ndarray:
    try:
        array = np.asarray(values, dtype=float).ravel()
    except (TypeError, ValueError):
        # names along an axis are no numbers
        return np.empty(0)
    return array[np.isfinite(array)]
