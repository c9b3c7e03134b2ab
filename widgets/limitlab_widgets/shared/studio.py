"""What every studio is: columns of controls and figures on one page, closed as a whole, one for each cell.

    class CircleStudio(Studio):
        def __init__(self, radius=1.0):
            self.state = CircleState(radius)                          # refuses before any widget is made
            self.radius = linked(self.state, "radius", described(...))
            self.curve = FigurePanel(label="the curve")
            sheet = columns([card("Circle", [self.radius])], [StaleNote(self.state), self.curve])
            code = CodePanel(partial(circle_code, self.state), self.state)
            super().__init__([sheet], states=[self.state], main=self.curve, code=code)
            self.state.observe(self._draw, "revision")

        def summary(self):
            return [f"radius {self.state.radius:.3g}"]

`circle_code(state)` stands in a module `code` of the studio's folder, and writes with shared/code/written.py.
`columns`, `card`, `fold` and `row` are in layout.py, `linked` and the controls in controls.py, panels of several
studios in panels.py. What is taken off the page for good is passed to `discard` (widget_tree.py).
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Sequence
from typing import Any, Protocol

import ipywidgets as widgets

from limitlab_widgets.shared.code.panel import CodePanel
from limitlab_widgets.shared.figure_panel import FigurePanel
from limitlab_widgets.shared.page import Page
from limitlab_widgets.shared.plotted.snapshot import snapshot
from limitlab_widgets.shared.widget_tree import discard, parts
from limitlab_widgets.shared.worker import Check, Worker

QUIET_SECONDS = 2.0


class Closes(Protocol):
    """A state that releases its thread."""

    def close(self) -> None:
        """Release it."""


class Studio(widgets.VBox):
    """A page of controls and figures over states. states: closed with it. main: the figure of its picture. code: last.

    Shown by a cell, it closes the studios that earlier runs of that cell showed. A saved notebook keeps its picture.
    """

    states: Sequence[Closes] = ()

    def __init__(
        self, children: Sequence[widgets.Widget], *, states: Sequence[Closes], main: FigurePanel, code: CodePanel
    ) -> None:
        self.states, self.main, self.code = tuple(states), main, code
        self.page = Page()
        self._picture: Any = None
        self._pictures = Worker(QUIET_SECONDS)
        super().__init__([self.page, *children, code])
        self.add_class("limitlab-studio")
        self.page.observe(self._follow_theme, "dark")

    def summary(self) -> list[str]:
        """What the picture says beside the figure, a line each."""
        return []

    def renew_picture(self, _change: dict[str, Any] | None = None) -> None:
        """Bring the picture in the notebook up to date when the studio has been quiet for a while."""
        if self._picture is not None:
            self._pictures.ask(self._show_picture)

    def close(self) -> None:
        """Stop what is under way, release the threads, and close every widget that the studio is made of."""
        # ipywidgets closes what was refused before it had states, too
        for state in self.states:
            state.close()
        self.states = ()
        if "_pictures" in vars(self):
            self._pictures.drop()
        if self.comm is not None and "page" in vars(self):
            discard([part for part in parts(self) if part is not self])
        super().close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'; '.join(self.summary()) if 'page' in vars(self) else ''})"

    def _ipython_display_(self, **_options: Any) -> None:
        from IPython.display import HTML, display

        _close_earlier(self)
        self._picture = display(HTML(self._drawn()), display_id=True)
        display({**self._repr_mimebundle_(), "text/plain": repr(self)}, raw=True)

    def _drawn(self) -> str:
        self.main.catch_up()
        return snapshot(type(self).__name__, self.summary(), self.main.figure)

    def _show_picture(self, check: Check) -> None:
        from IPython.display import HTML

        check()
        self._picture.update(HTML(self._drawn()))

    def _follow_theme(self, change: dict[str, Any]) -> None:
        FigurePanel.dark = change["new"]
        for part in list(parts(self)):
            if isinstance(part, FigurePanel):
                part.follow_theme()


# weak: the table must not keep a studio that nobody shows any more
_displayed: dict[str, list[tuple[str, weakref.ref[Studio]]]] = {}


def _close_earlier(studio: Studio) -> None:
    """Close what earlier runs of this cell showed: their outputs are gone, and their widgets would stay for ever."""
    cell, execution = _cell()
    if not cell:
        return
    running = []
    for run, reference in _displayed.get(cell, ()):
        earlier = reference()
        if earlier is None or earlier is studio:
            continue
        if run == execution:
            running.append((run, reference))
        else:
            earlier.close()
    _displayed[cell] = [*running, (execution, weakref.ref(studio))]


def _cell() -> tuple[str, str]:
    """The cell that runs, by the name that its page gives it, and this run of it; empty where there is none."""
    # headers differ from front end to front end, and none is needed
    with contextlib.suppress(Exception):
        from IPython import get_ipython

        parent = get_ipython().parent_header
        return str(parent["metadata"].get("cellId", "")), str(parent["header"]["msg_id"])
    return "", ""
