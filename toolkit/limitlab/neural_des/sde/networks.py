"""Networks for drift and diffusion: of time and state, bounded at their end; and one network for each component."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from limitlab.errors import InvalidArgument, check_number
from limitlab.layers.perceptron import perceptron
from limitlab.saved import Saved
from limitlab.training.streams import seeded


class TimeField(Saved):
    """A network of (t, z), z (batch, inputs) -> (batch, *outputs): a drift (state,), or a diffusion (state, noise).

    hidden layers: `depth` of `width` units. activation: a name of `limitlab.layers.perceptron`. end: "tanh" and
    "sigmoid" bound the values, "none" does not. What is bounded cannot make a solution blow up.

    >>> ll.neural_des.sde.TimeField(3, (3, 2), width=8)(torch.zeros(5, 1), torch.ones(5, 3)).shape
    torch.Size([5, 3, 2])
    """

    def __init__(
        self,
        inputs: int,
        outputs: tuple[int, ...],
        width: int = 16,
        depth: int = 1,
        *,
        activation: str = "lipswish",
        end: str = "tanh",
        seed: int = 0,
    ) -> None:
        super().__init__()
        inputs = int(check_number("inputs", inputs, low=1, integer=True))
        width = int(check_number("width", width, low=1, integer=True))
        depth = int(check_number("depth", depth, low=1, integer=True))
        if not outputs or any(int(size) < 1 for size in outputs):
            raise InvalidArgument(f"outputs must be a shape such as (state,) or (state, noise); got {outputs!r}")
        self.shape = tuple(int(size) for size in outputs)
        with seeded(seed):
            sizes = [1 + inputs, *[width] * depth, torch.Size(self.shape).numel()]
            self.layers = perceptron(sizes, activation, end)

    def forward(
        self, t: Float[Tensor, "*batch 1"], z: Float[Tensor, "batch inputs"]
    ) -> Float[Tensor, "batch *outputs"]:
        flat = self.layers(torch.cat([t.expand(len(z), 1), z], dim=-1))
        return flat if len(self.shape) == 1 else flat.unflatten(-1, self.shape)


class ComponentwiseField(Saved):
    """g_i(z_i) in (low, high), a network of one hidden layer for each component: diagonal noise that is diagonal.

    low > 0: the KL divergence of two drifts divides by it.
    Source: Li, Wong, Chen & Duvenaud, Scalable gradients for stochastic differential equations (2020), appendix.

    >>> field, z = ll.neural_des.sde.ComponentwiseField(3), torch.randn(5, 3)
    >>> bool((field(torch.zeros(5, 1), z) > 0.01).all())
    True
    """

    def __init__(self, state: int, width: int = 16, low: float = 0.01, high: float = 1.0, *, seed: int = 0) -> None:
        super().__init__()
        state = int(check_number("state", state, low=1, integer=True))
        width = int(check_number("width", width, low=1, integer=True))
        self.low = float(check_number("low", low, low=0.0))
        self.range = float(check_number("high", high, low=self.low)) - self.low
        if not self.low > 0 or not self.range > 0:
            raise InvalidArgument(f"low must be positive and below high; got {low!r} and {high!r}")
        generator = torch.Generator().manual_seed(seed)
        self.first = nn.Parameter(torch.randn(state, width, generator=generator))
        self.shift = nn.Parameter(torch.randn(state, width, generator=generator))
        self.second = nn.Parameter(torch.randn(state, width, generator=generator) / width**0.5)
        self.offset = nn.Parameter(torch.zeros(state))

    def forward(self, t: Float[Tensor, "*batch 1"], z: Float[Tensor, "batch state"]) -> Float[Tensor, "batch state"]:
        hidden = functional.softplus(torch.addcmul(self.shift, z[..., None], self.first))
        return self.low + self.range * torch.sigmoid((hidden * self.second).sum(-1) + self.offset)
