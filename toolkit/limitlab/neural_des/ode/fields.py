"""Vector fields that learn: what stands on the right of y' = f(t, y)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.errors import InvalidArgument, check_number
from limitlab.layers.perceptron import perceptron
from limitlab.saved import Saved
from limitlab.training.streams import seeded


class MLPField(Saved):
    """f(t, y) = s tanh(MLP(y)) for y (batch, state): smooth, bounded, and as fast as the learned scale s allows.

    hidden layers: `depth` of `width` units. activation: a name of
    `limitlab.layers.perceptron`; a kink, as that of "relu", costs steps.
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
        self.state, self.with_time = state, with_time
        with seeded(seed):
            self.layers = perceptron([state + with_time, *[width] * depth, state], activation)
        self.scale = nn.Parameter(torch.ones(())) if bounded else None

    def forward(self, t: Float[Tensor, "batch 1"], y: Float[Tensor, "batch state"]) -> Float[Tensor, "batch state"]:
        if y.shape[-1] != self.state:
            raise InvalidArgument(f"the field is of states (batch, {self.state}); got {tuple(y.shape)}")
        inputs = torch.cat([y, t.expand(len(y), 1)], dim=-1) if self.with_time else y
        slope = self.layers(inputs)
        return slope if self.scale is None else self.scale * torch.tanh(slope)
