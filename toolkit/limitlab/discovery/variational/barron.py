"""Meters of the Barron norm: from values on grids, from a network's weights, from noisy samples in many dimensions.

    spectral    |g|_B = sum_k (1 + 2 pi |k|) |g_k|,      g = sum_k g_k e^(2 pi i k.x)        (the 2 pi convention)
    path        sum_j |a_j| (|w_j|_1 + |b_j|), an upper bound of the ReLU norm of E, Ma, Wu for that network

The two belong to different spaces and never share an axis. The spectral norm is an algebra: |g h| <= |g| |h|,
|d_i g| <= 2 pi W |g| for a bandwidth W, |(I - Lap)^(-1) g| <= |g|, and |(I - Lap)^(-1) div F| <= 1/2 sum_i |F_i|:
preconditioner and divergence cancel. Source: Barron, Universal approximation bounds (1993); E, Ma, Wu (2022).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations, product
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number
from limitlab.spaces import Grid, fourier, wavenumbers

MOST_FREQUENCIES = 20_000


def barron_norm(u: Float[Tensor, "*grid"], grid: Grid) -> float:
    """The spectral norm of values on a periodic grid, by an FFT: exact for what the grid resolves.

    >>> grid = ll.spaces.Grid.uniform(16)
    >>> wave = torch.cos(2 * torch.pi * grid.points()[:, 0])
    >>> round(ll.discovery.variational.barron_norm(wave, grid) - (1 + 2 * torch.pi), 12)
    0.0
    """
    coefficients = fourier(u, grid)
    weight = 1 + torch.stack(torch.broadcast_tensors(*wavenumbers(grid))).norm(dim=0)
    # the real transform stores half of the last axis: every column but m = 0 and m = n/2 stands for two modes
    columns = torch.full((coefficients.shape[-1],), 2.0, dtype=torch.float64)
    columns[0] = 1
    if grid.shape[-1] % 2 == 0:
        columns[-1] = 1
    return float((columns * weight * coefficients.abs()).sum())


class Extrapolated(NamedTuple):
    """The norm on two grids, its extrapolation, and by how much the finer one may be off."""

    coarse: float
    fine: float
    limit: float
    error: float


def barron_of(function: Callable[[Tensor], Tensor], dimension: int, resolution: int = 32) -> Extrapolated:
    """The norm of a periodic function (*point, d) -> (*point) on two grids, n and 2n, for d <= 3.

    The tail that a grid misses falls at least by half when it is doubled, for a function that has the norm: so the
    limit is the finer value, and the difference of the two its error.

    >>> v = ll.discovery.variational
    >>> v.barron_of(v.cosines(2, half_waves=2).value, 2, 8).error < 1e-12
    True
    """
    dimension = int(check_number("dimension", dimension, low=1, high=3, integer=True))
    grids = [Grid.uniform(n, dimension=dimension) for n in (resolution, 2 * resolution)]
    coarse, fine = (barron_norm(function(grid.points()), grid) for grid in grids)
    return Extrapolated(coarse, fine, fine, abs(fine - coarse))


def path_norm(outer: Float[Tensor, " unit"], inner: Float[Tensor, "unit d"], bias: Float[Tensor, " unit"]) -> Tensor:
    """sum_j |a_j| (|w_j|_1 + |b_j|) of a two-layer network; differentiable, so it can be a penalty.

    >>> ll.discovery.variational.path_norm(torch.ones(2), torch.ones(2, 3), torch.ones(2)).item()
    8.0
    """
    return (outer.abs() * (inner.abs().sum(-1) + bias.abs())).sum()


class Spectrum(NamedTuple):
    """What a greedy search saw: frequencies, coefficients of cosine and sine, its norm, and the floor of the noise."""

    frequencies: Int[Tensor, "mode d"]
    coefficients: Float[Tensor, "mode two"]
    norm: float
    floor: float


def frequencies_within(dimension: int, radius: int) -> Int[Tensor, "mode d"]:
    """All k in Z^d with 0 < |k|_1 <= radius, of k and -k the one whose first entry that is not zero is positive.

    Raises InvalidArgument above 20 000 of them.

    >>> ll.discovery.variational.frequencies_within(2, 1).tolist()
    [[1, 0], [0, 1]]
    """
    dimension = int(check_number("dimension", dimension, low=1, integer=True))
    radius = int(check_number("radius", radius, low=1, integer=True))
    count = sum(math.comb(dimension, j) * math.comb(radius, j) * 2 ** (j - 1) for j in range(1, radius + 1))
    if count > MOST_FREQUENCIES:
        raise InvalidArgument(f"radius {radius} in dimension {dimension} means {count} frequencies; at most 20000")
    rows = []
    for used in range(1, min(radius, dimension) + 1):
        sizes = [s for s in product(range(1, radius + 1), repeat=used) if sum(s) <= radius]
        for axes, size in product(combinations(range(dimension), used), sizes):
            for signs in product((1, -1), repeat=used - 1):
                row = [0] * dimension
                for axis, entry in zip(axes, (a * b for a, b in zip(size, (1, *signs), strict=True)), strict=True):
                    row[axis] = entry
                rows.append(row)
    return torch.tensor(rows, dtype=torch.int64)


def greedy_spectrum(
    x: Float[Tensor, "sample d"], values: Float[Tensor, " sample"], *, radius: int = 2, most: int = 50
) -> Spectrum:
    """Frequencies of a function from samples at uniform points, by orthogonal matching pursuit over |k|_1 <= radius.

    The pursuit stops at `most` waves, or where no wave stands out of the noise that the residual makes of a wave,
    sqrt(2 log(modes) var / N). floor: modes * sqrt(var / N), the norm that a sum over all waves would show of noise.

    >>> x = torch.rand(2000, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> spectrum = ll.discovery.variational.greedy_spectrum(x, torch.cos(2 * torch.pi * (x[:, 0] + x[:, 3])))
    >>> spectrum.frequencies.tolist(), round(spectrum.norm, 3)
    ([[1, 0, 0, 1, 0]], 9.886)
    """
    most = int(check_number("most", most, low=1, high=len(x) // 4, integer=True))
    candidates = frequencies_within(x.shape[1], radius)
    phase = 2 * math.pi * x @ candidates.T.to(x.dtype)
    waves = torch.stack([phase.cos(), phase.sin()], -1)
    mean = torch.ones(len(x), 1, dtype=x.dtype)
    chosen: list[int] = []
    basis, fit, residual = mean, torch.zeros(1, dtype=x.dtype), values - values.mean()
    while len(chosen) < most:
        strength = 2 * torch.einsum("skc,s->kc", waves, residual).norm(dim=-1) / len(x)
        best, noise = int(strength.argmax()), residual.var().sqrt() / math.sqrt(len(x))
        # the largest of so many sums of noise, each with two parts of variance 2 var / N
        if best in chosen or not strength[best] > 2 * noise * math.sqrt(math.log(2 * len(candidates)) + 2):
            break
        chosen.append(best)
        basis = torch.cat([mean, waves[:, chosen].flatten(1)], 1)
        fit = torch.linalg.lstsq(basis, values[:, None]).solution[:, 0]
        residual = values - basis @ fit
    coefficients = fit[1:].reshape(-1, 2)
    frequencies = candidates[chosen]
    weight = 1 + 2 * math.pi * frequencies.to(x.dtype).norm(dim=-1)
    norm = float(fit[0].abs() if chosen else values.mean().abs()) + float((weight * coefficients.norm(dim=-1)).sum())
    return Spectrum(frequencies, coefficients, norm, len(candidates) * math.sqrt(float(values.var()) / len(x)))
