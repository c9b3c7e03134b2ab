"""Laws of initial values on a periodic interval: data, not functions, so that a problem's hash covers them.

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

from limitlab.errors import InvalidArgument
from limitlab.spaces.fields import gaussian_field
from limitlab.spaces.grid import Grid


class InitialLaw(Protocol):
    """Anything that draws initial values."""

    def sample(
        self, grid: Grid, samples: int, seed: int, first: int, values: Mapping[str, float]
    ) -> Float[Tensor, "samples *grid"]:
        """Samples first, first + 1, ... on a 1-D periodic grid, float64; `values` are the problem's parameters."""


@dataclass(frozen=True)
class GaussianLaw:
    """N(0, sigma^2 (-Laplacian + tau^2)^-alpha) without its mean.

    >>> law = ll.problems.GaussianLaw(alpha=2.0, tau=5.0, sigma=25.0)
    >>> ll.problems.parse("u_t = u_xx", initial=law, resolution=32).simulate(3)["u"].shape
    (3, 51, 32)
    """

    alpha: float
    tau: float
    sigma: float

    def sample(self, grid: Grid, samples: int, seed: int, first: int, values: Mapping[str, float]) -> Tensor:
        return gaussian_field(grid, samples, seed, alpha=self.alpha, tau=self.tau, sigma=self.sigma, first=first)


@dataclass(frozen=True)
class FourierLaw:
    """Fourier series of `modes` waves, normal coefficients, zero mean, scaled to the maximum `amplitude`.

    >>> ll.problems.parse("u_t = u_xx").initial
    FourierLaw(modes=5, amplitude=1.0)
    """

    modes: int = 5
    amplitude: float = 1.0

    def sample(self, grid: Grid, samples: int, seed: int, first: int, values: Mapping[str, float]) -> Tensor:
        if grid.dimension != 1:
            raise InvalidArgument(f"FourierLaw is a law on an interval; got a grid of {grid.dimension} axes")
        streams = (np.random.Generator(np.random.PCG64([seed, first + sample])) for sample in range(samples))
        normals = torch.from_numpy(np.stack([stream.standard_normal((self.modes, 2)) for stream in streams]))
        # the maximum is taken on a fixed grid, so that the scale does not depend on the resolution
        peak = self._series(normals, torch.linspace(0, 1, 64 * self.modes + 1, dtype=torch.float64)).abs().amax(1)
        (axis,) = grid.axes
        positions = (grid.points()[..., 0] - axis.start) / axis.length
        return self.amplitude * self._series(normals / peak[:, None, None], positions)

    def _series(self, normals: Tensor, positions: Tensor) -> Tensor:
        angles = 2 * math.pi * torch.arange(1, self.modes + 1, dtype=torch.float64)[:, None] * positions
        return torch.einsum("sm,mx->sx", normals[..., 0], torch.cos(angles)) + torch.einsum(
            "sm,mx->sx", normals[..., 1], torch.sin(angles)
        )


@dataclass(frozen=True)
class TextLaw:
    """One function of the coordinates, the same for every sample: text of the grammar.

    >>> ll.problems.parse("u_t = u_xx", initial="sin(2*pi*x)").initial
    TextLaw(text='sin(2*pi*x)')
    """

    text: str

    def sample(self, grid: Grid, samples: int, seed: int, first: int, values: Mapping[str, float]) -> Tensor:
        at_start = evaluate_text(self.text, grid, torch.zeros(1, dtype=torch.float64), values)
        return at_start.expand(samples, *grid.shape).clone()


def evaluate_text(
    text: str, grid: Grid, times: Float[Tensor, " time"], values: Mapping[str, float]
) -> Float[Tensor, "time *grid"]:
    """A function of the coordinates, t and parameters, given as text, on a grid at `times`; float64."""
    from limitlab.problems.compiled.periodic_terms import torch_function
    from limitlab.problems.text.grammar import parse_expression

    function = torch_function(parse_expression(text, parameters=list(values), dimension=grid.dimension))
    numbers = {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}
    points = dict(zip(grid.names, grid.points()[None].unbind(-1), strict=True))
    result = function({**numbers, **points, "t": times.reshape(-1, *(1,) * grid.dimension)}, _no_derivative)
    return torch.as_tensor(result, dtype=torch.float64) + torch.zeros(len(times), *grid.shape, dtype=torch.float64)


def _no_derivative(values: Tensor, axis: str, order: int) -> Tensor:
    raise AssertionError("a text without fields has no derivatives")
