"""Width rates: networks of n random cosines, whose error falls like n^(-1/2) in every dimension.

g = sum_k |g_k| cos(2 pi k.x + arg g_k):   the mean of n waves drawn with probability |g_k| / A, times A = sum |g_k|,
has the expected squared L2 error at most A^2 / n (Barron 1993; Maurey)
exp(-s^2 |x|^2 / 2) = E cos(w.x), w ~ N(0, s^2 I):   the same with a Gaussian of frequencies (Rahimi, Recht 2007)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from limitlab.discovery.variational.dictionary import Dictionary, merged
from limitlab.errors import check_number, check_numbers
from limitlab.labels import labelled

if TYPE_CHECKING:
    import xarray as xr

COUNTS = (16, 64, 256, 1024, 4096)


def random_feature_errors(
    dimension: int, counts: Sequence[int] = COUNTS, *, trials: int = 64, points: int = 256, seed: int = 0
) -> xr.Dataset:
    """RMS error in the unit cube of n random cosines for exp(-s^2 |x|^2 / 2), s = 1.5 d^(-1/2): error (units).

    >>> errors = ll.discovery.variational.random_feature_errors(10, (16, 64, 256), seed=1)
    >>> -0.6 < ll.fits.loglog_slope(errors["units"], errors["error"]) < -0.4
    True
    """
    d = int(check_number("dimension", dimension, low=1, integer=True))
    sizes = [int(n) for n in check_numbers("counts", counts, low=1, integer=True)]
    scale = 1.5 * d**-0.5
    generator = torch.Generator().manual_seed(int(check_number("seed", seed, low=0, integer=True)))
    x = torch.rand(points, d, generator=generator)
    exact = torch.exp(-(scale**2) * x.square().sum(-1) / 2)
    squares = []
    for n in sizes:
        drawn = (scale * torch.randn(n, d, generator=generator) for _ in range(trials))
        squares.append(torch.stack([(torch.cos(x @ w.T).mean(-1) - exact).square().mean() for w in drawn]).mean())
    return labelled(
        error=("units", torch.stack(squares).sqrt(), "RMS error"),
        units=("units", sizes, "cosine units"),
    )


def sampled(u: Dictionary, count: int, *, seed: int = 0) -> Dictionary:
    """A network of `count` cosines drawn from the dictionary's, each as often as its coefficient is large.

    >>> v = ll.discovery.variational
    >>> u = v.wave_sum(6)
    >>> (v.sampled(u, 400) - u).norm(order=0) < 0.3
    True
    """
    count = int(check_number("count", count, low=1, integer=True))
    generator = torch.Generator().manual_seed(int(check_number("seed", seed, low=0, integer=True)))
    size = u.multiplicity * u.coefficients.abs()
    drawn = torch.multinomial(size / size.sum(), count, replacement=True, generator=generator)
    phase = u.coefficients[drawn] / u.coefficients[drawn].abs()
    return merged(u.rows[drawn], phase * size.sum() / (count * u.multiplicity[drawn]))
