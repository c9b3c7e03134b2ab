"""Burgers' equation from -sin(pi x) on [-1, 1]: the standard test of physics-informed networks, and its solution.

    u_t + u u_x = nu u_xx,    u(x, 0) = -sin(pi x),    u(-1, t) = u(1, t) = 0
    u = -int sin(pi (x - e)) F(x - e) exp(-e^2/(4 nu t)) de / int F(x - e) exp(-e^2/(4 nu t)) de,
    F(y) = exp(-cos(pi y)/(2 pi nu))

by Gauss-Hermite quadrature in e/sqrt(4 nu t). The exponents reach 1/(2 pi nu), so the largest is taken out first.
120 nodes are enough for nu t >= 0.005, below which the weight is narrower than what the nodes resolve of F.

Source: Cole, On a quasi-linear parabolic equation (1951); Basdevant et al., Computers & Fluids 14 (1986).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number
from limitlab.problems import get
from limitlab.problems.pde.laws import TextLaw
from limitlab.problems.pde.periodic import PeriodicProblem

NODES = 120
INITIAL = "-sin(pi*x)"
ENDS = (-1.0, 1.0)


def burgers_from_sine(nu: float, span: float = 1.0) -> PeriodicProblem:
    """The catalogue's Burgers equation on [-1, 1], where it begins as -sin(pi x) and so stays zero at the walls.

    >>> ll.discovery.pinn.burgers_from_sine(0.05).starts
    (-1.0,)
    """
    problem = get("burgers", nu=nu, length=ENDS[1] - ENDS[0], span=span)
    return dataclasses.replace(problem, starts=ENDS[:1], initial=TextLaw(INITIAL))


def burgers_solution(points: Float[Tensor, "point axis"], nu: float) -> Float[Tensor, " point"]:
    """The solution at points (t, x), float64. Raises InvalidArgument for times below 0.

    >>> round(ll.discovery.pinn.burgers_solution(torch.tensor([[0.5, 0.5]]), 0.05).item(), 7)
    -0.5598808
    """
    nu = check_number("nu", nu, low=1e-6)
    if points.dim() != 2 or points.shape[1] != 2 or bool((points[:, 0] < 0).any()):
        raise InvalidArgument(f"points must be (point, 2), of t >= 0 and x; got shape {tuple(points.shape)}")
    t, x = points.double().cpu().unbind(-1)
    nodes, weights = (torch.from_numpy(part) for part in np.polynomial.hermite.hermgauss(NODES))
    origin = x[:, None] - torch.sqrt(4 * nu * t)[:, None] * nodes
    exponent = -torch.cos(math.pi * origin) / (2 * math.pi * nu) + torch.log(weights)
    mass = torch.exp(exponent - exponent.amax(1, keepdim=True))
    return -(torch.sin(math.pi * origin) * mass).sum(1) / mass.sum(1)
