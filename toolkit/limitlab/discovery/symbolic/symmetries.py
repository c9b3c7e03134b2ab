"""What a black box betrays of its formula: whether variables part into a sum or a product, or count by a difference.

    f(x, z) - f(x, z0) - f(x0, z) + f(x0, z0) = 0          a sum g(x) + h(z)
    f(x, z) f(x0, z0) - f(x, z0) f(x0, z) = 0              a product g(x) h(z)
    f(x + a, z + a) = f(x, z)                              a function of x - z

Each is measured at random points, relative to the spread of f. Source: Udrescu and Tegmark, Science Advances 6 (2020).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from limitlab.errors import InvalidArgument, check_number

Function = Callable[[Float[np.ndarray, "point variable"]], Float[np.ndarray, " point"]]
Box = Sequence[tuple[float, float]]


def sum_defect(f: Function, box: Box, first: Sequence[int], *, points: int = 500, seed: int = 0) -> float:
    """How far f is from g(x) + h(z), relative to its spread; x are the variables `first`, z the others.

    Zero, up to rounding or to the error of a network, says that they part.

    >>> from limitlab.discovery.symbolic.symmetries import sum_defect
    >>> box = [(0, 1), (0, 1)]
    >>> sum_defect(lambda X: X[:, 0] ** 2 + X[:, 1], box, [0]) < 1e-12
    True
    >>> sum_defect(lambda X: X[:, 0] * X[:, 1], box, [0]) > 0.1
    True
    """
    both, only_x, only_z, neither = _corners(f, box, first, points, seed)
    return _relative(both - only_x - only_z + neither, both)


def product_defect(f: Function, box: Box, first: Sequence[int], *, points: int = 500, seed: int = 0) -> float:
    """How far f is from g(x) h(z), relative to its spread and size.

    >>> from limitlab.discovery.symbolic.symmetries import product_defect
    >>> product_defect(lambda X: X[:, 0] ** 2 * X[:, 1], [(1, 2), (1, 2)], [0]) < 1e-12
    True
    """
    both, only_x, only_z, neither = _corners(f, box, first, points, seed)
    size = float(np.sqrt(np.mean(both**2)))
    return _relative(both * neither - only_x * only_z, both) / size if size > 0 else 0.0


def shift_defect(
    f: Function, box: Box, i: int, j: int, *, opposite: bool = False, points: int = 500, seed: int = 0
) -> float:
    """How far f is from a function of x_i - x_j and the others (of x_i + x_j where `opposite`), relative to its spread.

    >>> import numpy as np
    >>> from limitlab.discovery.symbolic.symmetries import shift_defect
    >>> shift_defect(lambda X: np.sin(X[:, 0] - X[:, 1]), [(0, 1), (0, 1)], 0, 1) < 1e-12
    True
    """
    low, high = _read_box(box)
    for name, index in (("i", i), ("j", j)):
        check_number(name, index, low=0, high=len(low) - 1, integer=True)
    generator = np.random.default_rng(seed)
    X = generator.uniform(low, high, (points, len(low)))  # noqa: N806
    signs = np.array([1.0, -1.0 if opposite else 1.0])
    # the shift stays in the box: beyond it a network is a guess
    ends = np.sort(np.stack([(bound[[i, j]] - X[:, [i, j]]) * signs for bound in (low, high)]), axis=0)
    shift = generator.uniform(ends[0].max(1), ends[1].min(1))
    moved = X.copy()
    moved[:, [i, j]] += shift[:, None] * signs
    values = _values(f, X)
    return _relative(_values(f, moved) - values, values)


def _corners(f: Function, box: Box, first: Sequence[int], points: int, seed: int) -> list[np.ndarray]:
    """f at (x, z), (x, z0), (x0, z) and (x0, z0)."""
    low, high = _read_box(box)
    first = [int(check_number("first", index, low=0, high=len(low) - 1, integer=True)) for index in first]
    if not 0 < len(set(first)) < len(low):
        raise InvalidArgument(f"first must name some of the {len(low)} variables, not all; got {first}")
    X, X0 = np.random.default_rng(seed).uniform(low, high, (2, points, len(low)))  # noqa: N806
    is_x = np.isin(np.arange(len(low)), first)
    return [_values(f, corner) for corner in (X, np.where(is_x, X, X0), np.where(is_x, X0, X), X0)]


def _read_box(box: Box) -> tuple[np.ndarray, np.ndarray]:
    ends = np.asarray(box, dtype=float)
    if ends.ndim != 2 or ends.shape[1] != 2 or not (ends[:, 0] < ends[:, 1]).all():
        raise InvalidArgument(f"box must be pairs (low, high) with low < high; got {box!r:.80}")
    return ends[:, 0], ends[:, 1]


def _values(f: Function, X: np.ndarray) -> np.ndarray:  # noqa: N803
    values = np.asarray(f(X), dtype=float)
    if values.shape != (len(X),) or not np.isfinite(values).all():
        raise InvalidArgument(f"f must give {len(X)} finite numbers on the box; got the shape {values.shape}")
    return values


def _relative(defect: np.ndarray, values: np.ndarray) -> float:
    spread = float(values.std())
    return float(np.sqrt(np.mean(defect**2))) / spread if spread > 0 else 0.0
