"""Long work that somebody may want to end: its loops ask, and whoever started it in this thread answers.

A solver of a minute does not know who waits for it. Its loop calls `ask_to_go_on()` once a step, which does nothing,
unless the work was started under `interruptible(check)`: then `check()` may raise, and the exception ends the work.
Where it raises `TimeIsUp`, solvers of ordinary and stochastic equations end with what they have, as a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_check: ContextVar[Callable[[], object] | None] = ContextVar("check", default=None)


class TimeIsUp(Exception):
    """Raised by a check to end a solve where it is: times that were not reached hold NaN, and `failures` says so.

    >>> def check():
    ...     raise ll.interruption.TimeIsUp
    >>> with ll.interruption.interruptible(check):
    ...     solution = ll.solvers.solve_ode(lambda t, y: -y, torch.ones(1, 1), [0.0, 1.0], on_failure="mask")
    >>> solution.failures[0].kind
    'out of time'
    """


@contextmanager
def interruptible(check: Callable[[], object]) -> Iterator[None]:
    """Let the loops inside the block, in this thread, call `check`; what it raises ends them.

    >>> steps = iter(range(3))
    >>> with ll.interruption.interruptible(lambda: next(steps)):
    ...     ll.interruption.ask_to_go_on()
    >>> next(steps)
    1
    """
    token = _check.set(check)
    try:
        yield
    finally:
        _check.reset(token)


def ask_to_go_on() -> None:
    """Raise what the check of the surrounding `interruptible` raises; without one, do nothing."""
    check = _check.get()
    if check is not None:
        check()
