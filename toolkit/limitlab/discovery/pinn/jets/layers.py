"""Layers that act on a value with its derivatives along directions, and the gradient of that in closed form.

A jet is one tensor (unit, stream, point): the value, first derivatives along D directions, second ones along the first
C of them. With Z = W X (and the bias in the stream of the value), an activation f gives

    Y = f(Z),    Y' = s Z',    Y'' = s Z'' + c Z'^2,    s = f'(Z),  c = f''(Z),

and a gradient G of a loss with respect to Y, Y', Y'' goes back to Z as

    G_Z'' = s G'',    G_Z' = s G' + 2 c Z' G'',    G_Z = s G + c (sum Z' G' + sum Z'' G'') + f''' sum Z'^2 G''.

Automatic differentiation of the first line keeps an array of every product in it; written out, value and gradient take
a third less time, and as machine code (`stack`) half of the rest. Points come last: a small matrix times a wide one is
the fastest product on a processor. Where a derivative of the gradient itself is wanted, what depends on the weights is
computed anew, and recorded.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

FACTOR_MEAN, FACTOR_DEVIATION = 0.75, 0.1
Streams = Float[Tensor, "unit stream point"]


class Jet(NamedTuple):
    """A value with its first derivatives along all directions and second ones along the first few of them."""

    value: Float[Tensor, "point unit"]
    first: Float[Tensor, "direction point unit"]
    second: Float[Tensor, "curved point unit"]

    @classmethod
    def of(cls, streams: Streams, curved: int) -> Jet:
        """The parts of a tensor of streams, the last `curved` of which are second derivatives."""
        points = streams.permute(1, 2, 0)
        last = len(points) - curved
        return cls(points[0], points[1:last], points[last:])


class Activation(NamedTuple):
    """A function with its first two derivatives, and the third from those: f(a) -> (y, s, c) and (s, c) -> f'''.

    code: the module of this package that is its machine code, where there is one.
    """

    upto_second: Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]
    third: Callable[[Tensor, Tensor], Tensor]
    code: str = ""


class JetLinear(nn.Module):
    """W z + b on streams, and an activation; W = diag(exp(g)) V where factorised, with the statistics of Glorot's W."""

    def __init__(self, inputs: int, outputs: int, factorised: bool, generator: torch.Generator) -> None:
        super().__init__()
        bound = math.sqrt(6 / (inputs + outputs))
        weight = bound * (2 * torch.rand(outputs, inputs, generator=generator, dtype=torch.float64) - 1)
        bias = (2 * torch.rand(outputs, generator=generator, dtype=torch.float64) - 1) / math.sqrt(inputs)
        self.scale: nn.Parameter | None = None
        if factorised:
            noise = torch.randn(outputs, generator=generator, dtype=torch.float64)
            self.scale = nn.Parameter(FACTOR_MEAN + FACTOR_DEVIATION * noise)
            weight = weight / self.scale.detach().exp()[:, None]
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    @property
    def matrix(self) -> Float[Tensor, "output input"]:
        """W."""
        return self.weight if self.scale is None else self.scale.exp()[:, None] * self.weight

    def forward(self, streams: Streams, activation: Activation | None = None, curved: int = 0) -> Streams:
        if activation is not None:
            return Dense.apply(streams, self.matrix, self.bias, (activation, curved))
        return affine(streams, self.matrix, self.bias)


def gated(h: Streams, u: Streams, v: Streams, curved: int) -> Streams:
    """v + h (u - v) by the product rule."""
    w = u - v
    last = h.shape[1] - curved
    inner = torch.addcmul(h[:, 1:] * w[:, :1], h[:, :1], w[:, 1:])
    mixed = 2 * h[:, 1 : 1 + curved] * w[:, 1 : 1 + curved]
    parts = [h[:, :1] * w[:, :1], inner[:, : last - 1], inner[:, last - 1 :] + mixed]
    return v + torch.cat(parts, 1)


class Dense(torch.autograd.Function):
    """A linear map and an activation."""

    @staticmethod
    def forward(ctx: Any, streams: Tensor, weight: Tensor, bias: Tensor, form: tuple[Activation, int]) -> Tensor:
        activation, curved = form
        preactivation = affine(streams, weight, bias)
        value, slope, curvature = activation.upto_second(preactivation[:, 0])
        result = torch.empty_like(preactivation)
        result[:, 0] = value
        torch.mul(slope[:, None], preactivation[:, 1:], out=result[:, 1:])
        if curved:
            first = preactivation[:, 1 : 1 + curved]
            result[:, -curved:].addcmul_(curvature[:, None] * first, first)
        ctx.save_for_backward(streams, weight, bias, preactivation, slope, curvature)
        ctx.activation, ctx.curved = activation, curved
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        streams, weight, bias, preactivation, slope, curvature = ctx.saved_tensors
        activation, curved = ctx.activation, ctx.curved
        if torch.is_grad_enabled():
            # what was saved does not know that it depends on the weights
            preactivation = affine(streams, weight, bias)
            _, slope, curvature = activation.upto_second(preactivation[:, 0])
        back = slope[:, None] * gradient
        bent = torch.zeros_like(back[:, 0])
        for stream in range(1, gradient.shape[1]):
            bent = torch.addcmul(bent, gradient[:, stream], preactivation[:, stream])
        value = torch.addcmul(back[:, 0], curvature, bent)
        if curved:
            first = preactivation[:, 1 : 1 + curved]
            product = gradient[:, -curved:] * first
            back[:, 1 : 1 + curved].addcmul_(curvature[:, None], product, value=2)
            value = torch.addcmul(value, activation.third(slope, curvature), (product * first).sum(1))
        back[:, 0] = value
        flat = back.reshape(len(weight), -1)
        inwards = (weight.T @ flat).reshape(streams.shape) if ctx.needs_input_grad[0] else None
        return inwards, flat @ streams.flatten(1).T, value.sum(1), None


def affine(streams: Streams, weight: Tensor, bias: Tensor) -> Streams:
    """W z + b: the bias belongs to the value alone."""
    product = (weight @ streams.flatten(1)).unflatten(1, streams.shape[1:])
    product[:, 0] += bias[:, None]
    return product


def _tanh(a: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    y = torch.tanh(a)
    slope = 1 - y * y
    return y, slope, -2 * y * slope


def _sin(a: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    y = torch.sin(a)
    return y, torch.cos(a), -y


def _softplus(a: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    slope = torch.sigmoid(a)
    return nn.functional.softplus(a), slope, slope * (1 - slope)


ACTIVATIONS: dict[str, Activation] = {
    "tanh": Activation(_tanh, lambda slope, curvature: slope * (4 - 6 * slope), code="panels"),
    "sin": Activation(_sin, lambda slope, curvature: -slope),
    "softplus": Activation(_softplus, lambda slope, curvature: curvature * (1 - 2 * slope)),
}
