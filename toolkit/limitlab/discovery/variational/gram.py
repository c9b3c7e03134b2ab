"""The Gram matrix of an energy: what a natural gradient divides by, from the tangents of a network at points.

    G_ij = int  (u_i, grad u_i) . D^2 L(x, u, grad u) (u_j, grad u_j) dx,      u_i = du / d weight_i

is the second derivative of E in the directions in which the weights move u. Along -G^(-1) g the network makes Newton's
step on E, as far as its tangents reach: on a quadratic energy and a network that is linear in its weights, that ends at
the minimum. Source: Mueller, Zeinhofer, Achieving high accuracy with PINNs via energy natural gradient descent (2023).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.discovery.variational.energies import Energy
from limitlab.discovery.variational.networks import WALLS
from limitlab.errors import check_number, one_of
from limitlab.training import natural_gradient
from limitlab.training.recipe import Gram

BLOCK = 16
"""Points that are differentiated together: each of their rows goes back through all of them."""


def ritz_gram(energy: Energy, *, walls: str = "neumann", strength: float = 500.0, points: int | None = None) -> Gram:
    """gram(model, batch) of a `ritz_loss` with the same walls, from the first `points` of the batch, or all of them.

    Four rows a weight, of d + 1 a point, are enough: an error of G makes the step a little worse, and no minimum moves.
    A density that is not convex counts with the convex part of its second derivative, walls with that of their square.
    Raises InvalidArgument and UnknownName.

    >>> v = ll.discovery.variational
    >>> network = v.TwoLayer(2, 8, dtype=torch.float64)
    >>> batch = v.CubePoints(2, 64, dtype=torch.float64).batch(0)
    >>> v.ritz_gram(v.instance("V3"))(network, batch).shape
    torch.Size([33, 33])
    """
    one_of("walls", walls, WALLS)
    strength = check_number("strength", strength, low=0)
    most = None if points is None else int(check_number("points", points, low=1, integer=True))

    def rows(model: Any, batch: Mapping[str, Any]) -> Iterator[Float[Tensor, " row"]]:
        x = batch["x"][:most]
        for part in x.split(BLOCK):
            yield _tangents(energy, model, part) / math.sqrt(len(x))
        if walls in ("penalty", "nitsche"):
            wall, times = batch["wall"], 2 if walls == "penalty" else 1
            # the faces are 2 d, each of area one
            size = math.sqrt(2 * wall.shape[-1] * times * strength / len(wall))
            yield from (size * model.value_and_gradient(part)[0] for part in wall.split(BLOCK))

    def gram(model: Any, batch: Mapping[str, Any]) -> Float[Tensor, "weight weight"]:
        return natural_gradient.gram([p for p in model.parameters() if p.requires_grad], rows(model, batch))

    return gram


def _tangents(energy: Energy, model: Any, x: Float[Tensor, "point d"]) -> Float[Tensor, " row"]:
    """(u, grad u) in the metric of the energy there, as rows whose squares add up."""
    u, gradient = model.value_and_gradient(x)
    jet = torch.cat([u[:, None], gradient], 1)

    def forces(x: Tensor, jet: Tensor) -> Tensor:
        return torch.cat([energy.in_value(x, jet[0], jet[1:])[None], energy.in_slope(x, jet[0], jet[1:])])

    second = torch.vmap(torch.func.jacrev(forces, 1))(x, jet.detach())
    size, basis = torch.linalg.eigh((second + second.mT) / 2)
    root = size.clamp_min(0).sqrt()[:, :, None] * basis.mT
    return torch.einsum("pij,pj->pi", root, jet).flatten()
