"""Linear maps with an activation between them, and those activations that vector fields are made of: no kinks but one.

A kink in a field, as ReLU makes, costs an adaptive solver steps; a slope of at most one keeps what is built from the
maps from growing faster than they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from limitlab.errors import one_of

LIPSWISH = 0.909
"""One over the largest slope of y sigmoid(y), rounded down."""


class LipSwish(nn.Module):
    """0.909 y sigmoid(y): smooth, with slopes of at most one.

    Source: Chen, Behrmann, Duvenaud & Jacobsen, Residual flows (2019).

    >>> x = torch.linspace(-5, 5, 1001, requires_grad=True)
    >>> slope = torch.autograd.grad(ll.neural_des.sde.LipSwish()(x).sum(), x)[0]
    >>> 0.99 < float(slope.max()) <= 1
    True
    """

    def forward(self, y: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return LIPSWISH * functional.silu(y)


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
    "silu": nn.SiLU,
    "lipswish": LipSwish,
    "relu": nn.ReLU,
}
ENDS: dict[str, type[nn.Module]] = {"none": nn.Identity, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def perceptron(sizes: Sequence[int], activation: str, end: str = "none") -> nn.Sequential:
    """Linear maps of these sizes, two or more, with the activation between them and `end` after the last.

    activation: one of ACTIVATIONS; end: one of ENDS. Raises UnknownName.

    >>> from limitlab.layers.perceptron import perceptron
    >>> perceptron([2, 8, 1], "tanh", "sigmoid")(torch.zeros(5, 2)).shape
    torch.Size([5, 1])
    """
    kind, last = ACTIVATIONS[one_of("activation", activation, ACTIVATIONS)], ENDS[one_of("end", end, ENDS)]
    inner = [part for a, b in pairwise(sizes[:-1]) for part in (nn.Linear(a, b), kind())]
    return nn.Sequential(*inner, nn.Linear(sizes[-2], sizes[-1]), last())
