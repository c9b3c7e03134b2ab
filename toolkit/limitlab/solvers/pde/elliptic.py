"""Elliptic equations on boxes: Darcy flow by finite volumes, the Poisson equation by fast transforms.

Darcy flow  -div(a grad u) = f  with u = 0 on the walls, on cells of width h. The flux from one cell into the next is

    a_f (u_left - u_right)/h,      a_f = 2 a_left a_right/(a_left + a_right)      (harmonic mean),
    2 a (u - 0)/h                  through a wall, half a cell away from the centre,

and A(a) u is the sum of the fluxes out of a cell, divided by h. The scheme has order two where a is smooth and about
one across jumps of a. A(a) is symmetric, positive definite and an M-matrix, so 0 <= f gives 0 <= u.

Up to 128 x 128 cells the system is solved by banded Cholesky factorisation (LAPACK pbtrf). Its n^4 operations run in
dense blocks, so at 64 x 64 it takes a third of the time of the fastest ordering of a sparse LU. Above, conjugate
gradients are preconditioned by the constant-coefficient operator, which the sine transform inverts: the number of
iterations grows with the root of the contrast max a/min a and does not depend on the resolution (Concus & Golub
1973).
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, LimitlabError, one_of
from limitlab.interruption import ask_to_go_on
from limitlab.numbers import tensor_of
from limitlab.solvers.linear.boxes import solve_box
from limitlab.solvers.linear.diffusion import diffusion, face_conductances
from limitlab.solvers.linear.krylov import conjugate_gradients
from limitlab.spaces.grid import Grid
from limitlab.spaces.transforms import (
    cosine_transform,
    fourier,
    inverse_cosine_transform,
    inverse_fourier,
    inverse_sine_transform,
    sine_transform,
    wavenumbers,
)

DarcyMethod = Literal["auto", "cholesky", "conjugate_gradients"]
PoissonBoundary = Literal["periodic", "dirichlet", "neumann"]

_LARGEST_FACTORED = 128 * 128
_TOLERANCE = 1e-11  # of the residual: far below the scheme's own error
_MOST_ITERATIONS = 5000


def darcy_operator(u: Float[Tensor, "*grid"], a: Float[Tensor, "*grid"], grid: Grid) -> Float[Tensor, "*grid"]:
    """A(a) u, the finite-volume form of -div(a grad u) with u = 0 on the walls; differentiable in u and a.

    Any dimension, on cells; leading dimensions of u and a broadcast. Raises InvalidArgument on other grids or shapes.
    """
    _require_cells("darcy_operator", grid)
    grid.require("u", u)
    grid.require("a", a)
    return _apply(u, _conductances(a, grid), grid)


def solve_darcy(
    coefficient: Float[Tensor, "batch n m"],
    forcing: Float[Tensor, "*batch n m"] | float,
    grid: Grid,
    *,
    method: DarcyMethod = "auto",
) -> Float[Tensor, "batch n m"]:
    """Solution u of A(a) u = f, one sample at a time in float64, returned in the coefficient's dtype and on its device.

    forcing: a number, (n, m) or (batch, n, m). "auto" factors up to 128 x 128 cells and iterates above.
    Raises InvalidArgument where the coefficient is not finite and positive, the forcing not finite, or a shape wrong.
    """
    one_of("method of solve_darcy", method, get_args(DarcyMethod))
    _require_cells("solve_darcy", grid)
    if grid.dimension != 2:
        raise InvalidArgument(f"solve_darcy needs a grid of two axes; got {grid.dimension}")
    grid.require("coefficient", coefficient)
    if coefficient.dim() != 3:
        raise InvalidArgument(f"coefficient must have shape (batch, n, m); got {tuple(coefficient.shape)}")
    if not bool((torch.isfinite(coefficient) & (coefficient > 0)).all()):
        raise InvalidArgument("coefficient must be finite and positive in every cell")
    a = coefficient.detach().double()
    f = tensor_of("forcing", forcing, dtype=torch.float64, device=a.device)
    if f.dim() and tuple(f.shape) not in (grid.shape, tuple(a.shape)):
        shapes = f"{grid.shape} or {tuple(a.shape)}"
        raise InvalidArgument(f"forcing must be a number or have shape {shapes}; got {tuple(f.shape)}")
    if not bool(torch.isfinite(f).all()):
        raise InvalidArgument("forcing must be finite in every cell")
    if method == "auto":
        method = "cholesky" if math.prod(grid.shape) <= _LARGEST_FACTORED else "conjugate_gradients"
    solve = _solve_by_cholesky if method == "cholesky" else _solve_by_conjugate_gradients
    u = torch.empty_like(a)
    for sample, (field, load) in enumerate(zip(a, f.expand_as(a), strict=True)):
        ask_to_go_on()
        u[sample] = solve(field, load, grid)
    return u.to(coefficient.dtype)


def solve_poisson(
    forcing: Float[Tensor, "*grid"],
    grid: Grid,
    boundary: PoissonBoundary = "dirichlet",
) -> Float[Tensor, "*grid"]:
    """Solution of -Laplacian u = f by Fourier series, or on cells by sine (u = 0 at walls) or cosine series (u_n = 0).

    Solves the equation for the band-limited interpolant of f; `linear.solve_box` solves the five-point equations.
    Differentiable, any dimension. Periodic and Neumann problems have a solution for zero-mean f only: the mean of f is
    removed, and that of u is zero. Raises InvalidArgument.
    """
    one_of("boundary of solve_poisson", boundary, get_args(PoissonBoundary))
    grid.require("forcing", forcing)
    if not bool(torch.isfinite(forcing).all()):
        raise InvalidArgument("forcing must be finite at every point")
    transform, inverse = {
        "periodic": (fourier, inverse_fourier),
        "dirichlet": (sine_transform, inverse_sine_transform),
        "neumann": (cosine_transform, inverse_cosine_transform),
    }[boundary]
    eigenvalues = _laplacian_eigenvalues(grid, boundary, forcing)
    solvable = eigenvalues > 0
    # both: a quotient that `where` drops would still put NaN into the gradient
    reciprocal = torch.where(solvable, 1 / eigenvalues.where(solvable, torch.ones_like(eigenvalues)), 0.0)
    return inverse(transform(forcing, grid) * reciprocal, grid)


def _require_cells(function: str, grid: Grid) -> None:
    if any(kind != "cells" for kind in grid.kinds):
        raise InvalidArgument(f"{function} needs a grid of 'cells' axes; got {grid.kinds}")


def _conductances(a: Tensor, grid: Grid) -> list[Tensor]:
    """For every axis a_f/h^2 on the n + 1 faces along it, walls included."""
    axes = range(-grid.dimension, 0)
    return [face_conductances(a, dim, ("wall", "wall"), h) for dim, h in zip(axes, grid.spacing, strict=True)]


def _apply(u: Tensor, conductances: list[Tensor], grid: Grid) -> Tensor:
    result = torch.zeros((), dtype=u.dtype, device=u.device)
    for axis, conductance in enumerate(conductances):
        dim = axis - grid.dimension
        wall = torch.zeros_like(u.narrow(dim, 0, 1))
        result = result - (conductance * u.diff(dim=dim, prepend=wall, append=wall)).diff(dim=dim)
    return result


def _solve_by_cholesky(a: Tensor, f: Tensor, grid: Grid) -> Tensor:
    from scipy.linalg import solveh_banded

    along_x, along_y = (conductance.cpu().numpy() for conductance in _conductances(a, grid))
    load = f.cpu().numpy()
    wide = grid.shape[1] > grid.shape[0]
    if wide:  # the band is as wide as a row, so rows go along the shorter side
        along_x, along_y, load = along_y.T, along_x.T, load.T
    rows, columns = load.shape
    band = np.zeros((rows, columns, columns + 1))
    band[..., 0] = along_x[:-1] + along_x[1:] + along_y[:, :-1] + along_y[:, 1:]
    band[:, :-1, 1] = -along_y[:, 1:-1]
    band[:-1, :, columns] = -along_x[1:-1]
    lower = band.reshape(rows * columns, columns + 1).T
    # overwrites the band, the largest array here, and does not look through it once more for NaN
    u = solveh_banded(lower, load.reshape(-1), lower=True, overwrite_ab=True, check_finite=False).reshape(rows, columns)
    return torch.as_tensor(u.T if wide else u, device=a.device)


def _solve_by_conjugate_gradients(a: Tensor, f: Tensor, grid: Grid) -> Tensor:
    solution = conjugate_gradients(
        diffusion(grid.shape, "wall", coefficient=a, spacing=grid.spacing),
        f.unsqueeze(0),
        preconditioner=lambda r: solve_box(r, "wall", spacing=grid.spacing),
        tolerance=_TOLERANCE,
        max_iterations=_MOST_ITERATIONS,
    )
    if not bool(solution.converged):
        contrast = float(a.max() / a.min())
        raise LimitlabError(
            f"conjugate gradients did not converge in {_MOST_ITERATIONS} steps at contrast {contrast:.3g}"
        )
    return solution.x[0]


def _laplacian_eigenvalues(grid: Grid, boundary: PoissonBoundary, like: Tensor) -> Tensor:
    """Eigenvalues of -Laplacian, laid out as the coefficients of the boundary's transform."""
    if boundary == "periodic":
        k = wavenumbers(grid, like.dtype, like.device)
    else:
        lowest = 1 if boundary == "dirichlet" else 0
        modes = [torch.arange(lowest, size + lowest, dtype=like.dtype, device=like.device) for size in grid.shape]
        k = torch.meshgrid(
            *(math.pi / length * m for m, length in zip(modes, grid.lengths, strict=True)), indexing="ij"
        )
    return torch.stack(torch.broadcast_tensors(*(component**2 for component in k))).sum(0)
