"""Work that follows a change, in a thread: nothing runs until it is asked for, then every change asks anew.

    idle -- begin --> working -- done, stop --> idle

`begin` also lets later changes begin by themselves, until `stop`. The newest question drops the one under way. What
goes wrong ends up in `error`, as text to be shown.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from traitlets import Bool, Enum, HasTraits, Int, Unicode
from traitlets import Float as FloatTrait

from limitlab.errors import LimitlabError
from limitlab_widgets.shared.latest import Check, Latest

PAUSE = 0.3


class Following(HasTraits):
    """A state with work in a thread: a subclass says in `_job` what is missing, and calls `_submit` after a change."""

    follow = Bool(False, help="whether work begins when a setting has changed")
    phase = Enum(("idle", "working"), "idle", help="what the thread does")
    activity = Unicode("", help="the same in words, with numbers")
    done = Int(0, help="parts of the work that are done")
    total = Int(0, help="of so many")
    seconds_left = FloatTrait(None, allow_none=True, help="estimate, None where there is nothing to estimate from")
    error = Unicode("", help="what went wrong last, for the reader; empty when all is well")

    def __init__(self) -> None:
        super().__init__()
        self._latest, self._lock = Latest(PAUSE), threading.RLock()

    def begin(self) -> None:
        """Do what is missing, now and after every change from now on."""
        self.follow = True
        self._submit()

    def stop(self) -> None:
        """Give up what is under way; nothing begins until `begin` is called again."""
        with self._lock:
            self._latest.drop()
            self.follow = False
            if self.phase == "working":
                self.phase, self.activity, self.seconds_left = "idle", "stopped", None

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the thread; whether it has ended."""
        return self._latest.wait(timeout)

    def close(self) -> None:
        """Tell nobody any more, and release the thread."""
        self.unobserve_all()
        self._latest.drop()
        self.wait(10)

    def _job(self) -> Callable[[Check], None]:
        """What is to be done with the settings as they are now; reads no trait when it runs."""
        raise NotImplementedError

    def _submit(self) -> None:
        job = self._job()
        with self._lock:
            self._latest.drop()
            self.error, self.seconds_left = "", None
            if self.follow:
                self.phase, self.activity = "working", "begins"
            self._latest.submit(partial(self._guarded, job))

    def _guarded(self, job: Callable[[Check], None], check: Check) -> None:
        message = ""
        try:
            job(check)
        except LimitlabError as error:
            message = str(error)
        except (RuntimeError, MemoryError) as error:
            message = f"{type(error).__name__}: {error}"
        with self._lock:
            check()
            self.phase, self.seconds_left = "idle", None
            if message:
                self.error, self.activity = message, "failed"

    def _show(self, check: Check, text: str, done: int, total: int, seconds_left: float | None = None) -> None:
        """Tell how far the job is; raises Superseded where there is a newer one."""
        with self._lock:
            check()
            self.activity, self.done, self.total, self.seconds_left = text, done, total, seconds_left
