"""Work that follows every change after a button was pressed, until another one is: its state, and the two buttons."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets
from traitlets import Bool

from limitlab_widgets.shared.controls import button, seconds_text
from limitlab_widgets.shared.panels import error_text, warning_text
from limitlab_widgets.shared.state import StudioState
from limitlab_widgets.shared.worker import Job

PAUSE = 0.3


class RunState(StudioState):
    """A state whose thread works after `begin`, and anew after every change, until `stop`.

    A subclass says in `job` what is missing, and calls `run` when its settings have changed.
    """

    follow = Bool(False, help="whether work begins when a setting has changed")

    def __init__(self) -> None:
        super().__init__(pause=PAUSE)

    def begin(self) -> None:
        """Do what is missing, now and after every change from now on."""
        self.follow, self.error = True, ""
        self.run()

    def stop(self) -> None:
        """Give up what is under way; nothing begins until `begin` is called again."""
        with self.lock:
            self.follow = False
            super().stop()

    def job(self) -> Job:
        """What is to be done with the settings as they are now; reads no trait when it runs."""
        raise NotImplementedError

    def run(self) -> None:
        """Drop what is under way, and do what is missing if that was asked for."""
        if self.follow:
            self.work(self.job())
        else:
            self.settle()


class RunPanel(widgets.VBox):
    """A button that begins the work of a state and one that ends it, how far it is, and what went wrong."""

    def __init__(self, state: RunState, verb: str, tooltip: str) -> None:
        self._state = state
        self.start = button(verb, "play", tooltip, primary=True)
        self.halt = button("Stop", "stop", f"end it; nothing begins until {verb} is pressed again")
        self.start.on_click(lambda _button: state.begin())
        self.halt.on_click(lambda _button: state.stop())
        self.bar = widgets.IntProgress(min=0, max=1, layout=widgets.Layout(width="auto", margin="6px 2px 0 2px"))
        self.status = widgets.Label(layout=widgets.Layout(width="auto"))
        self.status.add_class("limitlab-status")
        self.error, self.warning = widgets.HTML(), widgets.HTML()
        super().__init__([widgets.HBox([self.start, self.halt]), self.bar, self.status, self.error, self.warning])
        state.observe(self._show_progress, ["phase", "activity", "done", "total", "seconds_left"])
        state.observe(self._show_error, ["error", "warning"])
        self._show_progress()
        self._show_error()

    def _show_progress(self, _change: dict[str, Any] | None = None) -> None:
        state, busy = self._state, self._state.phase == "working"
        self.start.disabled, self.halt.disabled = busy, not busy
        self.bar.max, self.bar.value = max(1, state.total), state.done
        self.bar.bar_style = "info" if busy else ""
        left = f", {seconds_text(state.seconds_left)} left for this width" if state.seconds_left is not None else ""
        self.status.value = f"{state.activity}{left}" or "nothing was trained yet"

    def _show_error(self, _change: dict[str, Any] | None = None) -> None:
        self.error.value, self.warning.value = error_text(self._state.error), warning_text(self._state.warning)
