"""A plotly figure that is brought up to date in place, as wide as its column and in the colours of the page."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias

import ipywidgets as widgets
import plotly.graph_objects as go
from plotly.basedatatypes import Undefined

from limitlab.figures import Sketch
from limitlab_widgets.shared.plotted.differences import can_be_set, differences, message, set_changes
from limitlab_widgets.shared.widget_tree import discard

Drawn: TypeAlias = go.Figure | Sketch
Edit: TypeAlias = Callable[[Any], None]


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
        from limitlab_widgets.shared.plotted.plotly_widget import PlotlyLibrary

        self.figure: Any = None
        self.height, self.label = height, label
        self._lock = threading.RLock()
        self._asked, self._themed = 0, ""
        self._waiting: Drawn | Callable[[], Drawn] | None = None
        self._edit: Edit | None = None
        self._library = PlotlyLibrary
        self._library.acquire(self)
        super().__init__([], layout=widgets.Layout(overflow="hidden", min_width="0"))
        self.add_class("limitlab-figure")

    def show(self, figure: Drawn | Callable[[], Drawn]) -> None:
        """Show this figure instead of the one before; a function that makes it waits until a page has it in view."""
        with self._lock:
            self._asked += 1
            asked, self._waiting, self._edit = self._asked, None, None
            if self.figure is not None and not self.figure.in_view:
                self._waiting = figure
                return
        # outside of the lock: what makes a figure may have one of its own
        drawn = figure() if callable(figure) else figure
        with self._lock:
            if self._asked == asked:
                self._draw(drawn)

    def change(self, edit: Edit) -> None:
        """Let `edit` change the figure, in one message to the page. Out of view the last of several edits is made."""
        with self._lock:
            if self.figure is None:
                return
            if not self.figure.in_view:
                self._edit = edit
                return
            self._make(edit)

    def catch_up(self, _change: Any = None) -> None:
        """Do what waits for the figure to come into view."""
        with self._lock:
            waiting, asked = self._waiting, self._asked
            if waiting is None and self._edit is None:
                return
        drawn = waiting() if callable(waiting) else waiting
        with self._lock:
            if self._asked != asked or self.figure is None:
                return
            edit, self._waiting, self._edit = self._edit, None, None
            if drawn is not None:
                self._draw(drawn)
            if edit is not None:
                self._make(edit)

    def clear(self) -> None:
        """Show no figure."""
        with self._lock:
            self._asked += 1
            self._waiting = self._edit = None
            self._replace(None)

    def follow_theme(self) -> None:
        """Give the figure the colours of the page."""
        with self._lock:
            if self.figure is not None:
                self._themed = self._template()
                self.figure.update_layout(template=self._themed)

    def close(self) -> None:
        """Free the figure, and plotly's code where no other figure needs it."""
        if hasattr(self, "_library"):
            self.clear()
            self._library.release(self)
        super().close()

    def _make(self, edit: Edit) -> None:
        with self.figure.batch_update():
            edit(self.figure)
        self.figure.describe()

    def _draw(self, drawn: Drawn) -> None:
        from limitlab_widgets.shared.plotted.plotly_widget import FigureWidget

        if self.height:
            drawn.update_layout(height=self.height)
        # as wide as its column, which only the page knows
        drawn.update_layout(width=None)
        traces, layout = _data_of(drawn)
        if self.figure is None or _axes(self.figure._layout_obj._props) != _axes(layout):
            self._themed = self._template()
            figure = drawn.figure() if isinstance(drawn, Sketch) else drawn
            self._replace(FigureWidget(figure.update_layout(template=self._themed), self.label))
            self.figure.describe()
            return
        if self._themed != self._template():
            self.follow_theme()
        if _kinds(self.figure._data) != _kinds(traces):
            # traces of another kind cannot become one another, and plotly pairs them by position
            self.figure.data = ()
            self.figure.add_traces(traces)
        self._update(traces, layout)
        self.figure.describe()

    def _update(self, traces: list[dict[str, Any]], layout: dict[str, Any]) -> None:
        figure = self.figure
        frame = figure._layout_obj._props
        changes = [differences(old, new) for old, new in zip(figure._data, traces, strict=True)]
        of_frame = differences(frame, layout)
        if not of_frame and not any(changes):
            return
        if not can_be_set(frame, of_frame) or not all(map(can_be_set, figure._data, changes)):
            with figure.batch_update():
                for current, each in zip(figure.data, changes, strict=True):
                    current.update({"_".join(path): value for path, value in each.items()}, overwrite=True)
                figure.layout.update({"_".join(path): value for path, value in of_frame.items()}, overwrite=True)
            return
        set_changes(frame, of_frame)
        for old, each in zip(figure._data, changes, strict=True):
            set_changes(old, each)
        changed = [index for index, each in enumerate(changes) if each]
        told = message([changes[index] for index in changed], Undefined)
        figure.tell(told, {".".join(path): value for path, value in of_frame.items()}, changed)

    def _replace(self, figure: Any) -> None:
        old, self.figure = self.figure, figure
        if figure is not None:
            figure.observe(self.catch_up, "in_view")
        self.children = () if figure is None else (figure,)
        if old is not None:
            discard([old])

    def _template(self) -> str:
        from limitlab.figures.template import DARK, LIGHT

        return DARK if self.dark else LIGHT


def _data_of(drawn: Drawn) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Traces and layout as plain data."""
    if isinstance(drawn, Sketch):
        return drawn.traces, drawn.layout
    return list(drawn._data), drawn._layout_obj._props


def _axes(layout: dict[str, Any]) -> set[str]:
    """The frame of a figure: one that needs another frame is drawn anew."""
    # a page adds the axes that a figure does not name, without a property
    return {key for key, value in layout.items() if value and ("axis" in key or "scene" in key)}


def _kinds(traces: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What traces must share to be brought up to date into one another."""
    return [(trace["type"], trace.get("name"), trace.get("xaxis")) for trace in traces]
