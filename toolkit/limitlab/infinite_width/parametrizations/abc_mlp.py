"""Multilayer perceptrons that hold the trained weights w of an abc-parametrisation and apply n^(-a) as they run.

    W^l = m^(-a_l) w^l,    w^l ~ N(0, m^(-2 b_l) s_l^2),    rate eta m^(-c),    m = n/n_0,

with s_1 = 1 on inputs divided by the root of their number and s_l = n_0^(-1/2) above. So all parametrisations are one
network at the base width n_0, and with n_0 = 1 this is the definition of `parametrization`. There are no biases, and no
default of torch draws a weight.

Source: Yang, Hu, Feature learning in infinite-width neural networks, arXiv 2011.14522.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from limitlab.errors import InvalidArgument, check_number
from limitlab.infinite_width.limit import activations
from limitlab.infinite_width.limit.activations import Activation
from limitlab.infinite_width.parametrizations.abc import ABC
from limitlab.layers.precision import require_dtype
from limitlab.saved import Saved


class ABCMLP(Saved):
    """(batch, inputs) -> (batch, outputs) through `abc.hidden` layers of that width; layers h1 .. hL and output.

    Two networks of one seed and width differ by their parametrisation alone. Train it with SGD and
    `groups=ABCMLP.groups`. Raises InvalidArgument, UnknownName.

    >>> network = ll.infinite_width.ABCMLP(64, 32, 10, ll.infinite_width.parametrization("mup", hidden=2))
    >>> network(torch.zeros(5, 64)).shape
    torch.Size([5, 10])
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        outputs: int,
        abc: ABC,
        *,
        activation: str | Activation = "tanh",
        base_width: int = 1,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        if not isinstance(abc, ABC):
            raise InvalidArgument(f"abc must be an ABC, such as parametrization('mup', 2); got {abc!r:.80}")
        self.inputs, self.width, self.outputs, base_width = (
            int(check_number(name, value, low=1, integer=True))
            for name, value in (("inputs", inputs), ("width", width), ("outputs", outputs), ("base_width", base_width))
        )
        self.abc, self.phi = abc, activations.activation(activation)
        self.relative_width = self.width / base_width
        self.seed = int(check_number("seed", seed, low=0, integer=True))
        generator = torch.Generator().manual_seed(self.seed)
        fans = [self.inputs, *[self.width] * abc.hidden, self.outputs]
        self.names = (*(f"h{layer + 1}" for layer in range(abc.hidden)), "output")
        for layer, name in enumerate(self.names):
            drawn = torch.randn(fans[layer + 1], fans[layer], generator=generator, dtype=dtype)
            spread = self.relative_width ** -abc.b[layer] * (1.0 if layer == 0 else base_width**-0.5)
            multiplier = self.relative_width ** -abc.a[layer] * (self.inputs**-0.5 if layer == 0 else 1.0)
            self.add_module(name, ScaledLinear(drawn * spread, multiplier))

    def forward(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch outputs"]:
        if x.ndim != 2 or x.shape[1] != self.inputs:
            raise InvalidArgument(f"x must have shape (batch, {self.inputs}); got {tuple(x.shape)}")
        require_dtype("x", x, next(self.get_submodule("output").parameters()))
        return self.get_submodule("output")(self.features(x))

    def features(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch width"]:
        """phi(h^L), what the readout sees."""
        for name in self.names[:-1]:
            x = self.phi.function(self.get_submodule(name)(x))
        return x

    def groups(self) -> list[dict[str, Any]]:
        """The one group of `fit`, whose rate is m^(-c)."""
        return [{"params": list(self.parameters()), "rate": self.relative_width**-self.abc.c}]


class ScaledLinear(nn.Module):
    """multiplier * w x without a bias; what is trained is w."""

    def __init__(self, weight: Float[Tensor, "outputs inputs"], multiplier: float) -> None:
        super().__init__()
        self.weight, self.multiplier = nn.Parameter(weight), multiplier

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        # after the product: a multiplied copy of the weights would be another tensor of their size
        return functional.linear(x, self.weight) * self.multiplier

    def extra_repr(self) -> str:
        outputs, inputs = self.weight.shape
        return f"{inputs} -> {outputs}, multiplier {self.multiplier:.3g}"
