"""Laws of the initial values of several fields, on boxes of any dimension: data, so that a problem's hash covers them.

A sample depends only on (seed, its number), and it is one function whatever the resolution.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.problems.pde.laws import InitialLaw
from limitlab.spaces.fields import FieldBoundary, gaussian_field
from limitlab.spaces.grid import Grid

PEAK_POINTS = 32


class SystemLaw(Protocol):
    """Anything that draws initial values of all fields together."""

    def sample(
        self, grid: Grid, samples: int, seed: int, first: int, values: Mapping[str, float]
    ) -> Float[Tensor, "samples field *grid"]:
        """Samples first, first + 1, ..., float64; `values` are the problem's parameters."""


@dataclass(frozen=True)
class Independent:
    """One law a field, drawn from streams of their own."""

    laws: tuple[InitialLaw, ...]

    def sample(self, grid: Grid, samples: int, seed: int, first: int, values: Mapping[str, float]) -> Tensor:
        drawn = (law.sample(grid, samples, _stream(seed, i), first, values) for i, law in enumerate(self.laws))
        return torch.stack(list(drawn), 1)


@dataclass(frozen=True)
class WaveLaw:
    """One field: products of waves up to number `modes` along every axis, mean `mean`, farthest from it by `amplitude`.

    Sines and cosines where the box is periodic, cosines between walls.
    """

    modes: int = 5
    amplitude: float = 1.0
    mean: float = 0.0

    def sample(self, grid: Grid, samples: int, seed: int, first: int, values: Mapping[str, float]) -> Tensor:
        count = self._basis(torch.zeros(1), grid.axes[0].kind).shape[0]
        shape = (count,) * grid.dimension
        streams = (np.random.Generator(np.random.PCG64([seed, first + sample])) for sample in range(samples))
        normals = torch.from_numpy(np.stack([stream.standard_normal(math.prod(shape) - 1) for stream in streams]))
        # no mean
        weights = torch.nn.functional.pad(normals, (1, 0)).reshape(samples, *shape)
        # the maximum is taken on a fixed grid, so that the scale does not depend on the resolution
        even = torch.linspace(0, 1, PEAK_POINTS * self.modes + 1, dtype=torch.float64)
        peak = self._series(weights, [even] * grid.dimension, grid).abs().flatten(1).amax(1)
        positions = [torch.from_numpy((axis.points() - axis.start) / axis.length) for axis in grid.axes]
        scale = (self.amplitude / peak).reshape(-1, *(1,) * grid.dimension)
        return self.mean + scale * self._series(weights, positions, grid)

    def _series(self, weights: Tensor, positions: list[Tensor], grid: Grid) -> Tensor:
        for axis, position in zip(grid.axes, positions, strict=True):
            # the first axis of waves becomes the last axis of points
            weights = torch.tensordot(weights, self._basis(position, axis.kind), ([1], [0]))
        return weights

    def _basis(self, position: Float[Tensor, " points"], kind: str) -> Float[Tensor, "waves points"]:
        angles = math.pi * torch.arange(self.modes + 1, dtype=torch.float64)[:, None] * position
        if kind != "periodic":
            return torch.cos(angles)
        return torch.cat([torch.cos(2 * angles), torch.sin(2 * angles[1:])])


@dataclass(frozen=True)
class GaussianFields:
    """Independent Gaussian fields of covariance (-Laplacian + tau^2)^-alpha with these means and deviations at a point.

    Periodic where the grid is, without slope at the walls of cells. The deviation is that on the whole space, from
    which a box of many lengths 1/tau hardly differs.
    """

    deviations: tuple[float, ...]
    means: tuple[float, ...]
    alpha: float
    tau: float

    def sample(self, grid: Grid, samples: int, seed: int, first: int, values: Mapping[str, float]) -> Tensor:
        boundary: FieldBoundary = "periodic" if grid.is_periodic else "neumann"
        d, alpha = grid.dimension, self.alpha
        variance = (
            math.gamma(alpha - d / 2) / (math.gamma(alpha) * (4 * math.pi) ** (d / 2)) * self.tau ** (d - 2 * alpha)
        )
        fields = [
            mean
            + gaussian_field(
                grid,
                samples,
                _stream(seed, number),
                alpha=alpha,
                tau=self.tau,
                sigma=deviation / math.sqrt(variance),
                boundary=boundary,
                first=first,
            )
            for number, (mean, deviation) in enumerate(zip(self.means, self.deviations, strict=True))
        ]
        return torch.stack(fields, 1)


@dataclass(frozen=True)
class Seeds:
    """Two reactants of Gray and Scott: (1, 0) but for `clusters` bumps of width `width` of the box, where both meet.

    With s their union, 1 - (1 - b_1)(1 - b_2) ..., the fields are 1 - s/2 and s/4. Periodic.
    """

    clusters: int = 8
    width: float = 0.06

    def sample(self, grid: Grid, samples: int, seed: int, first: int, values: Mapping[str, float]) -> Tensor:
        streams = (np.random.Generator(np.random.PCG64([seed, first + sample])) for sample in range(samples))
        centres = torch.from_numpy(np.stack([stream.random((self.clusters, grid.dimension)) for stream in streams]))
        starts = torch.tensor([axis.start for axis in grid.axes], dtype=torch.float64)
        positions = (grid.points() - starts) / torch.tensor(grid.lengths, dtype=torch.float64)
        offset = positions[None, None] - centres.reshape(samples, self.clusters, *(1,) * grid.dimension, grid.dimension)
        # the distance on the circle, smooth at the seam
        distance = (torch.sin(math.pi * offset) / math.pi).square().sum(-1)
        bumps = torch.exp(-distance / self.width**2)
        # at most one, and smooth where bumps meet
        s = 1 - (1 - bumps).prod(1)
        return torch.stack([1 - s / 2, s / 4], 1)


def _stream(seed: int, number: int) -> int:
    """A seed of its own for every field; the first keeps the given one."""
    if number == 0:
        return seed
    return int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0] >> 1)
