"""Energies whose minimisers solve a PDE on the unit cube: terms that add up, six instances, right-hand sides to order.

    E(u) = int L(x, u, grad u) - f u dx,      DE(u) = - div L_z(x, u, grad u) + L_y(x, u, grad u) = f

L(x, y, z) is a sum of terms. A term knows its density, its derivatives in y and z, the divergence of its flux L_z along
a function in closed form, and how far its second derivatives reach: m <= D^2 L <= M gives, in the norm of H^1,

    m/2 |u - u*|^2 <= E(u) - E(u*) <= M/2 |u - u*|^2.

A solution u* is chosen first, and f = DE(u*) follows from its jet. Source: Marwah, Lipton, Lu, Risteski, Neural network
approximations of PDEs beyond linearity, arXiv 2210.12101; E, Yu, The deep Ritz method (2018).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.discovery.variational.terms import (
    Jet,
    Points,
    Term,
    Values,
    area,
    boltzmann,
    conduction,
    log_cosh,
    power,
    quartic,
    reaction,
)
from limitlab.errors import InvalidArgument, check_number, one_of, unknown_name


@dataclass(frozen=True)
class Energy:
    """L as a sum of terms: its density, its derivatives in the value and the slope, DE on a jet, and m and M.

    >>> v = ll.discovery.variational
    >>> energy = v.instance("V2", beta=5.0)
    >>> x = torch.rand(4, 3)
    >>> energy.operator(x, v.cosines(3).jet(x)).shape
    torch.Size([4])
    >>> energy.bounds(1.0)
    (1.0, 16.0)
    """

    terms: tuple[Term, ...]

    def density(self, x: Points, y: Values, z: Points) -> Values:
        """L(x, y, z)."""
        return _sum(term.density(x, y, z) for term in self.terms)

    def in_value(self, x: Points, y: Values, z: Points) -> Values:
        """L_y(x, y, z)."""
        return _sum((term.in_value(x, y, z) for term in self.terms if term.in_value), torch.zeros_like(y))

    def in_slope(self, x: Points, y: Values, z: Points) -> Points:
        """L_z(x, y, z), minus which is the flux."""
        return _sum((term.in_slope(x, y, z) for term in self.terms if term.in_slope), torch.zeros_like(z))

    def operator(self, x: Points, jet: Jet) -> Values:
        """DE(u) at the points, from the jet of u."""
        zero = torch.zeros_like(jet.value)
        divergence = _sum((term.divergence(x, jet) for term in self.terms if term.divergence), zero)
        return self.in_value(x, jet.value, jet.slope) - divergence

    def bounds(self, largest: float = 1.0) -> tuple[float, float]:
        """m and M of the energy in H^1, for functions with |u| <= largest; 0 and infinity where there is none."""
        reaches = [term.reach(largest) for term in self.terms]
        low = min(sum(reach.value[0] for reach in reaches), sum(reach.slope[0] for reach in reaches))
        return low, max(sum(reach.value[1] for reach in reaches), sum(reach.slope[1] for reach in reaches))

    def plus(self, *terms: Term) -> Energy:
        """The energy with further terms."""
        return Energy((*self.terms, *terms))


class Instance(NamedTuple):
    """A row of the table: its terms by parameters, the equation, and the exponent p of the theory."""

    title: str
    equation: str
    growth: str
    build: Callable[..., tuple[Term, ...]]
    parameters: dict[str, float]


INSTANCES: dict[str, Instance] = {
    "V1": Instance(
        "linear",
        r"-\nabla\cdot(a\nabla u) + cu = f",
        "1",
        lambda contrast, rate: (conduction(contrast), reaction(rate)),
        {"contrast": 0.0, "rate": 1.0},
    ),
    "V2": Instance(
        "semilinear",
        r"-\Delta u + u + \beta u^3 = f",
        "3",
        lambda beta: (conduction(), reaction(), quartic(beta)),
        {"beta": 1.0},
    ),
    "V3": Instance(
        "quasilinear",
        r"-\Delta u - \alpha\nabla\cdot\tanh(s\nabla u)/s + u = f",
        "analytic",
        lambda alpha, scale: (conduction(), reaction(), log_cosh(alpha, scale)),
        {"alpha": 1.0, "scale": 1.0},
    ),
    "V4": Instance(
        "area-like",
        r"-\nabla\cdot(\nabla u\,(1 + \alpha/\sqrt{1+|\nabla u|^2})) + u = f",
        "analytic",
        lambda alpha: (conduction(), reaction(), area(alpha)),
        {"alpha": 1.0},
    ),
    "V5": Instance(
        "p-Laplacian",
        r"-\nabla\cdot((\varepsilon^2+|\nabla u|^2)^{q/2-1}\nabla u) = f",
        "q - 1",
        lambda q, floor: (power(q, floor),),
        {"q": 3.0, "floor": 0.1},
    ),
    "V6": Instance(
        "Poisson-Boltzmann",
        r"-\Delta u + \kappa\sinh u = f",
        "analytic",
        lambda kappa: (conduction(), boltzmann(kappa)),
        {"kappa": 1.0},
    ),
}


def instance(name: str, **parameters: float) -> Energy:
    """The energy of a row of `INSTANCES`, parameters that are left out at their defaults. Raises UnknownName.

    >>> ll.discovery.variational.instance("V3", alpha=4.0).bounds()
    (1.0, 5.0)
    """
    row = INSTANCES[one_of("instance", name, INSTANCES)]
    for parameter in parameters:
        if parameter not in row.parameters:
            raise unknown_name(f"parameter of {name}", parameter, row.parameters)
    return Energy(row.build(**{**row.parameters, **parameters}))


@dataclass(frozen=True)
class Target:
    """A solution that is chosen first: its values, and its jets, at points (*point, d).

    >>> v = ll.discovery.variational
    >>> round(v.cosines(2).value(torch.zeros(1, 2)).item(), 4)
    1.4142
    """

    dimension: int
    value: Callable[[Points], Values]
    jet: Callable[[Points], Jet]


def cosines(dimension: int, half_waves: int = 1) -> Target:
    """u* = d^(-1/2) sum_i cos(pi h x_i), of L2 norm 2^(-1/2) for every d; h = 1 for Neumann walls, 2 for a period.

    >>> u = ll.discovery.variational.cosines(4, half_waves=2)
    >>> u.value(torch.full((1, 4), 0.5)).item()
    -2.0
    """
    dimension = int(check_number("dimension", dimension, low=1, integer=True))
    wave = math.pi * int(check_number("half_waves", half_waves, low=1, integer=True))
    share = dimension**-0.5

    def jet(x: Points) -> Jet:
        cosine, sine = share * torch.cos(wave * x), share * torch.sin(wave * x)
        slope, curvature = -wave * sine, -(wave**2) * cosine
        return Jet(cosine.sum(-1), slope, curvature, (slope.square() * curvature).sum(-1))

    return Target(dimension, lambda x: share * torch.cos(wave * x).sum(-1), jet)


def from_function(u: Callable[[Float[Tensor, " d"]], Float[Tensor, ""]], dimension: int) -> Target:
    """Any twice differentiable function of one point, its jets by automatic differentiation: d^2 numbers a point.

    >>> square = ll.discovery.variational.from_function(lambda x: x.square().sum(), 3)
    >>> square.jet(torch.ones(1, 3)).bend.item()
    24.0
    """
    dimension = int(check_number("dimension", dimension, low=1, integer=True))

    def at_point(x: Tensor) -> Jet:
        slope, hessian = torch.func.grad(u)(x), torch.func.hessian(u)(x)
        return Jet(u(x), slope, hessian.diagonal(), slope @ hessian @ slope)

    def jet(x: Points) -> Jet:
        if x.shape[-1] != dimension:
            raise InvalidArgument(f"x must end in the dimension {dimension}; got shape {tuple(x.shape)}")
        parts = torch.func.vmap(at_point)(x.reshape(-1, dimension))
        return Jet(*(part.reshape(*x.shape[:-1], *part.shape[1:]) for part in parts))

    return Target(dimension, lambda x: torch.func.vmap(u)(x.reshape(-1, dimension)).reshape(x.shape[:-1]), jet)


def manufactured(energy: Energy, target: Target) -> Callable[[Points], Values]:
    """f = DE(u*), by which the energy's minimiser is the target (with natural, periodic or its own boundary values).

    >>> v = ll.discovery.variational
    >>> f = v.manufactured(v.instance("V1"), v.cosines(1))
    >>> bool((f(torch.zeros(1, 1)) - (1 + torch.pi**2)).abs() < 1e-5)
    True
    """
    return lambda x: energy.operator(x, target.jet(x))


def _sum(summands, start=None):
    """The sum without the zero that `sum` begins with."""
    total = start
    for summand in summands:
        total = summand if total is None else total + summand
    return total
