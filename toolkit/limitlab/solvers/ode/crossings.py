"""All sign changes of a function along a step, bracketed: first on a polynomial through some of its values.

The continuous extension of a method is a polynomial of degree d in the fraction theta of the step, and so is every
affine function of the state. Its coefficients follow from d + 1 values, and

    no sign change            where all its Bernstein coefficients on [0, 1] have one sign,
    at most one between       two neighbouring zeros of its derivative,

where the function itself is then evaluated: for such functions no crossing is missed. For others the polynomial is
believed up to `TRUST` times what it misses a further value by; one that misses by more than `MISS` of the largest value
is no guide, and the function is looked at in `FINE` fractions. Two crossings of such a function that are closer than
that can still be missed. Source: Farouki & Rajan 1987 (Bernstein coefficients).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

TRUST, MISS, FINE = 10.0, 1e-4, 32
PROBE = 0.5 * (math.sqrt(5) - 1)  # a fraction that is no node
HALVINGS = 40
NEAR = 1e-11  # to an end: the value there is known, and another one differs by rounding

Along = Callable[[Float[Tensor, "*point batch 1"]], Float[Tensor, "*point batch 1"]]


class Bracket(NamedTuple):
    """Where `here`, the function goes from the sign of `before`, at `low`, to the other or to zero, at `high`."""

    low: Float[Tensor, "batch 1"]
    high: Float[Tensor, "batch 1"]
    before: Float[Tensor, "batch 1"]
    here: Bool[Tensor, "batch 1"]


@torch.no_grad()
def brackets(
    function: Along,
    ends: tuple[Tensor, Tensor],
    degree: int,
    *,
    moved: Bool[Tensor, "batch 1"],
    up: bool = True,
    down: bool = True,
) -> list[Bracket]:
    """Brackets of the crossings that count, in order; each holds one for every sample at the most.

    function: of fractions of the step. ends: its values at both ends, (batch, 1). moved: samples that are looked at.
    A zero counts where it is arrived at, not where it is left.
    """
    first, last = (end.double() for end in ends)
    nodes, to_powers, to_bernstein = _tables(degree, first.device)
    inner = nodes.expand(-1, *first.shape)
    values = function(inner).double()
    table = torch.cat([first, *values[:-1], last], 1)
    powers = table @ to_powers.T
    miss = (_at(powers, inner[-1]) - values[-1]).abs()
    bernstein = table @ to_bernstein.T
    margin = TRUST * miss
    apart = ~moved | (bernstein.amin(1, keepdim=True) > margin) | (bernstein.amax(1, keepdim=True) < -margin)
    if bool(apart.all()):
        return []
    extra = turning_points(powers).T[..., None]
    if bool((~apart & ~(miss <= MISS * table.abs().amax(1, keepdim=True))).any()):
        fine = torch.arange(1, FINE, dtype=torch.float64, device=first.device) / FINE
        extra = torch.cat([extra, fine[:, None, None].expand(-1, *first.shape)])
    more = torch.where(extra < NEAR, first, torch.where(extra > 1 - NEAR, last, function(extra).double()))
    fractions = torch.cat([torch.zeros_like(first), *inner, *extra, torch.ones_like(first)], 1)
    order = torch.argsort(fractions, dim=1, stable=True)
    theta, value = (part.gather(1, order) for part in (fractions, torch.cat([first, *values, *more, last], 1)))
    before, after = value[:, :-1], value[:, 1:]
    here = ~apart & ((up & (before < 0) & (after >= 0)) | (down & (before > 0) & (after <= 0)))
    columns = here.any(0).nonzero()[:, 0].tolist()
    return [
        Bracket(*(part[:, column : column + 1] for part in (theta[:, :-1], theta[:, 1:], before, here)))
        for column in columns
    ]


def turning_points(powers: Float[Tensor, "batch power"]) -> Float[Tensor, "batch point"]:
    """Fractions between which, and the ends, the polynomials of these coefficients of theta^k are monotone.

    The zeros of a derivative lie one between two neighbours of the next derivative's, where it is monotone; where it
    has no zero there, bisection leads to an end of the interval, which does no harm.
    """
    ends = torch.zeros_like(powers[:, :1]), torch.ones_like(powers[:, :1])
    points = powers[:, :0]
    for times in range(powers.shape[1] - 2, 0, -1):
        derivative = powers
        for _ in range(times):
            derivative = derivative[:, 1:] * torch.arange(1, derivative.shape[1], device=powers.device)
        edges = torch.cat([ends[0], points, ends[1]], 1)
        low, high = edges[:, :-1], edges[:, 1:]
        rising = _at(derivative, high) > _at(derivative, low)
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            beyond = (_at(derivative, middle) > 0) == rising
            low, high = torch.where(beyond, low, middle), torch.where(beyond, middle, high)
        points = high
    return points


def _at(powers: Float[Tensor, "batch power"], theta: Float[Tensor, "batch point"]) -> Float[Tensor, "batch point"]:
    value = torch.zeros_like(theta)
    for coefficient in powers.flip(1).split(1, 1):
        value = value * theta + coefficient
    return value


@lru_cache(maxsize=32)
def _tables(degree: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Nodes between 0 and 1 with the probe, (node, 1, 1), and matrices that turn the values at all nodes into

    coefficients of theta^k, and into those of Bernstein's polynomials.
    """
    nodes = torch.tensor([0.5 - 0.5 * math.cos(math.pi * k / degree) for k in range(degree + 1)], dtype=torch.float64)
    powers = torch.linalg.inv(nodes[:, None] ** torch.arange(degree + 1))
    orders = range(degree + 1)
    chosen = torch.tensor([[math.comb(i, k) / math.comb(degree, k) for k in orders] for i in orders]).double()
    inner = torch.cat([nodes[1:-1], nodes.new_tensor([PROBE])])
    return inner[:, None, None].to(device), powers.to(device), (chosen @ powers).to(device)
