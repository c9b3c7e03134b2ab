"""U-Net: the convolutional baseline of an operator, as it is built today.

Levels of residual blocks (convolution 3, group norm, gelu, twice), halved by a strided convolution on the way down,
brought back by nearest-neighbour interpolation and a convolution, with concatenated skips. Channels double at every
level. Kernels count pixels, so unlike an FNO it is a different operator at every resolution: that is the comparison.
Source: Ronneberger, Fischer, Brox, arXiv 1505.04597; the modern form of Gupta and Brandstetter, arXiv 2209.15616.
"""

from __future__ import annotations

import itertools
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from limitlab.errors import check_number, unknown_name
from limitlab.layers.precision import require_dtype
from limitlab.layers.spectral_convolution import check_field
from limitlab.operators.fno import fno
from limitlab.operators.row import Operator, Sizes, Task, count_parameters
from limitlab.saved import Saved

PaddingMode = Literal["zeros", "circular"]
PADDINGS: dict[str, PaddingMode] = {"zeros": "zeros", "periodic": "circular"}


class UNet(Saved):
    """U-Net in 1, 2 or 3 dimensions: (batch, in_channels, *grid) -> (batch, out_channels, *grid), any grid.

    width: channels of the finest level; levels: number of halvings (an axis with one point left stays at one).
    padding: "zeros" or "periodic". Raises InvalidArgument, UnknownName.

    >>> ll.operators.UNet(1, 1, dimension=1, width=8)(torch.zeros(2, 1, 32)).shape
    torch.Size([2, 1, 32])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        dimension: int = 2,
        width: int = 32,
        levels: int = 3,
        *,
        padding: str = "zeros",
    ) -> None:
        super().__init__()
        in_channels = int(check_number("in_channels", in_channels, low=1, integer=True))
        out_channels = int(check_number("out_channels", out_channels, low=1, integer=True))
        dimension = int(check_number("dimension", dimension, low=1, high=3, integer=True))
        width = int(check_number("width", width, low=1, integer=True))
        levels = int(check_number("levels", levels, low=1, high=8, integer=True))
        if padding not in PADDINGS:
            raise unknown_name("padding", padding, PADDINGS)
        self.in_channels, self.out_channels, self.dimension, self.width = in_channels, out_channels, dimension, width
        mode = PADDINGS[padding]
        channels = [width * 2**level for level in range(levels + 1)]
        pairs = list(itertools.pairwise(channels))

        self.entry = _convolution(dimension, in_channels, width, mode)
        self.encoders = nn.ModuleList(ResidualBlock(dimension, fine, fine, mode) for fine, _ in pairs)
        self.halvings = nn.ModuleList(_convolution(dimension, fine, coarse, mode, stride=2) for fine, coarse in pairs)
        self.bottom = ResidualBlock(dimension, channels[-1], channels[-1], mode)
        self.risings = nn.ModuleList(_convolution(dimension, coarse, fine, mode) for fine, coarse in pairs)
        self.decoders = nn.ModuleList(ResidualBlock(dimension, 2 * fine, fine, mode) for fine, _ in pairs)
        self.exit = _convolution(dimension, width, out_channels, mode, size=1)

    def forward(self, u: Float[Tensor, "batch in_channels *grid"]) -> Float[Tensor, "batch out_channels *grid"]:
        check_field("u", u, self.in_channels, self.dimension)
        require_dtype("u", u, next(self.exit.parameters()))
        v = self.entry(u)
        skips = []
        for encoder, halving in zip(self.encoders, self.halvings, strict=True):
            v = encoder(v)
            skips.append(v)
            v = halving(v)
        v = self.bottom(v)
        for rising, decoder in zip(reversed(self.risings), reversed(self.decoders), strict=True):
            skip = skips.pop()
            # the size of the skip, not a factor of two: halving an odd grid rounds up
            v = rising(functional.interpolate(v, size=skip.shape[2:], mode="nearest"))
            v = decoder(torch.cat([skip, v], dim=1))
        return self.exit(v)


class ResidualBlock(nn.Module):
    """gelu(norm(conv(gelu(norm(conv v))))) plus v (a 1x1 convolution of it where the channels change)."""

    def __init__(self, dimension: int, in_channels: int, out_channels: int, mode: PaddingMode) -> None:
        super().__init__()
        self.first = _convolution(dimension, in_channels, out_channels, mode)
        self.second = _convolution(dimension, out_channels, out_channels, mode)
        self.first_norm, self.second_norm = _group_norm(out_channels), _group_norm(out_channels)
        same = in_channels == out_channels
        self.skip = nn.Identity() if same else _convolution(dimension, in_channels, out_channels, mode, size=1)

    def forward(self, v: Float[Tensor, "batch in_channels *grid"]) -> Float[Tensor, "batch out_channels *grid"]:
        a = functional.gelu(self.first_norm(self.first(v)))
        return functional.gelu(self.second_norm(self.second(a))) + self.skip(v)


def unet_with_parameters(
    target: int, in_channels: int, out_channels: int, dimension: int = 2, *, levels: int = 3, padding: str = "zeros"
) -> UNet:
    """The U-Net whose number of parameters is nearest to `target` (all other things given): a fair baseline for an FNO.

    `target`: real degrees of freedom, as `operators.count_parameters` counts them. Raises InvalidArgument.

    >>> 9_000 < ll.operators.count_parameters(ll.operators.unet_with_parameters(10_000, 1, 1, 1)) < 11_000
    True
    """
    target = int(check_number("target", target, low=1, integer=True))

    def count(width: int) -> int:
        # counts without memory, and without a draw from the generator that seeds the model to come
        with torch.device("meta"):
            candidate = UNet(in_channels, out_channels, dimension, width, levels, padding=padding)
        return sum(parameter.numel() for parameter in candidate.parameters())

    # parameters grow with the width, so the nearest is one of two neighbours found by bisection
    low, high = 1, 2
    while count(high) < target:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < target else (low, middle)
    width = min((low, high), key=lambda candidate: abs(count(candidate) - target))
    return UNet(in_channels, out_channels, dimension, width, levels, padding=padding)


def _convolution(
    dimension: int, in_channels: int, out_channels: int, mode: PaddingMode, *, size: int = 3, stride: int = 1
) -> nn.Module:
    convolution = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dimension - 1]
    return convolution(in_channels, out_channels, size, stride=stride, padding=size // 2, padding_mode=mode)


def _group_norm(channels: int) -> nn.GroupNorm:
    """Up to 8 groups; at least two channels each where possible, since one channel a group erases the amplitude."""
    most = max(1, min(8, channels // 2))
    return nn.GroupNorm(max(groups for groups in range(1, most + 1) if channels % groups == 0), channels)


def unet(task: Task, settings: Sizes) -> UNet:
    """The U-Net with as many parameters as the FNO of these settings, padded as the task's grid goes on at its ends."""
    size = count_parameters(fno(task, settings))
    padding = "periodic" if task.grid.is_periodic else "zeros"
    return unet_with_parameters(size, task.in_channels, task.out_channels, task.dimension, padding=padding)


ROWS = (Operator("unet", "U-Net of as many parameters", UNet, unet, ("modes", "width", "layers"), tied=True),)
