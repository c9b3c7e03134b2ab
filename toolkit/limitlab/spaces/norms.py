"""Norms of functions on grids, and the relative errors that every table of ours reports.

    ||u||_p  = (int |u|^p dx)^(1/p)              by the grid's quadrature, channels summed inside the integral
    ||u||_Hs = (|D| sum_k (1 + |k|^2)^s |u_k|^2)^(1/2)     so that s = 0 is L2 and s = 1 adds |grad u|^2

Relative errors are one number a sample, then averaged: a ratio of pooled norms would hide bad samples.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, one_of
from limitlab.spaces.differences import finite_difference
from limitlab.spaces.grid import Grid
from limitlab.spaces.transforms import fourier, wavenumbers

DerivativeMethod = Literal["spectral", "finite_difference"]


def lp_norm(u: Float[Tensor, "batch channel *grid"], grid: Grid, p: float = 2.0) -> Float[Tensor, " batch"]:
    """L^p norm of every sample.

    >>> ll.spaces.lp_norm(torch.full((1, 1, 8), -3.0), ll.spaces.Grid.uniform(8, lengths=4.0), p=1.0).tolist()
    [12.0]
    """
    if not p >= 1:
        raise InvalidArgument(f"p must be >= 1; got {p}")
    grid.require("u", u)
    weights = grid.weights(u.dtype, u.device) ** (1 / p)
    return _vector_norm(weights * u, p)


def sobolev_norm(
    u: Float[Tensor, "batch channel *grid"], grid: Grid, s: float = 1.0, method: DerivativeMethod | None = None
) -> Float[Tensor, " batch"]:
    """H^s norm of every sample, by Fourier coefficients on periodic grids or (s = 1) by finite differences on any grid.

    The default method is spectral where the grid is periodic.

    >>> grid = ll.spaces.Grid.uniform(32, lengths=2 * torch.pi)
    >>> wave = torch.sin(3 * grid.points()[:, 0])[None, None]
    >>> round(float(ll.spaces.sobolev_norm(wave, grid) / ll.spaces.lp_norm(wave, grid)) ** 2, 6)  # 1 + 3^2
    10.0
    """
    method = method or ("spectral" if grid.is_periodic else "finite_difference")
    one_of("derivative method", method, get_args(DerivativeMethod))
    if method == "spectral":
        return _spectral_sobolev_norm(u, grid, s)
    if s != 1:
        raise InvalidArgument(f"finite differences give the H^1 norm only; got s = {s}")
    with_gradient = torch.cat([u, *(finite_difference(u, grid, axis) for axis in range(grid.dimension))], dim=1)
    return _vector_norm(grid.weights(u.dtype, u.device).sqrt() * with_gradient, 2)


def _vector_norm(values: Tensor, p: float) -> Tensor:
    # its gradient at zero is zero, where the root of a sum has none: an exact prediction must not end in NaN
    return torch.linalg.vector_norm(values.flatten(1), ord=p, dim=1)


def _spectral_sobolev_norm(u: Tensor, grid: Grid, s: float) -> Tensor:
    k = wavenumbers(grid, u.dtype, u.device)
    weight = (1 + sum(component**2 for component in k)) ** s
    # the real transform stores half of the last axis: every column but m = 0 and m = n/2 stands for two modes
    columns = torch.full((weight.shape[-1],), 2.0, dtype=u.dtype, device=u.device)
    columns[0] = 1
    if grid.shape[-1] % 2 == 0:
        columns[-1] = 1
    scale = (math.prod(grid.lengths) * weight * columns).sqrt()
    return _vector_norm(torch.view_as_real(fourier(u, grid) * scale), 2)


def relative_lp(
    prediction: Float[Tensor, "batch channel *grid"],
    target: Float[Tensor, "batch channel *grid"],
    grid: Grid,
    p: float = 2.0,
    *,
    floor: float | Float[Tensor, " batch"] = 0.0,
) -> Float[Tensor, " batch"]:
    """||prediction - target||_p / max(||target||_p, floor) of every sample.

    floor: a norm, such that an error against nearly nothing is no large one.

    >>> u = torch.ones(1, 1, 8)
    >>> ll.spaces.relative_lp(1.5 * u, u, ll.spaces.Grid.uniform(8), p=1.0).tolist()
    [0.5]
    """
    _require_same(prediction, target)
    return lp_norm(prediction - target, grid, p) / _at_least(floor, lp_norm(target, grid, p))


def relative_l2(
    prediction: Float[Tensor, "batch channel *grid"],
    target: Float[Tensor, "batch channel *grid"],
    grid: Grid,
    *,
    floor: float | Float[Tensor, " batch"] = 0.0,
) -> Float[Tensor, " batch"]:
    """||prediction - target||_2 / max(||target||_2, floor) of every sample.

    >>> u = torch.ones(1, 1, 8)
    >>> ll.spaces.relative_l2(1.5 * u, u, ll.spaces.Grid.uniform(8)).tolist()
    [0.5]
    """
    return relative_lp(prediction, target, grid, 2.0, floor=floor)


def relative_sobolev(
    prediction: Float[Tensor, "batch channel *grid"],
    target: Float[Tensor, "batch channel *grid"],
    grid: Grid,
    s: float = 1.0,
    method: DerivativeMethod | None = None,
    *,
    floor: float | Float[Tensor, " batch"] = 0.0,
) -> Float[Tensor, " batch"]:
    """||prediction - target||_Hs / max(||target||_Hs, floor) of every sample.

    >>> u = torch.ones(1, 1, 8)
    >>> ll.spaces.relative_sobolev(1.5 * u, u, ll.spaces.Grid.uniform(8)).tolist()
    [0.5]
    """
    _require_same(prediction, target)
    return sobolev_norm(prediction - target, grid, s, method) / _at_least(floor, sobolev_norm(target, grid, s, method))


def _at_least(floor: float | Tensor, norm: Tensor) -> Tensor:
    return torch.maximum(norm, torch.as_tensor(floor).to(norm))


def _require_same(prediction: Tensor, target: Tensor) -> None:
    if prediction.shape != target.shape:
        raise InvalidArgument(
            f"prediction {tuple(prediction.shape)} and target {tuple(target.shape)} must have one shape"
        )
