"""A figure as plain data: its traces and its layout, before plotly checks every property of them.

Plotly's objects check and copy whatever they are given, which takes longer than finding what is drawn. What follows a
slider is therefore sketched, and a page is told what differs from the sketch before; `figure` is the plotly figure. A
function that is a `drawing` gives the plotly figure when it is called, and its `sketch` this.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from functools import lru_cache, wraps
from typing import Any, ParamSpec, Protocol, cast

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from limitlab.figures.template import REFERENCE

Grid = tuple[tuple[str, Any], ...]
Arguments = ParamSpec("Arguments")
COUNTS = {"rows", "cols"}
NOTE_FONT = {"color": REFERENCE, "size": 12}


class Sketch:
    """Traces, each a dict with a `type`, and a layout; options: those of plotly's `make_subplots`, for several panels.

    >>> sketch = ll.figures.Sketch(rows=2, cols=1, shared_xaxes=True)
    >>> sketch.add([{"type": "scatter", "x": [0, 1], "y": [2, 3]}], row=2)
    >>> sketch.update_axes("y", row=2, title={"text": "height"})
    >>> sketch.figure().layout.yaxis2.title.text, sketch.traces[0]["yaxis"]
    ('height', 'y2')
    """

    def __init__(self, **options: Any) -> None:
        # plotly takes no whole numbers of NumPy
        options |= {name: operator.index(options[name]) for name in COUNTS & options.keys()}
        self._grid: Grid = tuple(options.items())
        self._columns = int(options.get("cols", 1))
        self.traces: list[dict[str, Any]] = []
        self.layout: dict[str, Any] = deepcopy(_frame(self._grid)) if options else {}

    def add(self, traces: Iterable[dict[str, Any]], row: int = 1, col: int = 1) -> None:
        """Add traces to a panel."""
        number = self._columns * (row - 1) + col
        places = {f"{letter}axis": _axis(letter, number).replace("axis", "") for letter in "xy"} if self._grid else {}
        self.traces += [{**trace, **places} for trace in traces]

    def update_layout(self, **changes: Any) -> Sketch:
        """Change the layout; a dict changes what it names alone."""
        _merge(self.layout, changes)
        return self

    def update_axes(self, letter: str, *, row: int | None = None, col: int | None = None, **changes: Any) -> None:
        """Change the axes "x" or "y" of all panels, or of those in a row or a column."""
        rows = int(dict(self._grid).get("rows", 1))
        for number in range(1, rows * self._columns + 1):
            at_row, at_col = divmod(number - 1, self._columns)
            if row in (None, at_row + 1) and col in (None, at_col + 1):
                _merge(self.layout, {_axis(letter, number): deepcopy(changes)})

    def add_shapes(self, *shapes: dict[str, Any]) -> None:
        """Add lines and boxes to those that are there."""
        self.layout["shapes"] = [*self.layout.get("shapes", ()), *shapes]

    def add_annotations(self, *notes: dict[str, Any]) -> None:
        """Add texts to those that are there, such as the titles of panels."""
        self.layout["annotations"] = [*self.layout.get("annotations", ()), *notes]

    def figure(self) -> go.Figure:
        """The plotly figure, with its grid of panels where there are several."""
        figure = make_subplots(**dict(self._grid)) if self._grid else go.Figure()
        return figure.add_traces(self.traces).update_layout(self.layout)


class Drawing(Protocol[Arguments]):
    """A function that draws a plotly figure, and by `sketch` the same as plain data."""

    sketch: Callable[Arguments, Sketch]

    def __call__(self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> go.Figure:
        """The plotly figure."""


def drawing(sketch: Callable[Arguments, Sketch]) -> Drawing[Arguments]:
    """The function that draws what `sketch` sketches.

    >>> heights = ll.labels.labelled(u=("x", torch.rand(8), "height"))["u"]
    >>> len(ll.figures.lines(heights).data), len(ll.figures.lines.sketch(heights).traces)
    (1, 1)
    """

    @wraps(sketch)
    def draw(*args: Arguments.args, **kwargs: Arguments.kwargs) -> go.Figure:
        return sketch(*args, **kwargs).figure()

    drawn: Any = draw
    drawn.sketch = sketch
    drawn.__signature__ = inspect.signature(sketch).replace(return_annotation="go.Figure")
    return cast("Drawing[Arguments]", drawn)


def vertical_line(x: float, *, height: str = "y domain", **look: Any) -> dict[str, Any]:
    """The shape of a line from the bottom of a panel to its top."""
    return {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": height, **look}


def note(x: float, text: str, **place: Any) -> dict[str, Any]:
    """The annotation of a text in a panel, whose place in its height is from 0 to 1.

    x: on a logarithmic axis its logarithm, unlike the x of a shape.
    """
    return {"x": x, "yref": "y domain", "text": text, "showarrow": False, **place, "font": NOTE_FONT}


def _axis(letter: str, number: int) -> str:
    return f"{letter}axis{number if number > 1 else ''}"


@lru_cache(maxsize=64)
def _frame(grid: Grid) -> dict[str, Any]:
    """The layout of empty panels: where the axes lie, and which of them move together."""
    layout = make_subplots(**dict(grid)).layout.to_plotly_json()
    return {name: value for name, value in layout.items() if name != "template"}


def _merge(old: dict[str, Any], new: Mapping[str, Any]) -> None:
    for name, value in new.items():
        if isinstance(value, Mapping) and isinstance(old.get(name), dict):
            _merge(old[name], value)
        else:
            old[name] = value
