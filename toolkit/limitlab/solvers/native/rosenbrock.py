"""Rosenbrock methods in the lanes: the formulas of `limitlab.solvers.methods.rosenbrock`, by a Jacobian of formulas.

The matrix of each lane is eliminated with partial pivoting; its rows change places by selection, since every lane has
pivots of its own.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from llvmlite import ir

from limitlab.solvers.methods.rosenbrock import Rosenbrock
from limitlab.solvers.native.arithmetic import EVERYWHERE, Lanes
from limitlab.solvers.native.stages import Around, Attempted, Position, Vectors, moved, times


class Factors(NamedTuple):
    """L and U of each lane, in one matrix, and the inverses of the pivots.

    larger: where rows changed places, by column and row. regular: which lanes have no pivot of zero.
    """

    rows: list[Vectors]
    larger: dict[tuple[int, int], ir.Value]
    inverses: Vectors
    regular: ir.Value


def rosenbrock(method: Rosenbrock, lanes: Lanes, around: Around, step: Position) -> Attempted:
    """The stages of a table."""
    table, slope_at, linear, (t, h, y, slope) = method.table, around.slope_at, around.linear, step
    assert linear is not None
    factors = factorized(lanes, shifted(lanes, linear.jacobian, h, 1.0 / table.gamma))
    bend = times(lanes, lanes.square(h), linear.in_time)
    stages: list[Vectors] = []
    for stage in range(table.stages):
        right = times(lanes, h, slope)
        if stage:
            at = moved(lanes, y, table.a[stage - 1], stages)
            slope = slope_at(lanes.add(t, lanes.scaled(h, table.c[stage])), at)
            right = moved(lanes, times(lanes, h, slope), table.m[stage - 1], stages)
        stages.append(solved(lanes, factors, moved(lanes, right, [table.d[stage]], [bend])))
    end = moved(lanes, y, table.b, stages)
    error = moved(lanes, [None] * len(y), table.error, stages)
    if not table.ends_at_last_stage:
        slope = slope_at(lanes.add(t, h), end)
    return Attempted(end, slope, (error,), tuple(stages), stiff_pair(lanes, linear.jacobian), factors.regular)


def factorized(lanes: Lanes, matrix: list[Vectors]) -> Factors:
    """Gaussian elimination; of two rows, the one with the larger entry becomes the pivot's."""
    size, rows = len(matrix), [list(row) for row in matrix]
    larger: dict[tuple[int, int], ir.Value] = {}
    inverses: Vectors = []
    regular: ir.Value = EVERYWHERE
    for column in range(size):
        for row in range(column + 1, size):
            swap = lanes.is_less(lanes.absolute(rows[column][column]), lanes.absolute(rows[row][column]))
            larger[column, row] = swap
            pairs = [_swapped(lanes, swap, *pair) for pair in zip(rows[column], rows[row], strict=True)]
            rows[column], rows[row] = ([pair[part] for pair in pairs] for part in (0, 1))
        inverses.append(lanes.divide(lanes.number(1.0), rows[column][column]))
        # a pivot that is no number is none that is zero
        found = lanes.builder.fcmp_unordered("!=", lanes.absolute(inverses[-1]), lanes.number(math.inf))
        regular = lanes.builder.and_(regular, found)
        for row in range(column + 1, size):
            factor = lanes.multiply(rows[row][column], inverses[-1])
            rows[row][column] = factor
            for entry in range(column + 1, size):
                rows[row][entry] = lanes.subtract(rows[row][entry], lanes.multiply(factor, rows[column][entry]))
    return Factors(rows, larger, inverses, regular)


def solved(lanes: Lanes, factors: Factors, right: Vectors) -> Vectors:
    """x with A x = right."""
    x, size = list(right), len(right)
    for (column, row), swap in factors.larger.items():
        x[column], x[row] = _swapped(lanes, swap, x[column], x[row])
    for column in range(size):
        for row in range(column + 1, size):
            x[row] = lanes.subtract(x[row], lanes.multiply(factors.rows[row][column], x[column]))
    for row in reversed(range(size)):
        for column in range(row + 1, size):
            x[row] = lanes.subtract(x[row], lanes.multiply(factors.rows[row][column], x[column]))
        x[row] = lanes.multiply(x[row], factors.inverses[row])
    return x


def _swapped(lanes: Lanes, swap: ir.Value, above: ir.Value, below: ir.Value) -> tuple[ir.Value, ir.Value]:
    return lanes.select(swap, below, above), lanes.select(swap, above, below)


def shifted(lanes: Lanes, jacobian: list[Vectors], h: ir.Value, diagonal: float) -> list[Vectors]:
    """diagonal I - h J."""
    matrix = [[lanes.negate(lanes.multiply(h, entry)) for entry in row] for row in jacobian]
    for index, row in enumerate(matrix):
        row[index] = lanes.add(row[index], lanes.number(diagonal))
    return matrix


def stiff_pair(lanes: Lanes, jacobian: list[Vectors]) -> tuple[Vectors, Vectors]:
    """Two steps of the power method from a fixed start, as in `limitlab.solvers.methods.jacobians.stiff_vectors`."""
    start = [math.cos((index + 1.0) ** 2) for index in range(len(jacobian))]
    state = [lanes.combined(None, start, row) for row in jacobian]
    top = []
    for row in jacobian:
        total = lanes.multiply(row[0], state[0])
        for entry, value in zip(row[1:], state[1:], strict=True):
            total = lanes.add(total, lanes.multiply(entry, value))
        top.append(total)
    return top, state
