"""A matrix of expressions as a torch function of (t, y): the diffusion of noise whose channels move several states."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from torch import Tensor

from limitlab.problems.compiled.vector_field import Layout, SymbolicField, Values
from limitlab.solvers.native.listing import Listed

if TYPE_CHECKING:
    import sympy


class SymbolicMatrix:
    """matrix(t, y): y (..., state) to (..., row, column).

    listed, linearized: its entries and their derivatives as `SymbolicField` has them, row by row.
    """

    def __init__(self, rows: tuple[tuple[sympy.Expr, ...], ...], layout: Layout, values: Values) -> None:
        self._shape = len(rows), len(rows[0])
        self._entries = SymbolicField(tuple(entry for row in rows for entry in row), layout, values)

    def __call__(self, t: Tensor, y: Tensor) -> Tensor:
        return self._entries(t, y).unflatten(-1, self._shape)

    @cached_property
    def listed(self) -> Listed | None:
        return self._entries.listed

    @cached_property
    def linearized(self) -> Listed | None:
        return self._entries.linearized
