"""Random smooth functions on [0, 1] and their integrals from 0, both in closed form: the same pair on every grid.

    u ~ GP(0, exp(-(x - y)^2 / 2 l^2)),    s(x) = int_0^x u

With z = (x - 1/2)/l the covariance is the sum over k of phi_k(z) phi_k(z'), phi_k(z) = z^k exp(-z^2/2)/sqrt(k!):
its terms are those of exp(z z'). So u = sum_k xi_k phi_k with independent normal xi_k; the integral of phi_k is an
incomplete gamma function. Source: the data of Lu, Jin, Pang, Zhang & Karniadakis (2021), arXiv 1910.03193.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import check_number
from limitlab.labels import labelled
from limitlab.spaces.grid import Grid

if TYPE_CHECKING:
    import xarray


def antiderivatives(
    samples: int, points: int = 100, *, length_scale: float = 0.2, seed: int = 0, first: int = 0
) -> xarray.Dataset:
    """`input` u and `target` s (sample, channel, x) of the functions number `first`, `first + 1`, ..., on nodes.

    Raises InvalidArgument.

    >>> ll.data.antiderivatives(3, 50).sizes["x"]
    50
    """
    samples = int(check_number("samples", samples, low=1, integer=True))
    seed = int(check_number("seed", seed, low=0, integer=True))
    first = int(check_number("first", first, low=0, integer=True))
    length_scale = check_number("length_scale", length_scale, low=0.05, high=10.0)
    grid = Grid.uniform(int(check_number("points", points, low=2, integer=True)), kind="nodes")
    z = (grid.points()[:, 0] - 0.5) / length_scale
    end = torch.full((1,), -0.5 / length_scale, dtype=torch.float64)
    # where the terms of exp(z^2) become smaller than rounding, at the ends
    count = math.ceil(math.e * float(end) ** 2) + 60
    xi = _normals(samples, count, seed, first)
    u = xi @ _functions(z, count)
    s = length_scale * (xi @ (_integrals(z, count) - _integrals(end, count)))
    return labelled(
        {"grid": grid.to_json(), "length_scale": length_scale, "seed": seed},
        input=("sample channel x", u[:, None].float(), "function u"),
        target=("sample channel x", s[:, None].float(), "integral s"),
        sample=("sample", np.arange(first, first + samples), "sample"),
        x=("x", grid.axes[0].points(), "position x"),
    )


def _normals(samples: int, count: int, seed: int, first: int) -> Float[Tensor, "sample term"]:
    """A stream for every sample, so that none depends on how many are drawn beside it."""
    streams = (np.random.default_rng([seed, first + sample, 53]) for sample in range(samples))
    return torch.from_numpy(np.stack([stream.standard_normal(count) for stream in streams]))


def _functions(z: Float[Tensor, " point"], count: int) -> Float[Tensor, "term point"]:
    """phi_k(z), by logarithms: powers and factorials overflow long before their quotient does."""
    k = torch.arange(count, dtype=torch.float64)[:, None]
    # 0 * log 0 in the term k = 0
    logarithm = torch.special.xlogy(k, z.abs()) - z.square() / 2 - torch.lgamma(k + 1) / 2
    return torch.where((k % 2 == 1) & (z < 0), -1.0, 1.0) * logarithm.exp()


def _integrals(z: Float[Tensor, " point"], count: int) -> Float[Tensor, "term point"]:
    """int_0^z phi_k: 2^((k-1)/2) Gamma((k+1)/2) P((k+1)/2, z^2/2) / sqrt(k!), odd in z where k is even."""
    k = torch.arange(count, dtype=torch.float64)[:, None]
    half = (k + 1) / 2
    factor = ((k - 1) / 2 * math.log(2) + torch.lgamma(half) - torch.lgamma(k + 1) / 2).exp()
    share = torch.special.gammainc(*torch.broadcast_tensors(half, z.square() / 2))
    return torch.where((k % 2 == 0) & (z < 0), -1.0, 1.0) * factor * share
