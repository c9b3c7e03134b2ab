"""A plotly figure that is brought up to date in place, as wide as its column and in the colours of the page."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import ipywidgets as widgets
import numpy as np

from limitlab_widgets.shared.widget_tree import discard

if TYPE_CHECKING:
    import plotly.graph_objects as go

PAGES_OWN = ("uid", "autosize")
"""What plotly gives every trace, and what a page says when a figure has followed its column: taken back, a figure would
keep the width that it has."""


class FigurePanel(widgets.VBox):
    """One figure; `show` brings it up to date, sending only what changed. Safe to call from any thread.

    label: its accessible name, what a person who cannot see it is told.

    >>> import plotly.graph_objects as go
    >>> from limitlab_widgets import FigurePanel
    >>> panel = FigurePanel(height=200, label="a line")
    >>> panel.show(go.Figure(go.Scatter(y=[0.0, 1.0])))
    >>> panel.figure.layout.height, panel.figure.label
    (200, 'a line')
    >>> panel.close()
    """

    dark: ClassVar[bool] = False
    """Whether the page is dark; a studio sets it for the kernel, and calls `follow_theme`."""

    def __init__(self, *, height: int | None = None, label: str = "") -> None:
        from limitlab_widgets.shared.plotly_widget import PlotlyLibrary

        self.figure: Any = None
        self.height, self.label = height, label
        self._lock = threading.RLock()
        self._library = PlotlyLibrary
        self._library.acquire(self)
        super().__init__([], layout=widgets.Layout(overflow="hidden", min_width="0"))
        self.add_class("limitlab-figure")

    def show(self, figure: go.Figure) -> None:
        """Show this figure instead of the one before."""
        from limitlab_widgets.shared.plotly_widget import FigureWidget

        if self.height:
            figure.update_layout(height=self.height)
        # as wide as its column, which only the page knows
        figure.update_layout(template=self._template(), width=None)
        with self._lock:
            if self.figure is None or _axes(self.figure) != _axes(figure):
                self._replace(FigureWidget(figure, self.label))
                return
            if _kinds(self.figure) != _kinds(figure):
                # traces of another kind cannot become one another, and plotly pairs them by position
                self.figure.data = ()
                self.figure.add_traces(figure.data)
            with self.figure.batch_update():
                for current, new in zip(self.figure.data, figure.data, strict=True):
                    current.update(_changes(current.to_plotly_json(), new.to_plotly_json()), overwrite=True)
                layout = _changes(self.figure.layout.to_plotly_json(), figure.layout.to_plotly_json())
                self.figure.layout.update(layout, overwrite=True)

    def change(self, edit: Callable[[Any], None]) -> None:
        """Let `edit` change the figure, in one message to the page."""
        with self._lock:
            if self.figure is not None:
                with self.figure.batch_update():
                    edit(self.figure)

    def clear(self) -> None:
        """Show no figure."""
        with self._lock:
            self._replace(None)

    def follow_theme(self) -> None:
        """Give the figure the colours of the page."""
        self.change(lambda figure: figure.update_layout(template=self._template()))

    def close(self) -> None:
        """Free the figure, and plotly's code where no other figure needs it."""
        if hasattr(self, "_library"):
            self.clear()
            self._library.release(self)
        super().close()

    def _replace(self, figure: Any) -> None:
        old, self.figure = self.figure, figure
        self.children = () if figure is None else (figure,)
        if old is not None:
            discard([old])

    def _template(self) -> str:
        from limitlab.figures.template import DARK, LIGHT

        return DARK if self.dark else LIGHT


def _axes(figure: go.Figure) -> set[str]:
    """The frame of a figure: one that needs another frame is drawn anew."""
    return {key for key in figure.layout.to_plotly_json() if "axis" in key or "scene" in key}


def _kinds(figure: go.Figure) -> list[tuple[Any, ...]]:
    """What traces must share to be brought up to date into one another."""
    return [(trace.type, trace.name, getattr(trace, "xaxis", None)) for trace in figure.data]


def _changes(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The entries of `new` that differ from `old`, and None for those that are gone."""
    gone = {key: None for key in old if key not in new and key not in PAGES_OWN}
    return gone | {key: value for key, value in new.items() if key not in old or not _same(old[key], value)}


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        # == of arrays is an array
        return np.array_equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return bool(one == other)
