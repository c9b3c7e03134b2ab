"""Linear systems A x = b for a batch of small matrices, factorised once and solved for several right-hand sides.

Up to `MOST_INVERTED` unknowns the inverse is formed: its product with b is one call, where a pair of triangular solves
costs more to start than to do. Larger matrices keep their LU factors. Both pivot partially (LAPACK). A compiler gets,
up to `MOST_UNROLLED` unknowns, the elimination written out in elementwise operations, which it fuses with whatever
stands around it. No matrix sees another: a sample's x does not depend on its batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Bool, Float
from torch import Tensor

MOST_INVERTED = 8
MOST_UNROLLED = 6


class Factors(Protocol):
    """A factorised batch of matrices; `regular` (batch, 1) says which of them could be factorised."""

    @property
    def regular(self) -> Bool[Tensor, "batch 1"]: ...

    def solve(self, b: Float[Tensor, "batch n"]) -> Float[Tensor, "batch n"]:
        """x with A x = b; not to be used where A is singular."""
        ...


def factorized(matrix: Float[Tensor, "batch n n"]) -> Factors:
    """The factors of every matrix; a singular one spoils its own sample only."""
    size = matrix.shape[-1]
    if torch.compiler.is_compiling() and size <= MOST_UNROLLED:
        return _eliminated(matrix)
    if size <= MOST_INVERTED:
        inverse, info = torch.linalg.inv_ex(matrix)
        return Inverse((info == 0)[:, None], inverse)
    lower_upper, pivots, info = torch.linalg.lu_factor_ex(matrix)
    return LowerUpper((info == 0)[:, None], lower_upper, pivots)


@dataclass(frozen=True)
class Inverse:
    """A^-1 itself."""

    regular: Bool[Tensor, "batch 1"]
    inverse: Float[Tensor, "batch n n"]

    def solve(self, b: Float[Tensor, "batch n"]) -> Float[Tensor, "batch n"]:
        return torch.bmm(self.inverse, b[..., None])[..., 0]


@dataclass(frozen=True)
class LowerUpper:
    """LAPACK's factors and pivots."""

    regular: Bool[Tensor, "batch 1"]
    factors: Float[Tensor, "batch n n"]
    pivots: Tensor

    def solve(self, b: Float[Tensor, "batch n"]) -> Float[Tensor, "batch n"]:
        return torch.linalg.lu_solve(self.factors, self.pivots, b[..., None])[..., 0]


@dataclass(frozen=True)
class Elimination:
    """Gauss elimination as lists of (batch,) vectors.

    exchanges: for every column, which of the later rows took the pivot's place, one after the other. multipliers: of
    the pivot row in every later row. rows: of U, whose diagonal is kept inverted.
    """

    regular: Bool[Tensor, "batch 1"]
    exchanges: list[list[Tensor]]
    multipliers: list[list[Tensor]]
    rows: list[list[Tensor]]

    def solve(self, b: Float[Tensor, "batch n"]) -> Float[Tensor, "batch n"]:
        x = list(b.unbind(1))
        size = len(x)
        for column in range(size):
            for row, exchanged in enumerate(self.exchanges[column], start=column + 1):
                x[column], x[row] = _exchanged(exchanged, x[column], x[row])
            for row, multiplier in enumerate(self.multipliers[column], start=column + 1):
                x[row] = x[row] - multiplier * x[column]
        for row in reversed(range(size)):
            for column in range(row + 1, size):
                x[row] = x[row] - self.rows[row][column] * x[column]
            x[row] = x[row] * self.rows[row][row]
        return torch.stack(x, 1)


def _eliminated(matrix: Float[Tensor, "batch n n"]) -> Elimination:
    """Partial pivoting by exchanging the pivot's row with every later row that has a larger entry."""
    rows = [list(row.unbind(1)) for row in matrix.unbind(1)]
    size = len(rows)
    exchanges: list[list[Tensor]] = []
    multipliers: list[list[Tensor]] = []
    for column in range(size):
        taken = []
        for row in range(column + 1, size):
            taken.append(rows[row][column].abs() > rows[column][column].abs())
            for entry in range(column, size):
                pair = _exchanged(taken[-1], rows[column][entry], rows[row][entry])
                rows[column][entry], rows[row][entry] = pair
        exchanges.append(taken)
        inverse = 1.0 / rows[column][column]
        multipliers.append([rows[row][column] * inverse for row in range(column + 1, size)])
        for row, multiplier in enumerate(multipliers[-1], start=column + 1):
            for entry in range(column + 1, size):
                rows[row][entry] = rows[row][entry] - multiplier * rows[column][entry]
        rows[column][column] = inverse
    regular = torch.isfinite(rows[0][0])
    for place in range(1, size):
        regular = regular & torch.isfinite(rows[place][place])
    return Elimination(regular[:, None], exchanges, multipliers, rows)


def _exchanged(which: Tensor, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    return torch.where(which, other, one), torch.where(which, one, other)
