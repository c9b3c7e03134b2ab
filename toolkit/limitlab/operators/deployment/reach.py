"""How far an operator sees, measured: the points of the input on which one point of the output depends."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.cards import Card
from limitlab.operators import catalogue
from limitlab.operators.row import count_parameters


def receptive_field(model: nn.Module, example: Float[Tensor, "batch in_channels *grid"]) -> tuple[int, ...]:
    """Points along every axis, from the first to the last, that the output in the middle of the grid depends on.

    By the gradient there at the first sample of the example: a map whose gradient vanishes at it shows nothing. A
    normalisation over the grid sees all of it.

    >>> blur = torch.nn.Conv1d(1, 1, 5, padding=2)
    >>> ll.operators.deployment.receptive_field(blur, torch.randn(1, 1, 32))
    (5,)
    """
    u = example[:1].detach().clone().requires_grad_()
    with torch.enable_grad():
        output = model(u)
        middle = tuple(size // 2 for size in output.shape[2:])
        if not output.requires_grad:
            return (0,) * (u.ndim - 2)
        (slope,) = torch.autograd.grad(output[0][(..., *middle)].sum(), u, materialize_grads=True)
    touched = (slope[0] != 0).any(0)
    reach = []
    for axis in range(touched.ndim):
        others = [other for other in range(touched.ndim) if other != axis]
        along = touched.any(dim=others) if others else touched
        seen = along.nonzero().flatten()
        reach.append(int(seen[-1] - seen[0]) + 1 if len(seen) else 0)
    return tuple(reach)


def describe(model: nn.Module, example: Float[Tensor, "batch in_channels *grid"]) -> Card:
    """Parameters, receptive field and resolution of an operator, at an example of its input.

    >>> print(ll.operators.deployment.describe(ll.operators.Persistence(), torch.randn(1, 1, 64)))
    Persistence
      parameters       0
      receptive field  1 of 64 points
      resolution       any grid
    """
    rows = (row for row in catalogue.OPERATORS.values() if any(type(part) is row.model for part in model.modules()))
    reach = zip(receptive_field(model, example), example.shape[2:], strict=True)
    facts = [
        ("parameters", f"{count_parameters(model):,}"),
        ("receptive field", " x ".join(f"{seen} of {points}" for seen, points in reach) + " points"),
    ]
    row = next(rows, None)
    if row is not None:
        points = catalogue.points_of(model)
        free = row.resolution if not row.fixed else "any grid"
        facts.append(("resolution", free if points is None else f"the grid {points} alone"))
    return Card(type(model).__name__, tuple(facts))
