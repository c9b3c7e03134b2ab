"""Solves in machine code, where no gradient is asked: what numba compiles at its first call, and keeps on the disk."""

from __future__ import annotations

from pathlib import Path

from limitlab.solvers.numba_cache import forget_stale

SHORTEST = 4


def is_transformed(points: int) -> bool:
    """Whether lines of so many points are transformed in machine code: powers of two.

    >>> from limitlab.solvers.pde.native import is_transformed
    >>> [points for points in range(100) if is_transformed(points)]
    [4, 8, 16, 32, 64]
    """
    return points >= SHORTEST and points & (points - 1) == 0


forget_stale(Path(__file__).parent)
