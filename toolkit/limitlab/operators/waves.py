"""A wave: the U-Net of which a SineNet is a chain, with what it is made of.

Down: d_l = block([pooled d_{l-1}, x pooled l times]) + S pooled d_{l-1};    d_0 = x
Up:   e_l = block([d_l, r]) + S r,  r = e_{l+1} on twice the points;         V(x) = e_0

The normalisations in a block take the amplitude of the whole field away; the pointwise S carries it past them. Source:
Zhang, Helwig, Lin, Xie, Fu, Wojtowytsch & Ji, SineNet (2024), arXiv 2403.19507, section 3 and appendix.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.operators.unet import PADDINGS

Conditioning = Literal["shift", "scale"]
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
POOLINGS = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)
CUBIC = (-0.03515625, 0.26171875, 0.87890625, -0.10546875)
"""Weights of four neighbours a quarter of a spacing off the third, of the cubic kernel with slope -3/4 at one."""
LONGEST_PERIOD = 10_000.0


@dataclass(frozen=True)
class Wave:
    """What the waves of a chain are.

    levels: halvings of the grid. growth: channels at depth l are floor(width growth^l). blocks: pairs of convolutions a
    level. padding: "zeros" or "periodic". disentangled: the wave's own input, pooled, enters every level. residual: a
    wave's output is added to its input. shared: one wave, applied again and again. conditions: numbers beside the field
    that it depends on, such as a time step; conditioning: they "shift" the normalised features, or "scale" them too.
    recomputed: for the gradient, keep only what goes from wave to wave, and compute the rest again.
    Raises InvalidArgument, UnknownName.

    >>> ll.operators.Wave(levels=3).channels(16)
    [16, 22, 32, 46]
    """

    levels: int = 4
    growth: float = 1.425
    blocks: int = 1
    padding: str = "zeros"
    disentangled: bool = True
    residual: bool = True
    shared: bool = False
    conditions: int = 0
    conditioning: Conditioning = "shift"
    recomputed: bool = False

    def __post_init__(self) -> None:
        for name, low, high in (("levels", 1, 12), ("blocks", 1, 64), ("conditions", 0, 64)):
            check_number(name, getattr(self, name), low=low, high=high, integer=True)
        check_number("growth", self.growth, low=1.0, high=16.0)
        one_of("padding", self.padding, PADDINGS)
        one_of("conditioning", self.conditioning, get_args(Conditioning))

    def channels(self, width: int) -> list[int]:
        """Channels at every depth, the finest first."""
        return [math.floor(width * self.growth**level) for level in range(self.levels + 1)]


class WaveUNet(nn.Module):
    """V of the module's head: (batch, width, *grid) -> the same shape, down `levels` halvings and up again."""

    def __init__(self, width: int, wave: Wave, dimension: int) -> None:
        super().__init__()
        self.wave, self.dimension = wave, dimension
        channels = wave.channels(width)
        features = 4 * width
        # on the first level the pooled input is the pooled features
        beside = [width if wave.disentangled and level > 1 else 0 for level in range(1, wave.levels + 1)]
        down = zip(channels[:-1], beside, channels[1:], strict=True)
        up = zip(channels[:0:-1], channels[-2::-1], strict=True)
        self.downs = nn.ModuleList(
            Level(wave, dimension, (fine + more, fine, coarse), features) for fine, more, coarse in down
        )
        self.ups = nn.ModuleList(Level(wave, dimension, (coarse + fine, coarse, fine), features) for coarse, fine in up)

    def forward(
        self, x: Float[Tensor, "batch width *grid"], embedding: Float[Tensor, "batch features"] | None = None
    ) -> Float[Tensor, "batch width *grid"]:
        pool = POOLINGS[self.dimension - 1]
        skips, itself, v = [x], x, x
        for number, down in enumerate(self.downs):
            itself, carried = pool(itself, 2), pool(v, 2)
            beside = [itself] if number and self.wave.disentangled else []
            v = down(torch.cat([carried, *beside], dim=1), carried, embedding)
            skips.append(v)
        v = skips.pop()
        for up in self.ups:
            carried = doubled(v, periodic=self.wave.padding == "periodic")
            v = up(torch.cat([skips.pop(), carried], dim=1), carried, embedding)
        return v


class Level(nn.Module):
    """block(v) + S carried, then v <- block(v) + v for every further block; channels: (of v, of carried, out)."""

    def __init__(self, wave: Wave, dimension: int, channels: tuple[int, int, int], features: int) -> None:
        super().__init__()
        fed, carried, out = channels
        self.shortcut = CONVOLUTIONS[dimension - 1](carried, out, 1)
        self.blocks = nn.ModuleList(
            ConvolutionBlock(wave, dimension, fed if number == 0 else out, out, features)
            for number in range(wave.blocks)
        )

    def forward(self, v: Tensor, carried: Tensor, embedding: Tensor | None) -> Tensor:
        carried = self.shortcut(carried)
        for block in self.blocks:
            v = carried = block(v, embedding) + carried
        return v


class ConvolutionBlock(nn.Module):
    """gelu(norm(conv(gelu(norm(conv v))))); the first normalised features moved (and scaled) by the embedding."""

    def __init__(self, wave: Wave, dimension: int, fed: int, out: int, features: int) -> None:
        super().__init__()
        self.first, self.second = convolution(dimension, fed, out, wave), convolution(dimension, out, out, wave)
        self.first_norm, self.second_norm = nn.GroupNorm(1, out), nn.GroupNorm(1, out)
        self.scales = wave.conditioning == "scale"
        self.condition = nn.Linear(features, (1 + self.scales) * out) if wave.conditions else None

    def forward(self, v: Tensor, embedding: Tensor | None) -> Tensor:
        v = self.first_norm(self.first(v))
        if self.condition is not None:
            numbers = self.condition(embedding).reshape(len(v), -1, *[1] * (v.ndim - 2))
            shift, *scale = numbers.chunk(1 + self.scales, dim=1)
            v = (v * (1 + scale[0]) if scale else v) + shift
        return functional.gelu(self.second_norm(self.second(functional.gelu(v))))


class Embedding(nn.Module):
    """Numbers (batch, conditions) as features (batch, 4 width): waves of each at `width` rates, then two layers."""

    def __init__(self, conditions: int, width: int) -> None:
        super().__init__()
        self.rates = (width + 1) // 2
        self.layers = nn.Sequential(
            nn.Linear(2 * self.rates * conditions, 4 * width), nn.GELU(), nn.Linear(4 * width, 4 * width)
        )

    def forward(self, condition: Float[Tensor, "batch conditions"]) -> Float[Tensor, "batch features"]:
        powers = torch.arange(self.rates, device=condition.device, dtype=condition.dtype) / self.rates
        angles = condition[..., None] * LONGEST_PERIOD**-powers
        return self.layers(torch.cat([angles.cos(), angles.sin()], dim=-1).flatten(1))


def embedded(embed: nn.Module | None, condition: Tensor | None, conditions: int, samples: int) -> Tensor | None:
    """The features of the conditions; raises InvalidArgument where there are others than the waves take."""
    expected = (samples, conditions)
    if (condition is None) != (conditions == 0) or (condition is not None and tuple(condition.shape) != expected):
        got = None if condition is None else tuple(condition.shape)
        raise InvalidArgument(f"condition must be {expected if conditions else None}; got {got}")
    return None if embed is None else embed(condition)


def require_divisible(u: Float[Tensor, "batch channel *grid"], levels: int) -> None:
    """Raise InvalidArgument for a grid that cannot be halved so often."""
    if any(size % 2**levels for size in u.shape[2:]):
        raise InvalidArgument(
            f"u must have multiples of {2**levels} points along every axis for {levels} halvings; "
            f"got {tuple(u.shape[2:])}"
        )


def doubled(u: Float[Tensor, "batch channel *grid"], *, periodic: bool) -> Float[Tensor, "batch channel *twice"]:
    """u between its points, on twice as many: cubic convolution along every axis, as in torch's bicubic interpolation.

    Beyond the ends it goes on periodically, or as the last value. Written as products with a matrix, which take a
    fourth to a tenth of the time of torch's interpolation with its gradient, on 8 to 32 points.
    """
    for axis in range(2, u.ndim):
        matrix = _between(u.shape[axis], periodic, u)
        u = (u.movedim(axis, -1) @ matrix.mT).movedim(-1, axis)
    return u


def _between(n: int, periodic: bool, like: Tensor) -> Float[Tensor, "twice n"]:
    """The matrix of one axis: rows 2 i and 2 i + 1 are a quarter of a spacing below and above point i."""
    points, identity = torch.arange(n, device=like.device), torch.eye(n, device=like.device, dtype=like.dtype)

    def neighbour(offset: int) -> Tensor:
        index = points + offset
        return identity.index_select(0, index % n if periodic else index.clamp(0, n - 1))

    sides = [
        sum((weight * neighbour(sign * (number - 2)) for number, weight in enumerate(CUBIC)), identity * 0)
        for sign in (1, -1)
    ]
    return torch.stack(sides, dim=1).flatten(0, 1)


def convolution(dimension: int, fed: int, out: int, wave: Wave, dilation: int = 1) -> nn.Module:
    convolution = CONVOLUTIONS[dimension - 1]
    mode = PADDINGS[wave.padding]
    return convolution(fed, out, 3, padding=dilation, dilation=dilation, padding_mode=mode)
