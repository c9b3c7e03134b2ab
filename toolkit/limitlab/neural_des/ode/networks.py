"""Perceptrons for fields that have a structure: an acceleration, and an energy."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from limitlab.layers.perceptron import perceptron
from limitlab.saved import Saved
from limitlab.training.streams import seeded

ACTIVATION = "tanh"


class Acceleration(Saved):
    """a(y, v) of the state (y, v), as a perceptron: (batch, 2 n) -> (batch, n).

    >>> ll.neural_des.ode.Acceleration(2, 8, 1)(torch.zeros(5, 1), torch.zeros(5, 4)).shape
    torch.Size([5, 2])
    """

    def __init__(self, features: int, width: int, depth: int, seed: int = 0) -> None:
        super().__init__()
        with seeded(seed):
            self.layers = perceptron([2 * features, *[width] * depth, features], ACTIVATION)

    def forward(self, t: Float[Tensor, "batch 1"], y: Float[Tensor, "batch state"]) -> Float[Tensor, "batch half"]:
        return self.layers(y)


class Energy(Saved):
    """H(q, p), as a perceptron: (batch, 2 n) -> (batch, 1).

    >>> ll.neural_des.ode.Energy(2, 8, 1)(torch.zeros(5, 2)).shape
    torch.Size([5, 1])
    """

    def __init__(self, features: int, width: int, depth: int, seed: int = 0) -> None:
        super().__init__()
        with seeded(seed):
            self.layers = perceptron([features, *[width] * depth, 1], ACTIVATION)

    def forward(self, y: Float[Tensor, "batch state"]) -> Float[Tensor, "batch 1"]:
        return self.layers(y)
