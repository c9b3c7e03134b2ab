"""Fourier, cosine and sine transforms whose coefficients belong to the function, not to the resolution.

With the "forward" normalisation the coefficient of exp(i k x) in u is the same number on every grid that resolves it:

    u(x) = sum_k  u_k exp(i k.(x - start)),      k = 2 pi m / L      (periodic axes)
    u(x) = sum_m  u_m cos(pi m (x - start)/L),                       (cells: DCT-II)
    u(x) = sum_m  u_m sin(pi (m + 1) (x - start)/L),                 (cells: DST-II)

The grid's axes are the last dimensions of every tensor; the real transform halves the last axis.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number
from limitlab.spaces.grid import Grid


def _axes(grid: Grid) -> tuple[int, ...]:
    return tuple(range(-grid.dimension, 0))


def _require_kind(function: str, grid: Grid, kind: str) -> None:
    if any(other != kind for other in grid.kinds):
        raise InvalidArgument(f"{function} needs a grid of {kind!r} axes; got {grid.kinds}")


def fourier(u: Float[Tensor, "*grid"], grid: Grid) -> Complex[Tensor, "*modes"]:
    """Fourier coefficients of real functions on a periodic grid, `(..., n_1, .., n_d // 2 + 1)`.

    >>> grid = ll.spaces.Grid.uniform(8, lengths=2 * torch.pi)
    >>> ll.spaces.fourier(torch.cos(2 * grid.points()[:, 0]), grid).real.round(decimals=6).abs().tolist()
    [0.0, 0.0, 0.5, 0.0, 0.0]
    """
    _require_kind("fourier", grid, "periodic")
    grid.require("u", u)
    return torch.fft.rfftn(u, dim=_axes(grid), norm="forward")


def inverse_fourier(coefficients: Complex[Tensor, "*modes"], grid: Grid) -> Float[Tensor, "*grid"]:
    """Values on the grid of the real functions with these Fourier coefficients.

    >>> grid, u = ll.spaces.Grid.uniform(8), torch.arange(8.0)
    >>> torch.allclose(ll.spaces.inverse_fourier(ll.spaces.fourier(u, grid), grid), u, atol=1e-6)
    True
    """
    _require_kind("inverse_fourier", grid, "periodic")
    # the size is not in the coefficients: n and n + 1 points may have the same number of them
    return torch.fft.irfftn(coefficients, s=grid.shape, dim=_axes(grid), norm="forward")


def wavenumbers(
    grid: Grid, dtype: torch.dtype = torch.float64, device: torch.device | str | None = None
) -> tuple[Tensor, ...]:
    """Angular wavenumbers 2 pi m / L along every axis, each shaped to broadcast over the real transform's layout.

    >>> (k,) = ll.spaces.wavenumbers(ll.spaces.Grid.uniform(6, lengths=2 * torch.pi))
    >>> k.tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    result = []
    for position, axis in enumerate(grid.axes):
        last = position == grid.dimension - 1
        frequencies = torch.fft.rfftfreq if last else torch.fft.fftfreq
        modes = frequencies(axis.size, d=1.0 / axis.size, dtype=dtype, device=device)
        shape = [1] * grid.dimension
        shape[position] = -1
        result.append((modes * (2 * math.pi / axis.length)).reshape(shape))
    return tuple(result)


def dealias_mask(grid: Grid, keep: float = 2 / 3, device: torch.device | str | None = None) -> Bool[Tensor, "*modes"]:
    """True where |m_j| < keep n_j / 2 on every axis: 2/3 for quadratic terms, 1/2 for cubic ones (Orszag 1971).

    >>> ll.spaces.dealias_mask(ll.spaces.Grid.uniform(12)).int().tolist()
    [1, 1, 1, 1, 0, 0, 0]
    """
    keep = check_number("keep", keep, low=0, high=1)
    mask = torch.ones((), dtype=torch.bool, device=device)
    for axis, k in zip(grid.axes, wavenumbers(grid, device=device), strict=True):
        # strictly below, and by more than the rounding of m = k L / (2 pi)
        mask = mask & (k.abs() * axis.length / (2 * math.pi) < keep * axis.size / 2 - 1e-9)
    return mask


def derivative_symbol(
    grid: Grid, axis: int, order: int = 1, dtype: torch.dtype = torch.float64, device: torch.device | str | None = None
) -> Complex[Tensor, "*modes"]:
    """(i k)^order along one axis; an odd derivative of the mode n/2 is set to zero, as its sine is not on the grid.

    >>> ll.spaces.derivative_symbol(ll.spaces.Grid.uniform(6, lengths=2 * torch.pi), axis=0, order=2).real.tolist()
    [0.0, -1.0, -4.0, -9.0]
    """
    order = int(check_number("order", order, low=1, integer=True))
    k = wavenumbers(grid, dtype, device)[axis]
    size = grid.axes[axis].size
    if order % 2 and size % 2 == 0:
        nyquist = math.pi * size / grid.axes[axis].length
        # within rounding of it: k is 2 pi m / L in the dtype asked for
        k = torch.where(k.abs() >= nyquist * (1 - 1e-9), torch.zeros_like(k), k)
    return (1j * k) ** order


def spectral_derivative(u: Float[Tensor, "*grid"], grid: Grid, axis: int, order: int = 1) -> Float[Tensor, "*grid"]:
    """Derivative along one axis of a periodic grid, exact for band-limited functions.

    >>> grid = ll.spaces.Grid.uniform(16, lengths=2 * torch.pi)
    >>> x = grid.points()[:, 0]
    >>> torch.allclose(ll.spaces.spectral_derivative(torch.sin(x), grid, axis=0), torch.cos(x))
    True
    """
    return inverse_fourier(fourier(u, grid) * derivative_symbol(grid, axis, order, u.dtype, u.device), grid)


def spectral_resample(
    u: Float[Tensor, "*grid"], grid: Grid, resolution: int | Sequence[int]
) -> Float[Tensor, "*resampled"]:
    """The trigonometric interpolant on another resolution: modes that both grids resolve are kept, the rest dropped.

    The mode n/2 of an even grid is dropped too: its sine part is unknown, so it belongs to no one function.

    >>> grid = ll.spaces.Grid.uniform(8)
    >>> wave = lambda grid: torch.sin(2 * torch.pi * grid.points()[:, 0])
    >>> torch.allclose(ll.spaces.spectral_resample(wave(grid), grid, 24), wave(grid.at(24)))
    True
    """
    target = grid.at(resolution)
    coefficients = fourier(u, grid)
    layout = (*target.shape[:-1], target.shape[-1] // 2 + 1)
    resampled = coefficients.new_zeros((*u.shape[: -grid.dimension], *layout))
    highest = [(min(source, goal) - 1) // 2 for source, goal in zip(grid.shape, target.shape, strict=True)]
    # slice(-0, None) would be everything
    corners = [[slice(0, m + 1), slice(-m, None)] if m else [slice(0, 1)] for m in highest[:-1]]
    corners.append([slice(0, highest[-1] + 1)])
    for corner in itertools.product([...], *corners):
        resampled[corner] = coefficients[corner]
    return inverse_fourier(resampled, target)


def cosine_transform(u: Float[Tensor, "*grid"], grid: Grid) -> Float[Tensor, "*grid"]:
    """Coefficients of products of cos(pi m x / L), m = 0 .. n-1, of functions on cells (Neumann).

    >>> grid = ll.spaces.Grid.uniform(4, kind="cells")
    >>> u = 1 + torch.cos(torch.pi * grid.points()[:, 0])
    >>> ll.spaces.cosine_transform(u, grid).round(decimals=6).abs().tolist()
    [1.0, 1.0, 0.0, 0.0]
    """
    _require_kind("cosine_transform", grid, "cells")
    return _transform_every_axis(u, grid, _cosine_along_last)


def inverse_cosine_transform(coefficients: Float[Tensor, "*grid"], grid: Grid) -> Float[Tensor, "*grid"]:
    """Values on cells of the functions with these cosine coefficients.

    >>> grid = ll.spaces.Grid.uniform(4, kind="cells")
    >>> ll.spaces.inverse_cosine_transform(torch.tensor([2.0, 0.0, 0.0, 0.0]), grid).tolist()
    [2.0, 2.0, 2.0, 2.0]
    """
    _require_kind("inverse_cosine_transform", grid, "cells")
    return _transform_every_axis(coefficients, grid, _inverse_cosine_along_last)


def sine_transform(u: Float[Tensor, "*grid"], grid: Grid) -> Float[Tensor, "*grid"]:
    """Coefficients of products of sin(pi (m + 1) x / L), m = 0 .. n-1, of functions on cells (Dirichlet).

    >>> grid = ll.spaces.Grid.uniform(4, kind="cells")
    >>> ll.spaces.sine_transform(torch.sin(2 * torch.pi * grid.points()[:, 0]), grid).round(decimals=6).abs().tolist()
    [0.0, 1.0, 0.0, 0.0]
    """
    _require_kind("sine_transform", grid, "cells")
    return _transform_every_axis(u, grid, _sine_along_last)


def inverse_sine_transform(coefficients: Float[Tensor, "*grid"], grid: Grid) -> Float[Tensor, "*grid"]:
    """Values on cells of the functions with these sine coefficients.

    >>> grid, u = ll.spaces.Grid.uniform(4, kind="cells"), torch.tensor([1.0, 2.0, 0.0, 3.0])
    >>> torch.allclose(ll.spaces.inverse_sine_transform(ll.spaces.sine_transform(u, grid), grid), u, atol=1e-6)
    True
    """
    _require_kind("inverse_sine_transform", grid, "cells")
    return _transform_every_axis(coefficients, grid, _inverse_sine_along_last)


def _transform_every_axis(u: Tensor, grid: Grid, along_last) -> Tensor:
    grid.require("u", u)
    for axis in _axes(grid):
        u = along_last(u.movedim(axis, -1)).movedim(-1, axis)
    return u


def _half_shift(n: int, like: Tensor) -> Tensor:
    """exp(-i pi m / (2 n)): moves the origin of a discrete transform from a cell's wall to its centre."""
    m = torch.arange(n, dtype=like.dtype, device=like.device)
    return torch.exp(-0.5j * math.pi * m / n)


def _cosine_along_last(u: Tensor) -> Tensor:
    n = u.shape[-1]
    # a DCT-II as an FFT of twice the length: torch has none, and this one has gradients
    mirrored = torch.cat([u, u.flip(-1)], dim=-1)
    coefficients = 2 * (torch.fft.rfft(mirrored, norm="forward")[..., :n] * _half_shift(n, u)).real
    scale = torch.ones(n, dtype=u.dtype, device=u.device)
    scale[0] = 0.5  # the constant is its own mirror image
    return coefficients * scale


def _inverse_cosine_along_last(coefficients: Tensor) -> Tensor:
    n = coefficients.shape[-1]
    halved = torch.cat([2 * coefficients[..., :1], coefficients[..., 1:]], dim=-1)
    spectrum = torch.cat(
        [halved * _half_shift(n, coefficients).conj() / 2, coefficients.new_zeros((*coefficients.shape[:-1], 1))],
        dim=-1,
    )
    return torch.fft.irfft(spectrum, n=2 * n, norm="forward")[..., :n]


def _alternate(u: Tensor) -> Tensor:
    signs = torch.ones(u.shape[-1], dtype=u.dtype, device=u.device)
    signs[1::2] = -1
    return u * signs


def _sine_along_last(u: Tensor) -> Tensor:
    # On cell i, sin(pi (m+1) x) = (-1)^i cos(pi (n-1-m) x): a sine transform is a cosine transform read backwards.
    return _cosine_along_last(_alternate(u)).flip(-1)


def _inverse_sine_along_last(coefficients: Tensor) -> Tensor:
    return _alternate(_inverse_cosine_along_last(coefficients.flip(-1)))
