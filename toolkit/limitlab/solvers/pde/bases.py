"""The series in which derivatives are diagonal: Fourier's where a box is periodic, cosines where nothing flows out.

    periodic   exp(i k x),    k = 2 pi m / L      d^n/dx^n = (i k)^n
    cells      cos(k x),      k = pi m / L        d^n/dx^n = (-1)^(n/2) k^n, n even:  u_n = 0 on the walls

An odd derivative of cosines is a series of sines, which has no place here: an equation between walls holds even ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from limitlab.errors import InvalidArgument
from limitlab.spaces.grid import Grid
from limitlab.spaces.transforms import (
    cosine_transform,
    dealias_mask,
    fourier,
    inverse_cosine_transform,
    inverse_fourier,
    spectral_resample,
    wavenumbers,
)

Orders = tuple[int, ...]


class Basis(NamedTuple):
    """Transforms of a kind of grid, symbols of derivatives, the modes that a product leaves clean, and coarsening."""

    transform: Callable[[Tensor, Grid], Tensor]
    inverse: Callable[[Tensor, Grid], Tensor]
    symbol: Callable[[Grid, Orders], Tensor]
    mask: Callable[[Grid, float], Tensor]
    resample: Callable[[Tensor, Grid, int | Sequence[int]], Tensor]
    layout: Callable[[Grid], tuple[int, ...]]


def basis_of(grid: Grid) -> Basis:
    """The basis of a grid whose axes are all of one kind. Raises InvalidArgument for nodes and for mixed axes.

    >>> from limitlab.solvers.pde.bases import basis_of
    >>> grid = ll.spaces.Grid.uniform(8, kind="cells")
    >>> basis_of(grid).symbol(grid, (2,))[:2].tolist() == [0.0, -torch.pi**2]
    True
    """
    kinds = set(grid.kinds)
    if len(kinds) != 1 or not kinds <= BASES.keys():
        raise InvalidArgument(f"a grid must have axes that are all periodic, or all cells; got {grid.kinds}")
    return BASES[grid.kinds[0]]


def _fourier_symbol(grid: Grid, orders: Orders) -> Tensor:
    product = torch.ones((), dtype=torch.float64)
    for axis, k, order in zip(grid.axes, wavenumbers(grid), orders, strict=True):
        # the sine of n/2 is not on the grid
        nyquist = math.pi * axis.size / axis.length
        absent = order % 2 == 1 and axis.size % 2 == 0
        product = (
            product * torch.where(k.abs() >= nyquist * (1 - 1e-9), 0.0, k) ** order if absent else product * k**order
        )
    # i^n: real for an even order, so that its exponential stays real
    sign = -1.0 if sum(orders) % 4 in (2, 3) else 1.0
    signed = sign * product
    return torch.complex(torch.zeros_like(signed), signed) if sum(orders) % 2 else signed


def _cosine_symbol(grid: Grid, orders: Orders) -> Float[Tensor, "*modes"]:
    product = torch.ones((), dtype=torch.float64)
    for axis, k, order in zip(grid.axes, _cosine_wavenumbers(grid), orders, strict=True):
        if order % 2:
            raise InvalidArgument(
                f"between walls without flux derivatives are of even order; got {order} in {axis.name}"
            )
        product = product * (-1) ** (order // 2) * k**order
    return product


def _cosine_wavenumbers(grid: Grid) -> tuple[Tensor, ...]:
    modes = (torch.arange(axis.size, dtype=torch.float64) * (math.pi / axis.length) for axis in grid.axes)
    return tuple(torch.meshgrid(*modes, indexing="ij"))


def _cosine_mask(grid: Grid, keep: float) -> Bool[Tensor, "*modes"]:
    modes = torch.meshgrid(*(torch.arange(size) < keep * size - 1e-9 for size in grid.shape), indexing="ij")
    return torch.stack(modes).all(0)


def _cosine_resample(u: Float[Tensor, "*grid"], grid: Grid, resolution: int | Sequence[int]) -> Tensor:
    goal = grid.at(resolution)
    coefficients = cosine_transform(u, grid)
    resampled = coefficients.new_zeros((*u.shape[: -grid.dimension], *goal.shape))
    shared = [slice(0, min(pair)) for pair in zip(grid.shape, goal.shape, strict=True)]
    corner = (slice(None),) * (u.dim() - grid.dimension) + tuple(shared)
    resampled[corner] = coefficients[corner]
    return inverse_cosine_transform(resampled, goal)


def _half_layout(grid: Grid) -> tuple[int, ...]:
    return (*grid.shape[:-1], grid.shape[-1] // 2 + 1)


BASES = {
    "periodic": Basis(fourier, inverse_fourier, _fourier_symbol, dealias_mask, spectral_resample, _half_layout),
    "cells": Basis(
        cosine_transform,
        inverse_cosine_transform,
        _cosine_symbol,
        _cosine_mask,
        _cosine_resample,
        lambda grid: grid.shape,
    ),
}
