"""State of a studio: traits that decide numbers, one answer after any change of them, and work in a thread.

    class CircleState(StudioState):
        decides = ("radius", "points")
        radius, points = Float(1.0), Int(100)

        def answer(self):                               # after a change of a deciding trait, in its thread
            self.work(partial(self._solve, self.radius, self.points), patience=0.2)

        def _solve(self, radius, points, check):        # in the worker; reads no deciding trait, calls check() often
            solution = ...
            with self.lock:
                check()                                 # raises where a newer question was asked meanwhile
                self.solution = solution
            self.revision += 1                          # views redraw

A view observes the deciding traits to move its controls, `revision` (or what the subclass calls it) to redraw, `stale`
to mark figures that answer an older question, `phase`, `activity`, `error` and `warning` to say what goes on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar

from traitlets import Bool, Enum, HasTraits, Int, Unicode
from traitlets import Float as FloatTrait

from limitlab.errors import LimitlabError
from limitlab_widgets.shared.warned import collected, summary
from limitlab_widgets.shared.worker import Check, Job, Superseded, Worker

NAP = 0.02
HOPELESS = 4.0


class StudioState(HasTraits):
    """Deciding traits, one answer after any change of them, and work in a thread that the newest question replaces.

    A subclass names its deciding traits in `decides` and answers in `answer()`: what is quick at once, the rest through
    `work`. pause: seconds that a job waits for a successor before it starts. What the worker brings is set under `lock`
    after `check()`; deciding traits are never set by the worker. A value is refused by a `@validate` method that raises
    InvalidArgument: the trait then stays as it was.
    """

    decides: ClassVar[tuple[str, ...]] = ()

    phase = Enum(("idle", "working"), "idle", help="what the thread does")
    activity = Unicode("", help="the same in words, with numbers")
    done = Int(0, help="parts of the work that are done")
    total = Int(0, help="of so many")
    seconds_left = FloatTrait(None, allow_none=True, help="estimate, None where there is nothing to estimate from")
    stale = Bool(False, help="whether what can be looked at answers an older question than the traits ask")
    error = Unicode("", help="what went wrong last, for the reader; empty when all is well")
    warning = Unicode("", help="what the last work warned of, for the reader; empty when all is well")

    def __init__(self, *, pause: float = 0.0) -> None:
        super().__init__()
        self.lock = threading.RLock()
        self._worker = Worker(pause)
        self._quiet, self._closed = False, False
        self._ended = threading.Event()
        self._ended.set()
        self._began = self._took = 0.0
        # traitlets takes no names for all names
        if self.decides:
            self.observe(self._follow_change, list(self.decides))

    @property
    def changing(self) -> bool:
        """Whether several deciding traits are about to change, and an answer will come after them."""
        return self._quiet

    @contextmanager
    def together(self) -> Iterator[None]:
        """Several changes, one answer after the last; an exception puts every deciding trait back."""
        if self._quiet:
            yield
            return
        before = {name: getattr(self, name) for name in self.decides}
        with self._quietly():
            try:
                yield
            except BaseException:
                for name, value in before.items():
                    # by identity: an array compared with another has no one truth
                    if getattr(self, name) is not value:
                        setattr(self, name, value)
                raise
        self._ask()

    def answer(self) -> None:
        """Answer what the deciding traits ask now. May change deciding traits itself. Raises LimitlabError."""
        raise NotImplementedError

    def work(self, job: Job, *, patience: float = 0.0) -> None:
        """Run `job(check)` in the thread instead of what it does now; give it `patience` seconds before going on.

        Where the last answer took several times that, so will this one: nobody waits, and the kernel stays free.
        A job that takes longer makes the state stale and "working" until it has ended or called `answered`.
        """
        with self.lock:
            if self._closed:
                return
            # an event for each question: a wait for an older one must not end with the newer one
            self._ended, self._began = (ended := threading.Event()), time.monotonic()
            self.activity = ""
            self._worker.ask(partial(self._guarded, job))
        if ended.wait(patience if self._took < HOPELESS * patience else 0.0):
            return
        with self.lock:
            # another question may have come while this one waited
            if self._ended is ended and not ended.is_set():
                self.stale = True
                self.phase, self.activity, self.seconds_left = "working", self.activity or "begins", None

    def report(self, check: Check, text: str, done: int = 0, total: int = 0, seconds_left: float | None = None) -> None:
        """Tell how far a job is, from its thread; raises Superseded where there is a newer one."""
        with self.lock:
            check()
            self.activity, self.done, self.total, self.seconds_left = text, done, total, seconds_left

    def answered(self, check: Check) -> None:
        """Say from a job that its answer can be looked at: what it does afterwards makes nothing stale."""
        with self.lock:
            check()
            self._end()
            self.phase, self.activity, self.seconds_left, self.stale = "idle", "", None, False

    def rest(self, check: Check, seconds: float) -> None:
        """Let a job wait, from its thread; raises Superseded as soon as there is a newer one."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            check()
            time.sleep(NAP)

    def settle(self) -> None:
        """Drop the work under way: what can be looked at answers the traits as they are."""
        with self.lock:
            self._drop()
            self.phase, self.activity, self.seconds_left, self.stale = "idle", "", None, False
            self.warning = ""

    def stop(self) -> None:
        """Give up what is under way; figures stay as they are, and stale."""
        with self.lock:
            working = not self._ended.is_set()
            self._drop()
            if working:
                self.phase, self.activity, self.seconds_left, self.stale = "idle", "stopped", None, True

    def refuse(self, error: Exception) -> None:
        """Show the reader why a value was not taken."""
        self.error = str(error)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the thread; whether it has nothing left to do."""
        return self._worker.wait(timeout)

    def close(self) -> None:
        """Tell nobody any more, and release the thread."""
        # first, so that what the worker still sets reaches no closed widget
        self.unobserve_all()
        with self.lock:
            self._closed = True
            self._drop()
        self.wait(10)

    def _follow_change(self, _change: dict[str, Any]) -> None:
        if not self._quiet:
            self._ask()

    def _ask(self) -> None:
        self.error = ""
        with self._quietly():
            try:
                self.answer()
            except LimitlabError as error:
                self.refuse(error)

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        self._quiet = True
        try:
            yield
        finally:
            self._quiet = False

    def _end(self) -> None:
        """The answer is there; how long it took says how long the next one may take."""
        if not self._ended.is_set():
            self._took = time.monotonic() - self._began
            self._ended.set()

    def _drop(self) -> None:
        self._ended.set()
        self._worker.drop()

    def _guarded(self, job: Job, check: Check) -> None:
        message = ""
        with collected() as heard:
            try:
                job(check)
            except Superseded:
                raise
            except LimitlabError as error:
                message = str(error)
            except Exception as error:
                message = f"{type(error).__name__}: {error}"
        with self.lock:
            check()
            self.warning = summary(heard)
            # after `answered`, the end of the job makes nothing stale
            late = self._ended.is_set()
            self._end()
            self.phase, self.seconds_left = "idle", None
            if not late:
                self.stale = bool(message)
            if message:
                self.error, self.activity = message, "failed"
