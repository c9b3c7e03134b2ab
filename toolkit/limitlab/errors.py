"""Errors of the public boundary: each names the argument, what it got, and what it accepts."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from itertools import pairwise
from typing import TypeVar

Name = TypeVar("Name", bound=str)


class LimitlabError(Exception):
    """Root of every error that limitlab raises on purpose; the command line turns it into one line."""


class InvalidArgument(LimitlabError, ValueError):
    """An argument has the wrong type, shape or range: exit code 2 of the command line."""


class UnknownName(InvalidArgument):
    """A name is in none of our tables."""


def unknown_name(kind: str, name: object, known: Iterable[str]) -> UnknownName:
    """Error for a name that `known` does not hold, with the nearest valid one: "did you mean 'lorenz'?".

    >>> print(ll.errors.unknown_name("problem", "lorentz", ["lorenz", "burgers"]))
    unknown problem 'lorentz'; did you mean 'lorenz'? known: burgers, lorenz
    """
    known = sorted(known)
    # a hostile or mistaken argument must not fill the screen
    shown = repr(name) if len(repr(name)) <= 60 else repr(name)[:57] + "..."
    nearest = difflib.get_close_matches(str(name)[:60], known, n=1, cutoff=0.5)
    suggestion = f"did you mean {nearest[0]!r}? " if nearest else ""
    return UnknownName(f"unknown {kind} {shown}; {suggestion}known: {', '.join(known)}")


def one_of(kind: str, name: Name, known: Iterable[str]) -> Name:
    """The name, where `known` holds it; raises UnknownName, with the nearest valid one, where not.

    >>> ll.errors.one_of("gradient", "adjoint", ("direct", "adjoint"))
    'adjoint'
    """
    known = tuple(known)
    if not isinstance(name, str) or name not in known:
        raise unknown_name(kind, name, known)
    return name


def check_number(
    argument: str, value: object, *, low: float | None = None, high: float | None = None, integer: bool = False
) -> float:
    """The value as int or float when it is a finite number in [low, high]; raises InvalidArgument otherwise.

    >>> ll.errors.check_number("modes", 8, low=2, integer=True)
    8
    """
    kind = "a whole number" if integer else "a number"
    ends = [(sign, end) for sign, end in ((">=", low), ("<=", high)) if end is not None]
    shown = digits(*(end for _, end in ends), *([value] if isinstance(value, float) else []))
    bounds = [f"{sign} {text}" for (sign, _), text in zip(ends, shown, strict=False)]
    refused = InvalidArgument(f"{argument} must be {' '.join([kind, *bounds])}; got {value!r:.80}")
    # True is an int in Python
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refused
    if not math.isfinite(value) or (integer and value != int(value)):
        raise refused
    if (low is not None and value < low) or (high is not None and value > high):
        raise refused
    return int(value) if integer else float(value)


def digits(*numbers: float) -> list[str]:
    """The numbers as text, six digits each, or as many more as it takes to see by how much they differ.

    >>> ll.errors.digits(14.614643, 14.614642143249512, 0.5)
    ['14.614643', '14.6146421', '0.5']
    """
    ordered = sorted(number for number in set(numbers) if math.isfinite(number))
    gap = min((after - before for before, after in pairwise(ordered)), default=math.inf)
    # where six are not enough, no power of ten hides the digits that differ
    whole = len(f"{max(map(abs, ordered), default=0.0):.0f}")
    for count in (6, *range(min(max(7, whole), 17), 18)):
        shown = [f"{number:.{count}g}" for number in numbers]
        if all(abs(float(f"{number:.{count}g}") - number) < 0.06 * gap for number in ordered):
            break
    return shown
