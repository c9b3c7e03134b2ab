"""The newest of many jobs, in one thread: work that nobody waits for, and that a newer question makes worthless.

A slider that moves asks again and again. Each question replaces the one before it: what still waits never starts, what
runs notices where it calls `check`. There is never more than one thread, and none while there is nothing to do.
"""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Callable
from typing import ClassVar

Check = Callable[[], None]
Job = Callable[[Check], None]
END = 2.0


class Superseded(Exception):
    """A newer job was asked for, or the work was dropped."""


class Worker:
    """Runs `job(check)` in a thread `pause` seconds after it was asked for, unless another one is asked for before."""

    _alive: ClassVar[weakref.WeakSet[Worker]] = weakref.WeakSet()

    def __init__(self, pause: float = 0.0) -> None:
        self._alive.add(self)
        self._pause = pause
        self._changed = threading.Condition()
        self._next: tuple[Job, threading.Event] | None = None
        self._dropped = threading.Event()
        self._thread: threading.Thread | None = None

    def ask(self, job: Job) -> None:
        """Drop what is under way, and run this next."""
        with self._changed:
            self._dropped.set()
            # a new one for each job: the old one stays set for the job that holds it
            self._dropped = threading.Event()
            self._next = job, self._dropped
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="limitlab-worker", daemon=True)
                self._thread.start()

    def drop(self) -> None:
        """Give up the job that waits or runs."""
        with self._changed:
            self._dropped.set()
            self._next = None

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is left to do; whether that is so. A job that waits for its own thread is told no."""
        thread = self._thread
        if thread is threading.current_thread():
            return False
        with self._changed:
            ended = self._changed.wait_for(lambda: self._thread is None, timeout)
        if ended and thread is not None:
            thread.join(timeout)
        return ended

    def _run(self) -> None:
        try:
            while (job := self._take()) is not None:
                work, dropped = job
                if not dropped.wait(self._pause):
                    _run_until_dropped(work, dropped)
        finally:
            # after an exception that no job should let through: the next question starts another thread
            self._end()

    def _take(self) -> tuple[Job, threading.Event] | None:
        """The job that waits; without one the thread is at its end, before anybody can hand it another."""
        with self._changed:
            job, self._next = self._next, None
            if job is None:
                self._end()
            return job

    def _end(self) -> None:
        with self._changed:
            if self._thread is threading.current_thread():
                self._thread = None
                self._changed.notify_all()


@atexit.register
def _end_all() -> None:
    """A thread that is within torch when the interpreter ends takes the process down with a complaint."""
    workers = list(Worker._alive)
    for worker in workers:
        worker.drop()
    for worker in workers:
        worker.wait(END)


def _run_until_dropped(job: Job, dropped: threading.Event) -> None:
    def check() -> None:
        if dropped.is_set():
            raise Superseded

    try:
        job(check)
    except Superseded:
        return
