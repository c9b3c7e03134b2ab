"""Fourier neural operator: layers v -> gelu(W v + K v), K a spectral convolution, between a lifting and a projection.

    a = K v (norm) + W v;  a = gelu(a);  a = MLP(a) + g * v (norm);  v = gelu(a)        (no gelu in the last layer)

W: 1x1 linear map without bias; MLP: width -> expansion * width -> width at every point; g: a learned gate per channel.
Every part acts on functions, so one set of weights serves every resolution (up to the aliasing of gelu).
The defaults are those of neuraloperator 2.0.0, whose weights can be copied one to one. It differs where that library is
at fault: where a layer changes the resolution the skips are resampled by Fourier interpolation like the spectral path
(there bicubic, on another grid); positional channels are made for every call (there kept from an earlier device or
dtype); an odd number of points in a leading axis is right (there the spectrum is shifted by one);
the Nyquist coefficient of a leading axis with as many points as modes is halved, as on every finer grid.
Source: Li et al., arXiv 2010.08895; Kossaifi et al., arXiv 2310.00120 (improvements and defaults).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from limitlab.errors import InvalidArgument, check_number, check_numbers, unknown_name
from limitlab.layers.factorized import Compression, FactorizedWeight
from limitlab.layers.normalization import AdaptiveInstanceNorm, InstanceNorm
from limitlab.layers.pointwise import PointwiseLinear, PointwiseMLP, SoftGate
from limitlab.layers.precision import require_dtype
from limitlab.layers.spectral_convolution import SpectralConv, check_field, resample
from limitlab.layers.wavenumbers import check_modes, weight_shape
from limitlab.operators.row import Operator, Sizes, Task
from limitlab.saved import Saved

NORMS = ("instance", "group", "adaptive_instance")
POSITIONS = ("periodic", "cells")
SKIPS = ("linear", "identity", "soft-gating")


class FNO(Saved):
    """Fourier neural operator in 1, 2 or 3 dimensions: (batch, in_channels, *grid) -> (batch, out_channels, *grid).

    modes: kept Fourier modes per axis (full counts), or one number for each of `dimension` axes; width: channels of the
    hidden functions; layers: Fourier layers.
    lifting_ratio, projection_ratio: hidden width of the first and last pointwise MLP, in units of `width`.
    positional: append the coordinates i/n in [0, 1) as channels. As periodic functions they jump at the seam, so that
    their Fourier coefficients on n points, and with them the model, differ from the continuous operator's by O(1/n).
    "periodic" appends cos and sin of 2 pi i/n, which do not jump: no such error where the grid is periodic. "cells"
    appends (i + 1/2)/n, for grids of cell centres: O(1/n^2). False appends none.
    padding: zeros on each side, as a fraction of the axis in [0, 0.25], one number or one per axis.
    preactivation: gelu and norm before the spectral convolution.
    norm: None, "instance", "group" (one group) or "adaptive_instance" (scale and shift from an embedding with
    `embedding_features` entries, given to `forward`); instance norms erase the amplitude of the field.
    skip, channel_mlp_skip: "linear", "identity", "soft-gating" or None. channel_mlp_expansion: 0 leaves the MLP out.
    separable: spectral weights without channel mixing. output_scaling: factor on the resolution, one number for every
    layer or one per layer. compression: hold the spectral weights as factors; None as they are.
    Raises InvalidArgument. Source: arXiv 2310.00120, section 3.

    >>> ll.operators.FNO(1, 1, modes=(8, 8), width=16)(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 1, 32, 32])
    """

    compression: Compression | None = None
    """That of the class, where none is given."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        modes: int | Sequence[int] = 12,
        width: int = 32,
        layers: int = 4,
        *,
        dimension: int | None = None,
        lifting_ratio: float = 2,
        projection_ratio: float = 2,
        positional: bool | str = True,
        padding: float | Sequence[float] = 0.0,
        preactivation: bool = False,
        norm: str | None = None,
        embedding_features: int | None = None,
        skip: str | None = "linear",
        channel_mlp_expansion: float = 0.5,
        channel_mlp_skip: str | None = "soft-gating",
        separable: bool = False,
        output_scaling: float | Sequence[float] = 1.0,
        compression: Compression | None = None,
    ) -> None:
        super().__init__()
        in_channels = int(check_number("in_channels", in_channels, low=1, integer=True))
        out_channels = int(check_number("out_channels", out_channels, low=1, integer=True))
        width = int(check_number("width", width, low=1, integer=True))
        layers = int(check_number("layers", layers, low=1, integer=True))
        self.modes = _modes_per_axis(modes, dimension)
        axes = len(self.modes)
        if not isinstance(positional, bool) and positional not in POSITIONS:
            raise unknown_name("positional", positional, [*POSITIONS, "True", "False"])
        self.in_channels, self.out_channels, self.positional = in_channels, out_channels, positional
        self.padding = check_numbers("padding", padding, axes, low=0.0, high=0.25)
        self.output_scaling = check_numbers("output_scaling", output_scaling, layers, low=1 / 16, high=16)
        lifted = max(1, int(check_number("lifting_ratio", lifting_ratio, low=0) * width))
        projected = max(1, int(check_number("projection_ratio", projection_ratio, low=0) * width))

        options = LayerOptions(
            preactivation, norm, embedding_features, skip, channel_mlp_expansion, channel_mlp_skip, separable
        )
        positions = axes * (2 if positional == "periodic" else 1 if positional else 0)
        self.lifting = PointwiseMLP(in_channels + positions, lifted, width)
        self.compression = compression or type(self).compression
        factors: list[FactorizedWeight | None] = [None] * layers
        if self.compression is not None:
            shape = weight_shape(width, width, self.modes, separable)
            factors = [*self.compression.weights(layers, shape, std=math.sqrt(1 / width))]
        self.blocks = nn.ModuleList(
            FourierLayer(width, self.modes, options, weight, last=layer == layers - 1)
            for layer, weight in enumerate(factors)
        )
        self.projection = PointwiseMLP(width, projected, out_channels)

    def forward(
        self,
        u: Float[Tensor, "batch in_channels *grid"],
        embedding: Float[Tensor, "batch features"] | None = None,
    ) -> Float[Tensor, "batch out_channels *grid"]:
        """The output function on the input's grid (times `output_scaling`); `embedding` only with the adaptive norm."""
        check_field("u", u, self.in_channels, len(self.modes))
        require_dtype("u", u, self.lifting.first.weight)
        grid = tuple(u.shape[2:])
        if self.positional:
            u = torch.cat([u, coordinates(u, self.positional)], dim=1)
        v = self.lifting(u)
        pads = [round(fraction * n) for fraction, n in zip(self.padding, grid, strict=True)]
        if any(pads):
            # torch's pad counts the axes from the last one
            v = functional.pad(v, [pad for p in reversed(pads) for pad in (p, p)])
        for block, factor in zip(self.blocks, self.output_scaling, strict=True):
            v = block(v, tuple(_scaled(n, factor) for n in v.shape[2:]), embedding)
        if any(pads):
            total = math.prod(self.output_scaling)
            for axis, (pad, n) in enumerate(zip(pads, grid, strict=True)):
                # layers that change the resolution have scaled the padding with the rest
                v = v.narrow(axis + 2, round(total * pad), round(total * n))
        return self.projection(v)


@dataclass(frozen=True)
class LayerOptions:
    """What the layers of an FNO have in common; the meanings are those of FNO's arguments."""

    preactivation: bool
    norm: str | None
    embedding_features: int | None
    skip: str | None
    channel_mlp_expansion: float
    channel_mlp_skip: str | None
    separable: bool


class FourierLayer(nn.Module):
    """One layer, v (batch, width, *grid) -> (batch, width, *size)."""

    def __init__(
        self, width: int, modes: Sequence[int], options: LayerOptions, factors: FactorizedWeight | None, *, last: bool
    ) -> None:
        super().__init__()
        expansion = check_number("channel_mlp_expansion", options.channel_mlp_expansion, low=0)
        self.last, self.preactivation = last, options.preactivation
        self.spectral = SpectralConv(width, width, modes, separable=options.separable, factors=factors)
        self.skip = _skip("skip", options.skip, width)
        # rounded here, cut off in lifting and projection: as neuraloperator has it
        hidden = max(1, round(expansion * width)) if expansion else 0
        self.channel_mlp = PointwiseMLP(width, hidden, width) if hidden else None
        self.channel_mlp_skip = _skip("channel_mlp_skip", options.channel_mlp_skip, width) if hidden else None
        self.first_norm = _norm(options.norm, width, options.embedding_features)
        self.second_norm = _norm(options.norm, width, options.embedding_features)

    def forward(
        self, v: Float[Tensor, "batch width *grid"], size: tuple[int, ...], embedding: Tensor | None = None
    ) -> Float[Tensor, "batch width *size"]:
        if self.preactivation:
            v = functional.gelu(v)
            v = _normalised(self.first_norm, v, embedding)
            a = self._convolved(v, size)
            a = a if self.last else functional.gelu(a)
            return self._mixed(_normalised(self.second_norm, a, embedding), v, size)
        if self.first_norm is None:
            a = self._convolved(v, size)
        else:
            # the norm is of K v alone, so the skip cannot be summed inside of the product
            a = _normalised(self.first_norm, self.spectral(v, size), embedding)
            a = a if self.skip is None else a + resample(self.skip(v), size)
        a = a if self.last else functional.gelu(a)
        a = _normalised(self.second_norm, self._mixed(a, v, size), embedding)
        return a if self.last else functional.gelu(a)

    def _convolved(self, v: Tensor, size: tuple[int, ...]) -> Tensor:
        """K v + W v."""
        return self.spectral(v, size, add_to=None if self.skip is None else resample(self.skip(v), size))

    def _mixed(self, a: Tensor, v: Tensor, size: tuple[int, ...]) -> Tensor:
        """MLP(a) + g * v."""
        if self.channel_mlp is None:
            return a
        return self.channel_mlp(a, None if self.channel_mlp_skip is None else resample(self.channel_mlp_skip(v), size))


def _modes_per_axis(modes: int | Sequence[int], dimension: int | None) -> tuple[int, ...]:
    if dimension is not None:
        axes = int(check_number("dimension", dimension, low=1, high=3, integer=True))
        return tuple(map(int, check_numbers("modes", modes, axes, low=1, integer=True)))
    if not isinstance(modes, Iterable) or getattr(modes, "ndim", 1) != 1:
        raise InvalidArgument(f"modes must hold a number for each axis, or dimension must be given; got {modes!r:.80}")
    return check_modes(modes)


def coordinates(
    u: Float[Tensor, "batch channel *grid"], positional: bool | str = True
) -> Float[Tensor, "batch position *grid"]:
    """The positions of u's grid as channels, on u's device and in its dtype; the meanings are those of FNO's argument.

    As many channels as axes, in [0, 1); twice as many for "periodic", all cosines first.
    """
    first = 0.5 if positional == "cells" else 0.0
    axes = [(torch.arange(n, device=u.device).to(u.dtype) + first) / n for n in u.shape[2:]]
    positions = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    if positional == "periodic":
        angles = 2 * math.pi * positions
        positions = torch.cat([angles.cos(), angles.sin()])
    return positions.expand(u.shape[0], *[-1] * (u.ndim - 1))


def _scaled(n: int, factor: float) -> int:
    # not 1.0 * n, which torch.export could not tell from n
    return n if factor == 1 else max(1, round(factor * n))


def _skip(argument: str, kind: str | None, width: int) -> nn.Module | None:
    if kind is None:
        return None
    if kind not in SKIPS:
        raise unknown_name(argument, kind, SKIPS)
    if kind == "linear":
        return PointwiseLinear(width, width, bias=False)
    return nn.Identity() if kind == "identity" else SoftGate(width)


def _norm(kind: str | None, width: int, features: int | None) -> nn.Module | None:
    if kind is None:
        return None
    if kind not in NORMS:
        raise unknown_name("norm", kind, NORMS)
    if kind == "adaptive_instance":
        return AdaptiveInstanceNorm(width, int(check_number("embedding_features", features, low=1, integer=True)))
    return InstanceNorm() if kind == "instance" else nn.GroupNorm(1, width)


def _normalised(norm: nn.Module | None, v: Tensor, embedding: Tensor | None) -> Tensor:
    if norm is None:
        return v
    return norm(v, embedding) if isinstance(norm, AdaptiveInstanceNorm) else norm(v)


def fno(task: Task, settings: Sizes) -> FNO:
    """The FNO of these settings, as many modes along every axis."""
    return FNO(
        task.in_channels,
        task.out_channels,
        settings.modes,
        settings.width,
        settings.layers,
        dimension=task.dimension,
        padding=settings.padding,
        norm=None if settings.norm == "none" else settings.norm,
    )


ROWS = (Operator("fno", "Fourier neural operator", FNO, fno, ("modes", "width", "layers", "padding", "norm")),)
