"""What a reader puts into the stub of an exercise, as what the exercise's check compares."""

from __future__ import annotations

from typing import Any


def number(answer: Any) -> float:
    """The answer as a number; not a number (nan) for what is none, which no comparison accepts.

    >>> ll.reports.number("0.5"), 0 < ll.reports.number("a half") < 1
    (0.5, False)
    """
    try:
        return float(answer)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return float("nan")
