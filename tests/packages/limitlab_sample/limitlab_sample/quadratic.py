"""A quadratic polynomial of the values at each point: the same function on every grid, and blind to its neighbours."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from limitlab.operators import Operator, Task
from limitlab.saved import Saved


class Quadratic(Saved):
    """a + b u + c u^2, each a linear map of the channels: (batch, channel, *grid) to the same."""

    def __init__(self, in_channels: int, out_channels: int, dimension: int = 2) -> None:
        super().__init__()
        shape = (3, out_channels, in_channels)
        self.coefficients = nn.Parameter(torch.randn(shape) / in_channels)

    def forward(self, u: Tensor) -> Tensor:
        powers = torch.stack([torch.ones_like(u), u, u * u])
        return torch.einsum("poi,pbi...->bo...", self.coefficients, powers)


def quadratic(task: Task, _settings: Any) -> Quadratic:
    """The polynomial of a task's channels."""
    return Quadratic(task.in_channels, task.out_channels, task.dimension)


ROWS = (Operator("quadratic", "quadratic polynomial at each point", Quadratic, quadratic),)
