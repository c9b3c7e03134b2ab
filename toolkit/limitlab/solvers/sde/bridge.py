"""A Brownian path inside one cell, from W and H of the cell and two normals for every node of its dyadic tree.

In a cell of width h, with x in [0, 1], the path is W x + 6 H x (1-x) plus the nodes' shares: a node of width v adds
sqrt(v) (psi_1 X_1 + psi_2 X_2), the means of the path given what X_1 and X_2 do to W and H of its two halves,

    W_left  = W/2 + 3 H/2 + sqrt(v)/4 X_1,      H_left  = H/4 - sqrt(v)/8 X_1 + sqrt(v/48) X_2,
    W_right = W/2 - 3 H/2 - sqrt(v)/4 X_1,      H_right = H/4 - sqrt(v)/8 X_1 - sqrt(v/48) X_2.

Sources: Levy's construction; Foster, Lyons & Oberhauser 2020 (polynomials, and the split of W and H).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Node = tuple[Float[Tensor, "steps lane level"], Bool[Tensor, "steps lane level"], Float[Tensor, " level"]]


def node_at(
    x: Float[Tensor, "steps lane"], count: Float[Tensor, " level"]
) -> tuple[Tensor, Float[Tensor, "steps lane level"], Bool[Tensor, "steps lane level"]]:
    """Of every level of `count` nodes: which node holds the fraction x of a cell, where in its half, and in which."""
    at = x[..., None]
    index = torch.minimum((at * count).floor(), count - 1)  # x = 1 belongs to the last node
    local = 2 * (at * count - index)
    right = local > 1
    return index, local - right.double(), right


def bridged(
    w: Float[Tensor, "steps batch noise"],
    h: Float[Tensor, "steps batch noise"],
    normals: Float[Tensor, "steps 2 batch noise level"],
    *,
    x: Float[Tensor, "steps lane"],
    width: Float[Tensor, "steps lane"],
    node: Node,
    area: bool,
) -> tuple[Float[Tensor, "steps batch noise"], Float[Tensor, "steps batch noise"]]:
    """W, and its integral if asked (else W again), from the start of cells of this width to the fraction x of them.

    node: where x lies in the halves of its nodes, whether in the right ones, and how many nodes a level has.
    """
    (y, right, count), width, at = node, width[..., None], x[..., None]
    node_width = width / count
    size, bow = node_width.sqrt(), y * (1 - y)
    first = size * (torch.where(right, 1 - y, y) / 4 - 0.75 * bow)
    second = size * (math.sqrt(0.75) * bow)
    value = torch.addcmul(w * at, h, 6 * at * (1 - at)) + _over_levels(first, second.where(~right, -second), normals)
    if not area:
        return value, value
    run, size = y * y * (0.5 - y / 3), size * node_width
    first = size * (torch.where(right, y - y * y / 2, y * y / 2) / 8 - 0.375 * run)
    second = size * (math.sqrt(3) / 4) * torch.where(right, 1 / 6 - run, run)
    parabola = w * (at * at / 2) + h * (at * at * (3 - 2 * at))
    return value, width * parabola + _over_levels(first, second, normals)


def _over_levels(first: Tensor, second: Tensor, normals: Tensor) -> Float[Tensor, "steps batch noise"]:
    """Sum over the last axis, whose order of summation does not depend on the other axes."""
    return torch.addcmul(first[:, :, None] * normals[:, 0], second[:, :, None], normals[:, 1]).sum(-1)
