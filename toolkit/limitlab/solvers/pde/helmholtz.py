"""Waves of one frequency in a box: -Laplacian u - kappa u = f by finite volumes, kappa = (omega/c)^2.

Through a wall flows 2 (u - 0)/h where u = 0 there, half a cell away from the centre, and a given du/dn elsewhere. The
scheme has order two; its waves run ahead of the true ones by k^3 h^2/24 a unit of length, so that more points a
wavelength are needed the more wavelengths there are. The matrix is symmetric but indefinite: it is factored by a sparse
LU. An imaginary part of kappa absorbs, which lets waves leave through a layer along the walls (`sponge`).
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.interruption import ask_to_go_on
from limitlab.spaces.grid import Grid

HelmholtzBoundary = Literal["dirichlet", "neumann"]


def helmholtz_operator(
    u: Float[Tensor, "*batch x y"], kappa: Float[Tensor, "*batch x y"], grid: Grid, boundary: HelmholtzBoundary
) -> Float[Tensor, "*batch x y"]:
    """-Laplacian u - kappa u on cells, by finite volumes; differentiable in both. Raises InvalidArgument."""
    _require(grid, boundary)
    result = -kappa * u
    for axis, h in zip((-2, -1), grid.spacing, strict=True):
        edge = 2 * u if boundary == "dirichlet" else torch.zeros_like(u)
        first, last = edge.narrow(axis, 0, 1), -edge.narrow(axis, u.shape[axis] - 1, 1)
        slopes = torch.cat([first, u.diff(dim=axis), last], axis)
        result = result - slopes.diff(dim=axis) / h**2
    return result


def solve_helmholtz(
    kappa: Tensor,
    forcing: Tensor,
    grid: Grid,
    boundary: HelmholtzBoundary = "dirichlet",
) -> Float[Tensor, "batch x y"]:
    """Solutions u of -Laplacian u - kappa u = f, in double precision, complex where kappa or f is.

    kappa: (batch, n, m). forcing: (n, m) or (batch, n, m); a slope du/dn = g on a wall is g/h in its cells.
    Raises InvalidArgument, also where kappa is an eigenvalue.

    >>> from limitlab.solvers.pde.helmholtz import solve_helmholtz
    >>> grid = ll.spaces.Grid.uniform((8, 8), kind="cells")
    >>> solve_helmholtz(torch.full((1, 8, 8), 4.0), torch.full((8, 8), -8.0), grid, "neumann").mean().round().item()
    2.0
    """
    import scipy.sparse as sparse
    from scipy.sparse.linalg import splu

    _require(grid, boundary)
    grid.require("kappa", kappa)
    grid.require("forcing", forcing)
    if kappa.dim() != 3 or not bool(torch.isfinite(kappa).all()) or not bool(torch.isfinite(forcing).all()):
        raise InvalidArgument(f"kappa must be finite and (batch, n, m), forcing finite; got {tuple(kappa.shape)}")
    dtype = torch.complex128 if kappa.is_complex() or forcing.is_complex() else torch.float64
    loads = forcing.to(dtype).expand(kappa.shape).reshape(len(kappa), -1).numpy()
    along_x, along_y = (_second_difference(n, h, boundary) for n, h in zip(grid.shape, grid.spacing, strict=True))
    laplacian = sparse.kron(along_x, sparse.identity(grid.shape[1])) + sparse.kron(
        sparse.identity(grid.shape[0]), along_y
    )
    solutions = []
    for values, load in zip(kappa.to(dtype).reshape(len(kappa), -1).numpy(), loads, strict=True):
        ask_to_go_on()
        matrix = (laplacian - sparse.diags(values)).tocsc()
        try:
            solution = splu(matrix).solve(load)
        except RuntimeError:
            raise InvalidArgument("kappa is an eigenvalue of the box: a resonance has no solution") from None
        solutions.append(torch.from_numpy(solution).reshape(grid.shape))
    return torch.stack(solutions)


def sponge(grid: Grid, width: float, strength: float = 1.0) -> Float[Tensor, "x y"]:
    """s in kappa (1 + i s): zero inside, growing quadratically to `strength` at the walls over a layer of this width.

    >>> from limitlab.solvers.pde.helmholtz import sponge
    >>> sponge(ll.spaces.Grid.uniform((4, 4), kind="cells"), width=0.25, strength=4.0)[0].tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    width = check_number("width", width, low=1e-12)
    points = grid.points()
    depth = torch.zeros(grid.shape, dtype=torch.float64)
    for number, axis in enumerate(grid.axes):
        inside = points[..., number] - axis.start
        to_wall = torch.minimum(inside, axis.length - inside)
        depth = torch.maximum(depth, (1 - to_wall / width).clamp_min(0))
    return strength * depth**2


def _second_difference(size: int, h: float, boundary: HelmholtzBoundary) -> Any:
    import scipy.sparse as sparse

    diagonal = np.full(size, 2.0)
    diagonal[[0, -1]] = 3.0 if boundary == "dirichlet" else 1.0
    return sparse.diags([-np.ones(size - 1), diagonal, -np.ones(size - 1)], [-1, 0, 1]) / h**2


def _require(grid: Grid, boundary: str) -> None:
    one_of("boundary of the Helmholtz equation", boundary, get_args(HelmholtzBoundary))
    if grid.dimension != 2 or any(kind != "cells" for kind in grid.kinds):
        raise InvalidArgument(f"the Helmholtz equation needs a grid of two axes of cells; got {grid.kinds}")
