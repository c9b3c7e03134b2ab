"""Vector fields that learn: what stands on the right of y' = f(t, y)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, check_number, one_of

ACTIVATIONS = {"tanh": nn.Tanh, "softplus": nn.Softplus, "silu": nn.SiLU, "relu": nn.ReLU}


class MLPField(nn.Module):
    """f(t, y) = s tanh(MLP(y)) for y (batch, state): smooth, bounded, and as fast as the learned scale s allows.

    hidden layers: `depth` of `width` units. activation: one of ACTIVATIONS; a kink, as that of "relu", costs steps.
    with_time: t is an input too. bounded: False leaves the last layer linear. Source: Kidger, On Neural Differential
    Equations (2022), 2.3 and the examples of its library (a bound that is learned).

    >>> ll.neural_des.ode.MLPField(2, width=8)(torch.zeros(4, 1), torch.ones(4, 2)).shape
    torch.Size([4, 2])
    """

    def __init__(
        self,
        state: int,
        width: int = 64,
        depth: int = 2,
        *,
        activation: str = "softplus",
        with_time: bool = False,
        bounded: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        state = int(check_number("state", state, low=1, integer=True))
        width = int(check_number("width", width, low=1, integer=True))
        depth = int(check_number("depth", depth, low=1, integer=True))
        kind = ACTIVATIONS[one_of("activation", activation, ACTIVATIONS)]
        self.state, self.with_time = state, with_time
        sizes = [state + with_time, *[width] * depth]
        with seeded(seed):
            layers = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), kind())]
            self.layers = nn.Sequential(*layers, nn.Linear(width, state))
        self.scale = nn.Parameter(torch.ones(())) if bounded else None

    def forward(self, t: Float[Tensor, "batch 1"], y: Float[Tensor, "batch state"]) -> Float[Tensor, "batch state"]:
        if y.shape[-1] != self.state:
            raise InvalidArgument(f"the field is of states (batch, {self.state}); got {tuple(y.shape)}")
        inputs = torch.cat([y, t.expand(len(y), 1)], dim=-1) if self.with_time else y
        slope = self.layers(inputs)
        return slope if self.scale is None else self.scale * torch.tanh(slope)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Weights that are drawn inside come from the seed; torch's own generator goes on as if nothing was drawn."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(check_number("seed", seed, low=0, high=2**63 - 1, integer=True)))
        yield
