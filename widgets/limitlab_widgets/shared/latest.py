"""The newest of many jobs, in a thread: work that nobody waits for, and that a new question makes worthless.

A slider that moves asks again and again. Each question waits a moment, so that a quick successor replaces it before it
starts; once started, it notices its successor where it calls `check`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

Check = Callable[[], None]


class Superseded(Exception):
    """A newer job was given, or the work was closed."""


class Latest:
    """Runs `job(check)` in a thread `pause` seconds after it was given, unless another one is given before."""

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._thread: threading.Thread | None = None
        self._dropped = threading.Event()

    def submit(self, job: Callable[[Check], None]) -> None:
        """Drop what is under way, and run this next."""
        self.drop()
        self._dropped = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(job, self._dropped), name="limitlab-latest", daemon=True
        )
        self._thread.start()

    def drop(self) -> None:
        """Give up the job that waits or runs."""
        self._dropped.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the newest job; whether it has ended."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
        return thread is None or not thread.is_alive()

    def _run(self, job: Callable[[Check], None], dropped: threading.Event) -> None:
        def check() -> None:
            if dropped.is_set():
                raise Superseded

        if dropped.wait(self._pause):
            return
        try:
            job(check)
        except Superseded:
            return
