"""A plotly figure that is brought up to date in place and is as wide as the place it stands in.

Plotly's widget draws itself before it knows its width and does not look again; so the panel measures its own. A new
widget brings all of plotly with it, a second or two in the browser; so a panel keeps its widget as long as it can.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anywidget
import ipywidgets as widgets
import numpy as np
from traitlets import Int

if TYPE_CHECKING:
    import plotly.graph_objects as go


class FigurePanel(widgets.VBox):
    """One figure; `show` brings it up to date, sending only what changed. Safe to call from any thread."""

    def __init__(self, *, height: int | None = None) -> None:
        self.figure: Any = None
        self.height = height
        self._lock = threading.Lock()
        self._fit = _Fit()
        super().__init__([self._fit], layout=widgets.Layout(overflow="hidden", min_width="0"))
        self.add_class("limitlab-figure")
        self._fit.observe(self._resize, "width")

    def show(self, figure: go.Figure) -> None:
        """Show this figure instead of the one that is there."""
        import plotly.graph_objects as go

        if self.height:
            figure.update_layout(height=self.height)
        if self._fit.width:
            figure.update_layout(width=self._fit.width)
        with self._lock:
            if self.figure is None or _axes(self.figure) != _axes(figure):
                old, self.figure = self.figure, go.FigureWidget(figure)
                self.children = (self._fit, self.figure)
                if old is not None:
                    old.close()
                return
            if _kinds(self.figure) != _kinds(figure):
                self.figure.data = ()
                self.figure.add_traces(figure.data)
            with self.figure.batch_update():
                for shown, new in zip(self.figure.data, figure.data, strict=True):
                    shown.update(_changes(shown.to_plotly_json(), new.to_plotly_json()), overwrite=True)
                layout = _changes(self.figure.layout.to_plotly_json(), figure.layout.to_plotly_json())
                self.figure.layout.update(layout, overwrite=True)

    def change(self, edit: Callable[[Any], None]) -> None:
        """Let `edit` change the figure that is there, in one message to the page."""
        with self._lock:
            if self.figure is not None:
                with self.figure.batch_update():
                    edit(self.figure)

    def _resize(self, change: dict[str, Any]) -> None:
        with self._lock:
            if self.figure is not None:
                self.figure.layout.width = change["new"]


class _Fit(anywidget.AnyWidget):
    """Draws nothing; `width` is that of the panel on the page, in pixels, 0 while it is on none."""

    width = Int(0).tag(sync=True)
    _esm = """
    export default {
      render({ model, el }) {
        el.style.display = "none";
        let waiting = null;
        const tell = (panel) => {
          waiting = null;
          const width = panel.clientWidth - 4;
          if (width > 100 && Math.abs(width - model.get("width")) > 3) {
            model.set("width", width);
            model.save_changes();
          }
        };
        let observer = null;
        const begin = setInterval(() => {
          const panel = el.isConnected && el.closest(".limitlab-figure");
          if (!panel) return;
          clearInterval(begin);
          observer = new ResizeObserver(() => { waiting = waiting || setTimeout(() => tell(panel), 100); });
          observer.observe(panel);
        }, 20);
        return () => { clearInterval(begin); clearTimeout(waiting); if (observer) observer.disconnect(); };
      },
    };
    """


def _axes(figure: go.Figure) -> set[str]:
    """The frame of a figure: one that needs another frame is drawn anew."""
    return {key for key in figure.layout.to_plotly_json() if "axis" in key}


def _kinds(figure: go.Figure) -> list[tuple[Any, ...]]:
    """What traces must share to be brought up to date into one another."""
    return [(trace.type, trace.name, getattr(trace, "xaxis", None)) for trace in figure.data]


def _changes(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The entries of `new` that differ from `old`, and None for those that are gone."""
    gone = {key: None for key in old if key not in new and key != "uid"}
    return gone | {key: value for key, value in new.items() if key not in old or not _same(old[key], value)}


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return bool(one == other)
