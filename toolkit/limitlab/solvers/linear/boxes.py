"""Direct solves on boxes with constant coefficients: the sine, cosine and Fourier modes are the eigenvectors.

Along an axis of n points with spacing h, its own or that of all, the eigenvalues are (2 sin(theta/2)/h)^2 with

    "dirichlet"   theta = pi p/(n + 1),   p = 1..n       sin(theta (i + 1))        (DST-I)
    "wall"        theta = pi p/n,         p = 1..n       sin(theta (i + 1/2))      (DST-II)
    "neumann"     theta = pi p/n,         p = 0..n-1     cos(theta (i + 1/2))      (DCT-II)
    "periodic"    theta = 2 pi p/n,       p = 0..n-1     exp(i theta i)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import get_args

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number, check_numbers, one_of
from limitlab.solvers.linear.diffusion import Boundary
from limitlab.spaces.grid import Grid
from limitlab.spaces.transforms import (
    cosine_transform,
    inverse_cosine_transform,
    inverse_sine_transform,
    sine_transform,
)

FIRST = {"dirichlet": 1, "wall": 1, "neumann": 0, "periodic": 0}


def box_eigenvalues(
    shape: Sequence[int], boundary: Boundary = "dirichlet", *, spacing: float | Sequence[float] = 1.0
) -> Float[Tensor, "*grid"]:
    """Eigenvalues of `diffusion(shape, boundary)`, float64, (*modes), in the order of the modes along each axis.

    >>> values = ll.solvers.linear.box_eigenvalues((32, 32))
    >>> round(float(values.max() / values.min()), 1)
    440.7
    """
    boundary = one_of("boundary", boundary, get_args(Boundary))
    total = torch.zeros((), dtype=torch.float64)
    for n, h in zip(shape, check_numbers("spacing", spacing, len(shape), low=1e-300), strict=True):
        n = int(check_number("shape", n, low=1, integer=True))
        theta = _angles(n, boundary)
        total = total.unsqueeze(-1) + (2 * torch.sin(theta / 2) / h).square()
    return total


def solve_box(
    b: Float[Tensor, "batch *grid"], boundary: Boundary = "dirichlet", *, spacing: float | Sequence[float] = 1.0
) -> Float[Tensor, "batch *grid"]:
    """The solution of A u = b, A = diffusion(grid, boundary), to rounding, in O(n log n); differentiable.

    Where nothing can flow out, b and u lose their means. Raises InvalidArgument for another shape.

    >>> b = torch.ones(1, 3, dtype=torch.float64)
    >>> ll.solvers.linear.solve_box(b).round(decimals=9).tolist()
    [[1.5, 2.0, 1.5]]
    """
    boundary = one_of("boundary", boundary, get_args(Boundary))
    if not isinstance(b, Tensor) or b.dim() < 2 or not b.is_floating_point():
        raise InvalidArgument(f"b must be a floating-point tensor (batch, *grid); got {b!r:.80}")
    values = box_eigenvalues(b.shape[1:], boundary, spacing=spacing).to(b)
    forth, back = _transforms(b.shape[1:], boundary)
    held = values > 0
    modes = forth(b) * torch.where(held, 1 / torch.where(held, values, 1.0), 0.0)
    solution = back(modes)
    return solution.real if solution.is_complex() else solution


def _angles(n: int, boundary: str) -> Tensor:
    p = torch.arange(FIRST[boundary], n + FIRST[boundary], dtype=torch.float64)
    return {"dirichlet": math.pi / (n + 1), "periodic": 2 * math.pi / n}.get(boundary, math.pi / n) * p


def _transforms(shape: Sequence[int], boundary: str) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """From values to the coefficients of the modes along all axes, and back."""
    axes = tuple(range(-len(shape), 0))
    if boundary == "periodic":
        return partial(torch.fft.fftn, dim=axes), partial(torch.fft.ifftn, dim=axes)
    if boundary == "dirichlet":
        return _sines_of_nodes, _sines_of_nodes
    grid = Grid.uniform(tuple(shape), kind="cells")
    pair = (
        (sine_transform, inverse_sine_transform) if boundary == "wall" else (cosine_transform, inverse_cosine_transform)
    )
    return partial(pair[0], grid=grid), partial(pair[1], grid=grid)


def _sines_of_nodes(u: Tensor) -> Tensor:
    """The orthonormal sine transform of interior nodes along every axis, which is its own inverse."""
    for axis in range(1, u.dim()):
        n, zero = u.shape[axis], torch.zeros_like(u.narrow(axis, 0, 1))
        odd = torch.cat([zero, u, zero, -u.flip(axis)], axis)
        u = -torch.fft.rfft(odd, dim=axis).imag.narrow(axis, 1, n) / math.sqrt(2 * (n + 1))
    return u
