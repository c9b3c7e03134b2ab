"""Linear systems A x = b for a batch of small matrices, factorised once and solved for several right-hand sides.

Up to `MOST_INVERTED` unknowns the inverse is formed: its product with b is one call, where a pair of triangular solves
costs more to start than to do. Larger matrices keep their LU factors. Both pivot partially (LAPACK). A compiler gets,
up to `MOST_WRITTEN_OUT` unknowns, the elimination in elementwise operations, which it fuses with whatever stands around
it. No matrix sees another: a sample's x does not depend on its batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Bool, Float
from torch import Tensor

MOST_INVERTED = 8
MOST_WRITTEN_OUT = 4


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
    if torch.compiler.is_compiling() and size <= MOST_WRITTEN_OUT:
        return _eliminated(matrix)
    if size <= MOST_INVERTED:
        # the _ex forms neither raise, which would stop all samples for one, nor wait for a device
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
        if torch.compiler.is_compiling():
            # elementwise, so that it is fused; a product would be a call of its own
            return (self.inverse * b[:, None]).sum(-1)
        return torch.bmm(self.inverse, b[..., None])[..., 0]


@dataclass(frozen=True)
class LowerUpper:
    """LAPACK's factors and pivots."""

    regular: Bool[Tensor, "batch 1"]
    factors: Float[Tensor, "batch n n"]
    pivots: Tensor

    def solve(self, b: Float[Tensor, "batch n"]) -> Float[Tensor, "batch n"]:
        return torch.linalg.lu_solve(self.factors, self.pivots, b[..., None])[..., 0]


def _eliminated(matrix: Float[Tensor, "batch n n"]) -> Inverse:
    """Gauss & Jordan on (A, I), written out in (batch,) vectors.

    The pivot's row changes places with every later row that has a larger entry: partial pivoting.
    """
    size = matrix.shape[-1]
    zero, one = torch.zeros_like(matrix[:, 0, 0]), torch.ones_like(matrix[:, 0, 0])
    rows = [
        [*row.unbind(1), *(one if index == i else zero for i in range(size))]
        for index, row in enumerate(matrix.unbind(1))
    ]
    regular = torch.isfinite(one)
    for column in range(size):
        for row in range(column + 1, size):
            # every sample swaps rows of its own, so that the swap is a `where`, not an index
            larger = rows[row][column].abs() > rows[column][column].abs()
            for entry in range(column, 2 * size):
                above, below = rows[column][entry], rows[row][entry]
                rows[column][entry] = torch.where(larger, below, above)
                rows[row][entry] = torch.where(larger, above, below)
        scale = 1.0 / rows[column][column]
        regular = regular & torch.isfinite(scale)
        for entry in range(column + 1, 2 * size):
            rows[column][entry] = rows[column][entry] * scale
            for row in range(size):
                if row != column:
                    rows[row][entry] = rows[row][entry] - rows[row][column] * rows[column][entry]
    inverse = torch.stack([entry for row in rows for entry in row[size:]], 1).view(-1, size, size)
    return Inverse(regular[:, None], inverse)
