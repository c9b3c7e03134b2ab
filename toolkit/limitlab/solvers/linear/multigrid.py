"""Geometric multigrid for stencils: smooth what is rough, and leave what is smooth to a coarser grid.

Nodes: linear transfers and Galerkin's coarse operator R A P, a stencil of 3^d points that holds jumps and masks. Cells:
linear transfers and half of the product with piecewise constants, the scheme on cells twice as wide (Galerkin's would
look two cells far). One cycle from zero is a symmetric preconditioner if it smooths as often after as
before. Sources: Trottenberg, Oosterlee & Schüller, Multigrid (2001); Braess (1995) for the half.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.solvers.linear.preconditioners import Chebyshev, Jacobi
from limitlab.solvers.linear.stencil import Offset, Stencil, probed
from limitlab.solvers.linear.transfers import Kind, Transfer, transfer

Cycle = Literal["V", "W", "F"]
Smoother = Literal["jacobi", "red_black", "chebyshev"]
Apply = Callable[[Tensor], Tensor]
COARSEST = 5
"""Points of an axis below which a grid is not made coarser."""
MOST_DENSE = 4096
DAMPING = {1: 2 / 3, 2: 0.8, 3: 6 / 7}
"""Of Jacobi's smoothing, by dimension: what damps the rough half of the spectrum most."""


@dataclass(frozen=True, eq=False)
class Level:
    """A grid of the hierarchy: its operator, how it is smoothed, the way to the next coarser one."""

    operator: Stencil
    before: tuple[Apply, ...]
    after: tuple[Apply, ...]
    down: Transfer


class Multigrid:
    """r -> one cycle for A x = r from x = 0, for (batch, *grid); also the smoother of `stationary`.

    smoothing: steps before and after. smoother: a name, or a function that makes one (a network, say) from an operator.
    symmetric: whether colours come in reverse order afterwards, which a preconditioner needs; in the same order a cycle
    by itself converges faster. coarse: makes the operator of a shape, with its own spacing, in place of Galerkin's.
    precision: of the cycle; left out, the operator's. As a preconditioner of a solve in float64 a cycle in float32
    serves as well, with half of the memory; by itself it ends at its rounding.
    `levels` are the grids. Raises InvalidArgument for shapes that cannot be halved far enough.

    >>> A = ll.solvers.linear.diffusion((63, 63))
    >>> multigrid = ll.solvers.linear.Multigrid(A)
    >>> [level.operator.shape[0] for level in multigrid.levels]
    [63, 31, 15, 7]
    """

    def __init__(
        self,
        operator: Stencil,
        *,
        cycle: Cycle = "V",
        smoothing: tuple[int, int] = (1, 1),
        smoother: Smoother | Callable[[Stencil], Apply] = "jacobi",
        damping: float | None = None,
        symmetric: bool = True,
        coarse: Callable[[tuple[int, ...]], Stencil] | None = None,
        precision: torch.dtype | None = None,
    ) -> None:
        began = time.perf_counter()
        self.cycle = one_of("cycle", cycle, get_args(Cycle))
        self.smoothing = tuple(int(check_number("smoothing", s, low=0, high=100, integer=True)) for s in smoothing)
        if len(self.smoothing) != 2 or not sum(self.smoothing):
            raise InvalidArgument(f"smoothing must be (steps before, steps after), not both zero; got {smoothing}")
        make = _smoothers(smoother, damping)
        levels: list[Level] = []
        self.precision = operator.diagonal.dtype if precision is None else precision
        if not self.precision.is_floating_point:
            raise InvalidArgument(f"precision must be a floating-point dtype; got {precision}")
        current = operator.to(self.precision)
        with torch.no_grad():
            while (kinds := _kinds(current, len(levels))) is not None:
                down = transfer(current.shape, kinds)
                steps = make(current)
                levels.append(Level(current, steps, tuple(reversed(steps)) if symmetric else steps, down))
                current = coarse(down.coarse) if coarse is not None else _coarsened(current, down, kinds)
            self.levels = tuple(levels)
            self._inverse = _inverse(current)
        self._coarsest = current
        self.work = self._price(0, self.cycle)
        self.setup_seconds = time.perf_counter() - began

    def __call__(self, r: Float[Tensor, "batch *grid"]) -> Float[Tensor, "batch *grid"]:
        if r.dtype == self.precision:
            return self._visit(r, 0, self.cycle)
        # a residual that is small beside the right-hand side may be below what a shorter dtype holds
        size = r.detach().abs().flatten(1).amax(1).clamp_min(torch.finfo(r.dtype).tiny)
        size = size.reshape([-1] + [1] * (r.dim() - 1))
        return self._visit((r / size).to(self.precision), 0, self.cycle).to(r.dtype) * size

    def full(self, b: Float[Tensor, "batch *grid"]) -> Float[Tensor, "batch *grid"]:
        """Full multigrid: the solution of each grid begins with that of the coarser one, then one cycle.

        >>> A = ll.solvers.linear.diffusion((63, 63))
        >>> b = torch.ones(1, 63, 63, dtype=torch.float64)
        >>> x, exact = ll.solvers.linear.Multigrid(A).full(b), ll.solvers.linear.solve_box(b)
        >>> bool((x - exact).norm() < 1e-3 * exact.norm())
        True
        """
        loads = [b.to(self.precision)]
        for level in self.levels:
            loads.append(level.down.restricted(_live(level.operator, loads[-1])))
        x = self._exact(loads[-1])
        for depth in reversed(range(len(self.levels))):
            operator = self.levels[depth].operator
            x = _live(operator, self.levels[depth].down.prolonged(x))
            x = x + self._visit(loads[depth] - operator(x), depth, self.cycle)
        return x.to(b.dtype)

    def _visit(self, b: Tensor, depth: int, kind: str) -> Tensor:
        if depth == len(self.levels):
            return self._exact(b)
        level = self.levels[depth]
        x = torch.zeros_like(b)
        first = True
        for _ in range(self.smoothing[0]):
            for step in level.before:
                x = step(b) if first else x + step(b - level.operator(x))
                first = False
        for again in _visits(kind):
            rest = b if first else b - level.operator(x)
            first = False
            below = self._visit(level.down.restricted(_live(level.operator, rest)), depth + 1, again)
            x = x + _live(level.operator, level.down.prolonged(below))
        for _ in range(self.smoothing[1]):
            for step in level.after:
                x = x + step(b - level.operator(x))
        return x

    def _exact(self, b: Tensor) -> Tensor:
        inverse = self._inverse.expand(len(b), *self._inverse.shape[1:])
        return torch.einsum("bij,bj->bi", inverse, b.flatten(1)).reshape(b.shape)

    def _price(self, depth: int, kind: str) -> float:
        """Products with the finest operator that a visit is worth."""
        if depth == len(self.levels):
            return 0.0
        level, points = self.levels[depth], math.prod(self.levels[0].operator.shape)
        # a stencil of 3^d points costs more than one along the axes
        share = math.prod(level.operator.shape) / points * len(level.operator.coefficients)
        share /= len(self.levels[0].operator.coefficients)
        steps = sum(self.smoothing) * len(level.before) * 1.2 + len(_visits(kind))
        return share * steps + sum(self._price(depth + 1, again) for again in _visits(kind))


def _visits(kind: str) -> tuple[str, ...]:
    """The cycles that a cycle makes on the next coarser grid."""
    return {"V": ("V",), "W": ("W", "W"), "F": ("F", "V")}[kind]


def _live(operator: Stencil, u: Tensor) -> Tensor:
    return u if operator.solid is None else u.masked_fill(operator.solid, 0.0)


def _smoothers(
    smoother: str | Callable[[Stencil], Apply], damping: float | None
) -> Callable[[Stencil], tuple[Apply, ...]]:
    """What makes the steps of one smoothing: r -> correction, each with a residual of its own."""
    if callable(smoother):
        return lambda operator: (smoother(operator),)
    name = one_of("smoother", smoother, get_args(Smoother))
    if damping is not None:
        check_number("damping", damping, low=1e-6, high=2.0)
    if name == "jacobi":
        return lambda operator: (
            Jacobi(operator, DAMPING.get(operator.dimension, 0.8) if damping is None else damping),
        )
    if name == "chebyshev":
        return lambda operator: (Chebyshev(operator, 2),)
    return lambda operator: tuple(_Coloured(operator, damping or 1.0, colour) for colour in (0, 1))


class _Coloured:
    """Jacobi's step on the points whose indices have an even, or an odd, sum."""

    def __init__(self, operator: Stencil, damping: float, colour: int) -> None:
        total = torch.zeros((), dtype=torch.long, device=operator.diagonal.device)
        for n in operator.shape:
            total = total.unsqueeze(-1) + torch.arange(n, device=total.device)
        self._jacobi, self._mask = Jacobi(operator, damping), total % 2 == colour

    def __call__(self, r: Tensor) -> Tensor:
        return self._jacobi(r) * self._mask.to(r.dtype)


def _kinds(operator: Stencil, halvings: int) -> tuple[Kind, ...] | None:
    """How each axis is made coarser, or None where the grid is coarse enough, or cannot be halved."""
    nodes = all(pair in (("dirichlet", "dirichlet"), ("periodic", "periodic")) for pair in operator.boundary)
    cells = all("dirichlet" not in pair for pair in operator.boundary)
    kinds: tuple[Kind, ...] = operator.boundary
    if nodes:
        kinds = tuple("ring" if pair[0] == "periodic" else "nodes" for pair in operator.boundary)
    # three points are needed where neighbours to both sides are the same through the ends
    halved = (nodes or cells) and all(
        n >= 3 if kind == "nodes" else n >= 6 and n % 2 == 0 for n, kind in zip(operator.shape, kinds, strict=True)
    )
    if max(operator.shape) > COARSEST and halved:
        return kinds
    if math.prod(operator.shape) > MOST_DENSE:
        raise InvalidArgument(
            f"operator has the shape {operator.shape} after {halvings} halvings, which cannot be halved: periodic axes "
            "and axes of cells need even numbers, and 'dirichlet' axes none of cells beside them"
        )
    return None


def _coarsened(operator: Stencil, down: Transfer, kinds: tuple[Kind, ...]) -> Stencil:
    """The operator on the next coarser grid, with the points solid there that no unknown is left of."""
    if isinstance(kinds[0], str):
        found = probed(
            lambda e: down.restricted(_live(operator, operator(_live(operator, down.prolonged(e))))),
            down.coarse,
            operator.periodic,
            operator.batch,
            operator.diagonal,
        )
    else:
        found = _of_blocks(operator)
    found = {offset: c for offset, c in found.items() if bool((c != 0).any()) or not any(offset)}
    diagonal = found[(0,) * operator.dimension]
    solid = (diagonal <= 1e3 * torch.finfo(diagonal.dtype).eps * diagonal.amax()).any(0)
    coarse = Stencil(found, operator.boundary, solid if bool(solid.any()) else None, operator.singular)
    if coarse.solid is not None:
        found[(0,) * operator.dimension] = torch.where(solid, 1.0, diagonal)
    return coarse


def _of_blocks(operator: Stencil) -> dict[Offset, Tensor]:
    """Half of Galerkin's operator of piecewise constants: what flows between the fine cells of two coarse ones.

    A row of a fine cell at the first (last) place of its block along an axis looks into the block before (after) it
    with the offset -1 (1) there, and into its own block with the others.
    """
    found: dict[Offset, Tensor] = {}
    live = operator.live.to(operator.diagonal.dtype)
    share = 0.5 ** (operator.dimension + 1)
    for offset, coefficient in operator.coefficients.items():
        # neither a solid cell's row nor a look at one
        seen = coefficient * live * live.roll([-o for o in offset], list(range(operator.dimension)))
        for places in itertools.product((0, 1), repeat=operator.dimension):
            alike: tuple[Any, ...] = (..., *(slice(place, None, 2) for place in places))
            part = seen[alike]
            block = tuple((place + o) // 2 for place, o in zip(places, offset, strict=True))
            found[block] = found[block] + share * part if block in found else share * part
    return {block: c.expand(operator.batch, *c.shape[-operator.dimension :]).contiguous() for block, c in found.items()}


def _inverse(operator: Stencil) -> Float[Tensor, "batch point point"]:
    """The inverse of the coarsest operator; where constants are its kernel, that on what has mean zero."""
    matrix = operator.dense()
    if not operator.singular:
        return torch.linalg.inv(matrix)
    values, vectors = torch.linalg.eigh(matrix)
    # the least eigenvalue is that of the constants
    weights = torch.cat([torch.zeros_like(values[:, :1]), 1 / values[:, 1:]], 1)
    return torch.einsum("bik,bk,bjk->bij", vectors, weights, vectors)
