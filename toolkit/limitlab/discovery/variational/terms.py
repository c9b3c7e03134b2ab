"""Terms of an energy's density L(x, y, z): each with its derivatives, its divergence and its second derivatives' reach.

For a term l the flux is - l_z, and div l_z(x, u, grad u) follows in closed form from the jet of u: its value, gradient,
second derivatives u_ii and (grad u)^T H grad u, which are enough for all terms here and need no matrix. Source: Marwah,
Lipton, Lu, Risteski, arXiv 2210.12101; E, Yu, The deep Ritz method (2018).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import check_number

Points = Float[Tensor, "*point dimension"]
Values = Float[Tensor, "*point"]
Density = Callable[[Points, Values, Points], Tensor]


class Jet(NamedTuple):
    """A function at points: u (*point), grad u and the second derivatives u_ii (*point, d), (grad u)^T H grad u.

    >>> ll.discovery.variational.cosines(2).jet(torch.zeros(1, 2)).curvature.shape
    torch.Size([1, 2])
    """

    value: Values
    slope: Points
    curvature: Points
    bend: Values


class Reach(NamedTuple):
    """Smallest and largest second derivative: in the value y and in the slope z."""

    value: tuple[float, float] = (0.0, 0.0)
    slope: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Term:
    """One summand of L; what it does not depend on is None. reach(r): its second derivatives while |u| <= r."""

    density: Density
    reach: Callable[[float], Reach]
    in_value: Density | None = None
    in_slope: Density | None = None
    divergence: Callable[[Points, Jet], Values] | None = None


def conduction(contrast: float = 0.0) -> Term:
    """a(x) |z|^2 / 2 with a = 1 + contrast cos(2 pi x_1), which keeps both walls free and is periodic.

    >>> ll.discovery.variational.conduction(0.5).reach(1.0).slope
    (0.5, 1.5)
    """
    contrast = check_number("contrast", contrast, low=0, high=0.99)
    turn = 2 * math.pi

    def conductivity(x: Points) -> Values:
        return 1 + contrast * torch.cos(turn * x[..., 0])

    def divergence(x: Points, jet: Jet) -> Values:
        along = -turn * contrast * torch.sin(turn * x[..., 0]) * jet.slope[..., 0]
        return conductivity(x) * jet.curvature.sum(-1) + along

    return Term(
        lambda x, y, z: conductivity(x) * z.square().sum(-1) / 2,
        lambda largest: Reach(slope=(1 - contrast, 1 + contrast)),
        in_slope=lambda x, y, z: conductivity(x)[..., None] * z,
        divergence=divergence,
    )


def reaction(rate: float = 1.0) -> Term:
    """c y^2 / 2.

    >>> ll.discovery.variational.reaction(2.0).reach(1.0).value
    (2.0, 2.0)
    """
    rate = check_number("rate", rate, low=0)
    return Term(
        lambda x, y, z: rate * y.square() / 2,
        lambda largest: Reach(value=(rate, rate)),
        in_value=lambda x, y, z: rate * y,
    )


def quartic(beta: float = 1.0) -> Term:
    """beta y^4 / 4: the cubic equation of a semilinear problem.

    >>> ll.discovery.variational.quartic(5.0).reach(1.0).value
    (0.0, 15.0)
    """
    beta = check_number("beta", beta, low=0)
    return Term(
        lambda x, y, z: beta * y**4 / 4,
        lambda largest: Reach(value=(0.0, float(3 * beta * largest**2))),
        in_value=lambda x, y, z: beta * y**3,
    )


def log_cosh(alpha: float = 1.0, scale: float = 1.0) -> Term:
    """alpha sum_i log cosh(s z_i) / s^2: a flux that saturates, alpha tanh(s z) / s.

    >>> ll.discovery.variational.log_cosh(4.0).reach(1.0).slope
    (0.0, 4.0)
    """
    alpha = check_number("alpha", alpha, low=0)
    scale = check_number("scale", scale, low=1e-6)

    def density(x: Points, y: Values, z: Points) -> Values:
        # log cosh t = t + log(1 + e^(-2t)) - log 2, without the overflow of cosh
        t = (scale * z).abs()
        return alpha / scale**2 * (t + torch.log1p(torch.exp(-2 * t)) - math.log(2)).sum(-1)

    return Term(
        density,
        lambda largest: Reach(slope=(0.0, alpha)),
        in_slope=lambda x, y, z: alpha / scale * torch.tanh(scale * z),
        divergence=lambda x, jet: alpha * ((1 - torch.tanh(scale * jet.slope).square()) * jet.curvature).sum(-1),
    )


def area(alpha: float = 1.0) -> Term:
    """alpha sqrt(1 + |z|^2): the area of the graph of u.

    >>> ll.discovery.variational.area(2.0).reach(1.0).slope
    (0.0, 2.0)
    """
    alpha = check_number("alpha", alpha, low=0)

    def size(z: Points) -> Values:
        return (1 + z.square().sum(-1)).sqrt()

    return Term(
        lambda x, y, z: alpha * size(z),
        lambda largest: Reach(slope=(0.0, alpha)),
        in_slope=lambda x, y, z: alpha * z / size(z)[..., None],
        divergence=lambda x, jet: alpha * (jet.curvature.sum(-1) / size(jet.slope) - jet.bend / size(jet.slope) ** 3),
    )


def power(q: float = 3.0, floor: float = 0.1) -> Term:
    """(eps^2 + |z|^2)^(q/2) / q: the p-Laplacian, kept from degenerating by eps = floor.

    Outside of the theory unless q = 2: its second derivatives have no upper bound for q > 2 and no lower one for q < 2.

    >>> ll.discovery.variational.power(4.0).reach(1.0).slope[1]
    inf
    """
    q, floor = check_number("q", q, low=1.5, high=4), check_number("floor", floor, low=1e-3)
    edge = floor ** (q - 2)

    def size(z: Points) -> Values:
        return floor**2 + z.square().sum(-1)

    def divergence(x: Points, jet: Jet) -> Values:
        w = size(jet.slope)
        return w ** (q / 2 - 1) * jet.curvature.sum(-1) + (q - 2) * w ** (q / 2 - 2) * jet.bend

    return Term(
        lambda x, y, z: size(z) ** (q / 2) / q,
        lambda largest: Reach(slope=(1.0, 1.0) if q == 2 else (edge, math.inf) if q > 2 else (0.0, edge)),
        in_slope=lambda x, y, z: size(z)[..., None] ** (q / 2 - 1) * z,
        divergence=divergence,
    )


def boltzmann(kappa: float = 1.0) -> Term:
    """kappa cosh y: the charges of Poisson and Boltzmann.

    >>> round(ll.discovery.variational.boltzmann(2.0).reach(1.0).value[1], 3)
    3.086
    """
    kappa = check_number("kappa", kappa, low=0)
    return Term(
        lambda x, y, z: kappa * torch.cosh(y),
        lambda largest: Reach(value=(kappa, kappa * math.cosh(largest))),
        in_value=lambda x, y, z: kappa * torch.sinh(y),
    )
