"""A step of a method in the lanes: what it makes, and explicit Runge-Kutta stages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from llvmlite import ir

from limitlab.solvers.methods.explicit import ExplicitMethod
from limitlab.solvers.native.arithmetic import Lanes

Vectors = list[ir.Value]
Slope = Callable[[ir.Value, Vectors], Vectors]


class Position(NamedTuple):
    """Where a step starts, its size, and the slope there."""

    t: ir.Value
    h: ir.Value
    y: Vectors
    slope: Vectors


class Linear(NamedTuple):
    """df/dy, row by row, and df/dt."""

    jacobian: list[Vectors]
    in_time: Vectors


class Around(NamedTuple):
    """What a method asks for: the slope anywhere, its linearisation where the step starts if the method takes one, and
    atol and rtol of what iterations leave."""

    slope_at: Slope
    linear: Linear | None
    iteration: tuple[ir.Value, ir.Value]


class Attempted(NamedTuple):
    """What a method makes of a step: the end, its slope, local errors, and increments of the continuous extension.

    stiff_pair: differences of slopes and of states, whose norms' quotient estimates the stiffness. solved: the lanes
    whose equations could be solved. calls: of the field, where they differ from lane to lane.
    """

    end: Vectors
    slope: Vectors
    errors: tuple[Vectors, ...]
    increments: tuple[Vectors, ...]
    stiff_pair: tuple[Vectors, Vectors] | None = None
    solved: ir.Value | None = None
    calls: ir.Value | None = None


def explicit(method: ExplicitMethod, lanes: Lanes, around: Around, step: Position) -> Attempted:
    """The stages of a tableau."""
    table, slope_at, (t, h, y, slope) = method.tableau, around.slope_at, step
    slopes, increments, at = [slope], [times(lanes, h, slope)], y
    for node, row in zip(table.c[1:], table.a, strict=True):
        at = moved(lanes, y, row, increments)
        slopes.append(slope_at(lanes.add(t, lanes.scaled(h, node)), at))
        increments.append(times(lanes, h, slopes[-1]))
    end = moved(lanes, y, table.b, increments)
    slopes.append(slope_at(lanes.add(t, h), end))
    increments.append(times(lanes, h, slopes[-1]))
    rows = [row for row in (table.error, table.second_error) if row]
    errors = tuple(moved(lanes, [None] * len(y), row, increments) for row in rows)
    pair = None
    if table.stages > 1 and table.c[-1] == 1.0:
        pair = differences(lanes, slopes[-1], slopes[-2]), differences(lanes, end, at)
    return Attempted(end, slopes[-1], errors, tuple(increments), pair)


def moved(
    lanes: Lanes, start: Sequence[ir.Value | None], row: Sequence[float], increments: Sequence[Vectors]
) -> Vectors:
    """start + sum_j row_j increments_j."""
    return [lanes.combined(first, row, parts) for first, *parts in zip(start, *increments[: len(row)], strict=True)]


def times(lanes: Lanes, h: ir.Value, vectors: Vectors) -> Vectors:
    """h times each of the vectors."""
    return [lanes.multiply(h, vector) for vector in vectors]


def differences(lanes: Lanes, these: Vectors, those: Vectors) -> Vectors:
    """these - those."""
    return [lanes.builder.fsub(a, b) for a, b in zip(these, those, strict=True)]
