"""Errors of the public boundary: each names the argument, what it got, and what it accepts."""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Iterable, Mapping
from contextlib import suppress
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
    """The value as Python's int or float when it is a finite number in [low, high]; raises InvalidArgument otherwise.

    Numbers of NumPy, and arrays and tensors without axes, count as numbers; truth values do not, nor does a tensor that
    asks for a gradient, which would be lost.

    >>> ll.errors.check_number("modes", 8.0, low=2, integer=True)
    8
    """
    number = _plain_number(value)
    flows = getattr(value, "requires_grad", False)
    # what is said of a bad number costs more than the checks
    if number is not None and not flows and (not integer or number == int(number)) and _within(number, low, high):
        with suppress(OverflowError):
            return int(number) if integer else float(number)
    kind = "a whole number" if integer else "a number"
    ends = [(sign, end) for sign, end in ((">=", low), ("<=", high)) if end is not None]
    shown = digits(*(end for _, end in ends), *([number] if isinstance(number, float) else []))
    accepted = " ".join([kind, *(f"{sign} {text}" for (sign, _), text in zip(ends, shown, strict=False))])
    if flows:
        raise InvalidArgument(f"{argument} must be {accepted}, through which no gradient flows; pass {argument}.item()")
    raise InvalidArgument(f"{argument} must be {accepted}; got {value!r:.80}")


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


def check_numbers(
    argument: str,
    values: object,
    count: int | None = None,
    *,
    low: float | None = None,
    high: float | None = None,
    integer: bool = False,
) -> tuple[float, ...]:
    """Numbers as `check_number` reads each, `count` of them where that is known, and then one number stands for all.

    >>> ll.errors.check_numbers("padding", 0.25, 2)
    (0.25, 0.25)
    """
    kind = "whole numbers" if integer else "numbers"
    accepted = f"be a list of {kind}" if count is None else f"hold {count} {kind}, or be one for all"
    refused = InvalidArgument(f"{argument} must {accepted}; got {values!r:.80}")
    alone = not isinstance(values, Iterable) or getattr(values, "ndim", 1) == 0
    if alone and count is not None:
        return (check_number(argument, values, low=low, high=high, integer=integer),) * count
    # the letters of a text are no numbers, and a mapping has no order that counts
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable) or getattr(values, "ndim", 1) != 1:
        raise refused
    entries = list(values)
    if count not in (None, len(entries)):
        raise refused
    return tuple(
        check_number(f"{argument}[{place}]", entry, low=low, high=high, integer=integer)
        for place, entry in enumerate(entries)
    )


def _within(number: float, low: float | None, high: float | None) -> bool:
    return (low is None or number >= low) and (high is None or number <= high)


def _plain_number(value: object) -> int | float | None:
    """The int or the finite float that the value is, None where it is neither."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        try:
            value = value.item()
        # of a tensor without values: inside torch.func.vmap, or on the device "meta"
        except RuntimeError:
            return None
    # True is an int in Python
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    if isinstance(value, numbers.Integral):
        return int(value)
    return float(value) if math.isfinite(value) else None
