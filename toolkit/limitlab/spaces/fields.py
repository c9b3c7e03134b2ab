"""Gaussian random fields N(0, sigma^2 (-Laplacian + tau^2)^-alpha), the law of most initial values and coefficients.

With the Laplacian's orthonormal eigenfunctions phi_m (Fourier, cosine or sine, by the boundary) and eigenvalues k_m^2,

    u(x) = sum_{m != 0} sigma (k_m^2 + tau^2)^(-alpha/2) xi_m phi_m(x),      xi_m ~ N(0, 1).

The default sigma = tau^(alpha - d/2) is that of the Fourier-neural-operator data (Li et al. 2020, code). The xi_m are
drawn from low modes to high ones, for every sample from a stream of its own: the same seed at twice the resolution is
the same function with more of its tail, and a sample does not depend on how many are drawn beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.spaces.grid import Grid
from limitlab.spaces.transforms import inverse_cosine_transform, inverse_fourier, inverse_sine_transform

FieldBoundary = Literal["periodic", "neumann", "dirichlet"]


def gaussian_field(
    grid: Grid,
    samples: int,
    seed: int,
    *,
    alpha: float,
    tau: float,
    sigma: float | None = None,
    boundary: FieldBoundary = "periodic",
    first: int = 0,
) -> Float[Tensor, "samples *grid"]:
    """Samples number `first`, `first + 1`, ... of the field, float64, without its mean mode where that is constant.

    A periodic field needs a periodic grid; Neumann and Dirichlet fields need one of cells. Raises InvalidArgument.

    >>> ll.spaces.gaussian_field(ll.spaces.Grid.uniform(64), 3, seed=0, alpha=2.0, tau=5.0).shape
    torch.Size([3, 64])
    """
    samples = int(check_number("samples", samples, low=1, integer=True))
    seed = int(check_number("seed", seed, low=0, integer=True))
    first = int(check_number("first", first, low=0, integer=True))
    tau = check_number("tau", tau, low=0)
    alpha = check_number("alpha", alpha, low=0)
    one_of("boundary of a field", boundary, get_args(FieldBoundary))
    needed = "periodic" if boundary == "periodic" else "cells"
    if any(kind != needed for kind in grid.kinds):
        raise InvalidArgument(f"a {boundary} field needs a grid of {needed!r} axes; got {grid.kinds}")
    if sigma is None:
        sigma = tau ** (alpha - grid.dimension / 2)
    # eigenfunctions are normalised on the box: each carries 1/sqrt(volume)
    amplitude = sigma / math.sqrt(math.prod(grid.lengths))
    streams, law = _Streams(samples, seed, first), _Law(alpha, tau, amplitude)
    if boundary == "periodic":
        return _periodic_field(grid, streams, law)
    return _bounded_field(grid, streams, law, boundary)


@dataclass(frozen=True)
class _Streams:
    """Standard normals of the samples `first`, `first + 1`, ..., each from a stream of its own."""

    samples: int
    seed: int
    first: int

    def draw(self, dimension: int, low: int, high: int) -> Tensor:
        """One a mode, `(samples, high - low + 1, ...)`, the same for a mode whatever `high` is."""
        # shell by shell: a finer grid appends draws, and takes the same numbers for the modes of a coarser one
        order = _shell_order(dimension, low, high)
        normals = np.empty((self.samples, order.size))
        for sample in range(self.samples):  # numpy's stream is sequential (a prefix stays a prefix); torch's is not
            stream = np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.seed, self.first + sample])))
            normals[sample, order] = stream.standard_normal(order.size)
        return torch.from_numpy(normals).reshape(self.samples, *(high - low + 1,) * dimension)


@dataclass(frozen=True)
class _Law:
    """Standard deviation amplitude (k^2 + tau^2)^(-alpha/2) of every mode."""

    alpha: float
    tau: float
    amplitude: float

    def deviations(self, grid: Grid, modes: Sequence[Tensor], fundamental: float) -> Tensor:
        """Of the modes with k_j = fundamental m_j / L_j."""
        wavenumbers = [fundamental * m.double() / axis.length for m, axis in zip(modes, grid.axes, strict=True)]
        squared = torch.stack(wavenumbers).square().sum(dim=0)
        # tau may be zero, and so may the mode
        return self.amplitude * (squared + self.tau**2).clamp_min(1e-300) ** (-self.alpha / 2)


@lru_cache(maxsize=16)
def _shell_order(dimension: int, low: int, high: int) -> np.ndarray:
    """Flat positions of the modes {low .. high}^dimension, sorted by max |m_j|.

    Within a shell they follow each other lexicographically, an order that no outer shell disturbs.
    """
    modes = np.abs(np.arange(low, high + 1))
    shell = np.zeros((1,) * dimension, dtype=int)
    for axis in range(dimension):
        shape = [1] * dimension
        shape[axis] = -1
        shell = np.maximum(shell, modes.reshape(shape))
    return np.argsort(shell.reshape(-1), kind="stable")


def _periodic_field(grid: Grid, streams: _Streams, law: _Law) -> Float[Tensor, "samples *grid"]:
    # without n/2, whose sine the grid does not see
    highest = [(size - 1) // 2 for size in grid.shape]
    top, dimension = max(highest), grid.dimension
    normals = streams.draw(dimension, -top, top)
    mirrored = normals.flip(tuple(range(1, dimension + 1)))
    modes = torch.meshgrid(*(torch.arange(-top, top + 1) for _ in grid.axes), indexing="ij")
    # xi_m with m "positive" (first non-zero component) belongs to the cosine, xi_-m to the sine of the same wave
    sign = torch.zeros_like(modes[0])
    for component in modes:
        sign = torch.where(sign == 0, component.sign(), sign)
    positive = torch.complex(normals, -mirrored)
    # a complex number of variance one has two parts of variance one half
    coefficients = torch.where(sign > 0, positive, torch.complex(mirrored, normals)) / math.sqrt(2)
    scale = torch.where(sign == 0, 0.0, law.deviations(grid, modes, 2 * math.pi))
    coefficients = coefficients * scale
    layout = (*grid.shape[:-1], grid.shape[-1] // 2 + 1)
    spectrum = torch.zeros((*layout, streams.samples), dtype=torch.complex128)
    ranges = [torch.arange(-m, m + 1) for m in highest[:-1]] + [torch.arange(0, highest[-1] + 1)]
    source = torch.meshgrid(*(r + top for r in ranges), indexing="ij")
    goal = torch.meshgrid(*(r % size for r, size in zip(ranges, grid.shape, strict=True)), indexing="ij")
    spectrum[goal] = coefficients.movedim(0, -1)[source]
    return inverse_fourier(spectrum.movedim(-1, 0), grid)


def _bounded_field(grid: Grid, streams: _Streams, law: _Law, boundary: FieldBoundary) -> Float[Tensor, "samples *grid"]:
    lowest = 0 if boundary == "neumann" else 1
    # a whole cube, then cut: the order of the draws must not depend on the shape of the grid
    normals = streams.draw(grid.dimension, 0, max(grid.shape) - 1)
    normals = normals[:, *(slice(0, size) for size in grid.shape)]
    modes = torch.meshgrid(*(torch.arange(size) + lowest for size in grid.shape), indexing="ij")
    # orthonormal cosines and sines are sqrt(2) cos and sqrt(2) sin, but the constant is 1
    basis = torch.stack([torch.where(m > 0, math.sqrt(2.0), 1.0) for m in modes]).double().prod(dim=0)
    scale = basis * law.deviations(grid, modes, math.pi)
    if boundary == "neumann":
        scale[(0,) * grid.dimension] = 0.0
        return inverse_cosine_transform(normals * scale, grid)
    return inverse_sine_transform(normals * scale, grid)
