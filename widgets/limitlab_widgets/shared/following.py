"""Work that follows a change only after `begin`, and until `stop`: what the width studio's states are made from."""

from __future__ import annotations

from traitlets import Bool

from limitlab_widgets.shared.state import StudioState
from limitlab_widgets.shared.worker import Check, Job

PAUSE = 0.3


class Following(StudioState):
    """A state with work in a thread: a subclass says in `_job` what is missing, and calls `_submit` after a change."""

    follow = Bool(False, help="whether work begins when a setting has changed")

    def __init__(self) -> None:
        super().__init__(pause=PAUSE)
        self._lock = self.lock

    def begin(self) -> None:
        """Do what is missing, now and after every change from now on."""
        self.follow = True
        self._submit()

    def stop(self) -> None:
        """Give up what is under way; nothing begins until `begin` is called again."""
        with self.lock:
            self.follow = False
            super().stop()

    def _job(self) -> Job:
        """What is to be done with the settings as they are now; reads no trait when it runs."""
        raise NotImplementedError

    def _submit(self) -> None:
        self.error = ""
        self.work(self._job())
        if not self.follow:
            self.phase, self.activity = "idle", ""

    def _show(self, check: Check, text: str, done: int, total: int, seconds_left: float | None = None) -> None:
        self.report(check, text, done, total, seconds_left)
