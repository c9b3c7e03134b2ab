"""Drift and diffusion in the lanes, and what schemes do with them: `limitlab.solvers.sde.fields` as instructions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from llvmlite import ir

from limitlab.solvers.native.field import Rows, values_of
from limitlab.solvers.native.stages import Vectors
from limitlab.solvers.sde.native.choice import Recipe

Matrix = list[Vectors]


class Interval(NamedTuple):
    """A step from t to `after` of size h, with its increments and areas, a vector for every channel."""

    t: ir.Value
    after: ir.Value
    h: ir.Value
    w: Vectors
    area: Vectors


class LaneFields:
    """f and g of a recipe. g has a row for every component, of one entry where it multiplies increments elementwise."""

    def __init__(self, recipe: Recipe, rows: Rows) -> None:
        self.lanes, self.noise, self.is_ito = rows.lanes, recipe.noise, recipe.calculus == "ito"
        self._size, self._columns = recipe.components, recipe.columns
        self.drift = values_of(recipe.parts, rows, "drift")
        self._entries = values_of(recipe.parts, rows, "diffusion")
        self._derivatives = None if recipe.derivatives is None else values_of(recipe.parts, rows, "derivatives")

    def diffusion(self, t: ir.Value, y: Vectors) -> Matrix:
        """g, row by row."""
        return _cut(self._entries(t, y), self._columns)

    def jacobians(self, t: ir.Value, y: Vectors) -> list[Matrix]:
        """The derivatives of g in the states, for every component and column."""
        assert self._derivatives is not None
        entries = self._derivatives(t, y)[: self._size * self._columns * self._size]
        return [_cut(part, self._size) for part in _cut(entries, self._columns * self._size)]

    def kicked(self, y: Vectors, g: Matrix, w: Vectors, scale: float = 1.0) -> Vectors:
        """y + scale g w."""
        return [self.lanes.combined(start, [scale], [part]) for start, part in zip(y, self.product(g, w), strict=True)]

    def product(self, g: Matrix, w: Vectors) -> Vectors:
        """g w."""
        if self._columns > 1 or len(w) == 1:
            return [self.summed(row, w) for row in g]
        return [self.summed(row, [part]) for row, part in zip(g, w, strict=True)]

    def drifted(self, y: Vectors, h: ir.Value, f: Vectors, scale: float = 1.0) -> Vectors:
        """y + scale h f."""
        size = self.lanes.scaled(h, scale)
        return [self.lanes.add(start, self.lanes.multiply(size, slope)) for start, slope in zip(y, f, strict=True)]

    def summed(self, factors: Sequence[ir.Value], vectors: Sequence[ir.Value]) -> ir.Value:
        """sum_j factors_j vectors_j, factors that are the number zero left out."""
        total: ir.Value | None = None
        for factor, vector in zip(factors, vectors, strict=True):
            if self.lanes.literal(factor) != 0.0:
                term = self.lanes.multiply(factor, vector)
                total = term if total is None else self.lanes.add(total, term)
        return self.lanes.number(0.0) if total is None else total

    def plus(self, these: Matrix, those: Matrix) -> Matrix:
        """The sum of two matrices."""
        return [[self.lanes.add(a, b) for a, b in zip(*rows, strict=True)] for rows in zip(these, those, strict=True)]

    def minus(self, these: Matrix, those: Matrix) -> Matrix:
        """The difference of two matrices."""
        return [
            [self.lanes.subtract(a, b) for a, b in zip(*rows, strict=True)] for rows in zip(these, those, strict=True)
        ]


def _cut(entries: Vectors, width: int) -> Matrix:
    return [entries[first : first + width] for first in range(0, len(entries), width)]
