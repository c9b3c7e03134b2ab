"""Points of a sweep, and what differs between them: the axes of a comparison, the metrics that it can show."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from limitlab.reports.parameters import Value
from limitlab.reports.publish import Scalar

SEED = "seed"


@dataclass(frozen=True)
class Point:
    """One run of a sweep: the swept parameters, and what came of them. `failure` is one line, or None.

    >>> point = ll.reports.Point({"modes": 8}, {"error": 0.1}, seconds=2.0)
    >>> point.results["error"], point.failure
    (0.1, None)
    """

    parameters: dict[str, Value]
    results: dict[str, Scalar] = field(default_factory=dict)
    page: Path | None = None
    seconds: float = 0.0
    failure: str | None = None


@dataclass(frozen=True)
class Differences:
    """What differs between points: names of parameters and of results; `same` has all that does not, with its value.

    axes: the swept values in order, numbers in theirs.
    """

    axes: Mapping[str, tuple[Value, ...]]
    metrics: tuple[str, ...]
    same: Mapping[str, Any]

    @property
    def along(self) -> str | None:
        """The axis of a figure's abscissa: numbers first, seeds last, for they are repetitions."""
        return min(self.axes, key=lambda name: (name == SEED, not all(map(is_number, self.axes[name]))), default=None)

    @property
    def others(self) -> tuple[str, ...]:
        """The axes of which each choice is a line of its own."""
        return tuple(name for name in self.axes if name not in (self.along, SEED))


def differences(points: Sequence[Point]) -> Differences:
    """Compare the points. A result is the same only where several runs have it."""
    parameters = {name: _distinct(point.parameters[name] for point in points) for name in points[0].parameters}
    axes = {name: _ordered(values) for name, values in parameters.items() if len(values) > 1}
    same: dict[str, Any] = {name: values[0] for name, values in parameters.items() if len(values) == 1}
    published = dict.fromkeys(name for point in points for name in point.results if name not in parameters)
    metrics = []
    for name in published:
        values = [point.results[name] for point in points if name in point.results]
        if len(values) > 1 and len(_distinct(values)) == 1:
            same[name] = values[0]
        else:
            metrics.append(name)
    return Differences(axes, tuple(metrics), same)


def is_number(value: object) -> bool:
    """Whether an axis can show the value."""
    # True is an int in Python
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def plain(value: object) -> str:
    """The value as a reader has it, numbers in five digits."""
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _distinct(values: Iterable[Any]) -> tuple[Any, ...]:
    # a list has no hash, and True is 1
    return tuple({(type(value).__name__, repr(value)): value for value in values}.values())


def _ordered(values: tuple[Value, ...]) -> tuple[Value, ...]:
    return tuple(sorted(values, key=float)) if all(map(is_number, values)) else values  # type: ignore[arg-type]
