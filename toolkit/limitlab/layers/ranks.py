"""Ranks of tensor formats: from a number, one for each axis, or the part of a dense tensor's numbers that they leave.

Factors of an order-N tensor with dims I_1 .. I_N hold
    CP, rank r                     r (1 + sum I_n)
    Tucker, ranks r_1 .. r_N       prod r_n + sum I_n r_n
    tensor train, s_1 .. s_{N-1}   sum s_{n-1} I_n s_n,   s_0 = s_N = 1
numbers. A part rho in (0, 1] of prod I_n is met by ranks that grow together: Tucker's in proportion to I_n, a train's
all alike up to the largest that its unfoldings can have. Ranks are whole, so what is achieved differs from what was
asked, and is what `held` counts.
Source: Kossaifi et al., Multi-Grid Tensorized Fourier Neural Operator (2023), Section 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from numbers import Integral

from limitlab.errors import InvalidArgument, check_number, check_numbers

Rank = float | Sequence[int]
"""A whole number, one for each rank of the format, or a part of the dense numbers in (0, 1] as a float."""
Shapes = list[tuple[int, ...]]


def cp_shapes(shape: Sequence[int], ranks: Sequence[int]) -> Shapes:
    """Weights (r,), and a factor (I_n, r) for each axis."""
    (rank,) = ranks
    return [(rank,), *((n, rank) for n in shape)]


def tucker_shapes(shape: Sequence[int], ranks: Sequence[int]) -> Shapes:
    """A core (r_1, .., r_N), and a factor (I_n, r_n) for each axis."""
    return [tuple(ranks), *zip(shape, ranks, strict=True)]


def train_shapes(shape: Sequence[int], ranks: Sequence[int]) -> Shapes:
    """A core (s_{n-1}, I_n, s_n) for each axis."""
    return [(before, n, after) for n, (before, after) in zip(shape, pairwise((1, *ranks, 1)), strict=True)]


def cp_rank(shape: Sequence[int], rank: Rank) -> tuple[int, ...]:
    """One rank. Raises InvalidArgument.

    >>> from limitlab.layers.ranks import cp_rank
    >>> cp_rank((32, 32, 16, 9), 0.1)
    (164,)
    """
    most = max(1.0, math.prod(shape) / (1 + sum(shape)))
    return _ranks(shape, rank, 1, cp_shapes, lambda c: (max(1, round(c * most)),))


def tucker_ranks(shape: Sequence[int], rank: Rank) -> tuple[int, ...]:
    """A rank for each axis, at most its length. Raises InvalidArgument.

    >>> from limitlab.layers.ranks import tucker_ranks
    >>> tucker_ranks((32, 32, 16, 9), 0.1)
    (17, 17, 9, 5)
    """
    ranks = _ranks(shape, rank, len(shape), tucker_shapes, lambda c: tuple(max(1, round(c * n)) for n in shape))
    return tuple(min(r, n) for r, n in zip(ranks, shape, strict=True))


def train_ranks(shape: Sequence[int], rank: Rank) -> tuple[int, ...]:
    """A rank between each two axes, at most that of the unfolding there. Raises InvalidArgument.

    >>> from limitlab.layers.ranks import train_ranks
    >>> train_ranks((32, 32, 16, 9), 0.1)
    (17, 17, 9)
    """
    most = [min(math.prod(shape[:n]), math.prod(shape[n:])) for n in range(1, len(shape))]

    def at(c: float) -> tuple[int, ...]:
        return tuple(max(1, min(round(c * max(most, default=1)), bound)) for bound in most)

    ranks = _ranks(shape, rank, len(most), train_shapes, at)
    return tuple(min(s, bound) for s, bound in zip(ranks, most, strict=True))


def held(shapes: Shapes) -> int:
    """How many numbers factors of these shapes hold."""
    return sum(map(math.prod, shapes))


def _ranks(
    shape: Sequence[int],
    rank: Rank,
    count: int,
    shapes: Callable[[Sequence[int], Sequence[int]], Shapes],
    at: Callable[[float], tuple[int, ...]],
) -> tuple[int, ...]:
    """The ranks that `rank` means; at(c) are those at the size c in [0, 1], which grow with it."""
    if isinstance(rank, str) or (not isinstance(rank, Sequence) and getattr(rank, "ndim", 0) == 0):
        if isinstance(rank, Integral | str):
            return (int(check_number("rank", rank, low=1, integer=True)),) * count
        part = check_number("rank", rank, low=0.0, high=1.0)
        if part == 0:
            raise InvalidArgument("rank must be a whole number >= 1, or a part of the dense numbers in (0, 1]; got 0.0")
        return _fitting(part * math.prod(shape), lambda c: held(shapes(shape, at(c))), at)
    return tuple(map(int, check_numbers("rank", rank, count, low=1, integer=True)))


def _fitting(budget: float, held_at: Callable[[float], int], at: Callable[[float], tuple[int, ...]]) -> tuple[int, ...]:
    """The ranks whose count of numbers is nearest to the budget, by bisection of the size."""
    low, high = 0.0, 1.0
    # whole ranks are steps of the size: forty halvings tell any two apart
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if held_at(middle) <= budget else (low, middle)
    return at(min((low, high), key=lambda c: abs(math.log(held_at(c) / budget))))
