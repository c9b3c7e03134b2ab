"""Finite networks of an architecture, in NTK parametrisation; the same function in the standard one.

    NTK        y = sqrt(s_w^2/n) W x + s_b b,    W, b ~ N(0, 1)
    standard   y = V x + c,                      V = sqrt(s_w^2/n) W,  c = s_b b

n counts the inputs of one output (channels times taps in a convolution). The function is the same, the training is
not: a step of rate eta on W moves V as a step of rate eta s_w^2/n on V would, and that of b as one of eta s_b^2 on c.
So one rate for W trains all widths alike, and `standard_learning_rates` gives the rate of every layer that repeats it.

Source: Jacot, Gabriel, Hongler, arXiv 1806.07572, section 3; Lee et al., arXiv 1902.06720, appendix F.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from limitlab.errors import InvalidArgument, check_number, check_numbers
from limitlab.infinite_width.limit.activations import Activation
from limitlab.infinite_width.limit.architecture import Chain, Conv, Dense, Flatten, GlobalPool, Layer, LayerNorm, Sum
from limitlab.layers.precision import require_dtype
from limitlab.saved import Saved

PADDING_MODES = {"zeros": "zeros", "periodic": "circular"}


class Network(Saved):
    """A network of that architecture and width: (batch, *inputs) -> (batch, outputs), weights N(0, 1) of the seed.

    inputs: number of features, or (channels, *grid). width: features of every Dense but the last, channels of every
    Conv. The chain must end in Dense. Raises InvalidArgument.

    >>> network = ll.infinite_width.Network(ll.infinite_width.mlp(2, "relu", 2.0), inputs=3, width=64, seed=1)
    >>> network(torch.zeros(5, 3).double()).shape
    torch.Size([5, 1])
    """

    def __init__(
        self,
        architecture: Chain,
        inputs: int | tuple[int, ...],
        width: int,
        outputs: int = 1,
        *,
        seed: int = 0,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        super().__init__()
        listed = isinstance(inputs, Sequence)
        shape = tuple(map(int, check_numbers("inputs", inputs, None if listed else 1, low=1, integer=True)))
        if len(shape) > 3:
            raise InvalidArgument(f"inputs must be a number or (channels, *grid) with one or two axes; got {inputs}")
        if len(architecture) == 0 or not isinstance(architecture.layers[-1], Dense):
            raise InvalidArgument("the chain of a network must end in Dense, its readout")
        self.architecture, self.inputs = architecture, shape
        self.width = int(check_number("width", width, low=1, integer=True))
        self.outputs = int(check_number("outputs", outputs, low=1, integer=True))
        self.seed = int(check_number("seed", seed, low=0, integer=True))
        builder = _Builder(self.width, torch.Generator().manual_seed(self.seed), dtype)
        body, shape = builder.sequence(architecture.layers[:-1], shape)
        readout, _ = builder.affine(architecture.layers[-1], shape, self.outputs)
        self.body, self.readout = body, readout

    def forward(self, x: Float[Tensor, "batch *inputs"]) -> Float[Tensor, "batch outputs"]:
        if tuple(x.shape[1:]) != self.inputs:
            raise InvalidArgument(
                f"x must have shape (batch, {', '.join(map(str, self.inputs))}); got {tuple(x.shape)}"
            )
        require_dtype("x", x, next(self.readout.parameters()))
        return self.readout(self.body(x))


class NTKLinear(nn.Module):
    """sqrt(s_w^2/n) W x + s_b b with W (outputs, inputs) and b (outputs,); no b where s_b = 0."""

    bias: nn.Parameter | None

    def __init__(self, inputs: int, outputs: int, layer: Dense, generator: torch.Generator, dtype: torch.dtype) -> None:
        super().__init__()
        self.weight_scale = math.sqrt(layer.weight_variance / inputs)
        self.bias_scale = math.sqrt(layer.bias_variance)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, generator=generator, dtype=dtype))
        has_bias = layer.bias_variance > 0
        self.bias = nn.Parameter(torch.randn(outputs, generator=generator, dtype=dtype)) if has_bias else None

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        bias = None if self.bias is None else self.bias_scale * self.bias
        # the factor is on x, which is smaller than a copy of the weights
        return functional.linear(self.weight_scale * x, self.weight, bias)

    def standard(self) -> nn.Linear:
        """The same map as torch's layer."""
        outputs, inputs = self.weight.shape
        return _loaded(nn.Linear(inputs, outputs, self.bias is not None, dtype=self.weight.dtype), self)

    def extra_repr(self) -> str:
        outputs, inputs = self.weight.shape
        return f"{inputs} -> {outputs}, weight {self.weight_scale:.3g}, bias {self.bias_scale:.3g}"


class NTKConv(nn.Module):
    """The same for a convolution in one or two dimensions, W (outputs, channels, *taps), that keeps the grid."""

    bias: nn.Parameter | None

    def __init__(
        self,
        channels: int,
        outputs: int,
        dimension: int,
        layer: Conv,
        *,
        generator: torch.Generator,
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        taps = (layer.size,) * dimension
        self.weight_scale = math.sqrt(layer.weight_variance / (channels * math.prod(taps)))
        self.bias_scale = math.sqrt(layer.bias_variance)
        self.taps, self.padding = taps, layer.padding
        self.weight = nn.Parameter(torch.randn(outputs, channels, *taps, generator=generator, dtype=dtype))
        has_bias = layer.bias_variance > 0
        self.bias = nn.Parameter(torch.randn(outputs, generator=generator, dtype=dtype)) if has_bias else None

    def forward(self, x: Float[Tensor, "batch channels *grid"]) -> Float[Tensor, "batch outputs *grid"]:
        bias = None if self.bias is None else self.bias_scale * self.bias
        # padded apart: torch's conv has no circular padding in its functional form
        convolve = functional.conv1d if len(self.taps) == 1 else functional.conv2d
        return convolve(self.padded(self.weight_scale * x), self.weight, bias)

    def padded(self, x: Tensor) -> Tensor:
        """x with the reach of the kernel on every side."""
        reach = [tap // 2 for tap in reversed(self.taps) for _ in range(2)]
        return functional.pad(x, reach, mode="circular" if self.padding == "periodic" else "constant")

    def standard(self) -> nn.Module:
        """The same map as torch's layer."""
        outputs, channels = self.weight.shape[:2]
        make: Any = nn.Conv1d if len(self.taps) == 1 else nn.Conv2d
        convolution = make(
            channels,
            outputs,
            self.taps,
            padding="same",
            padding_mode=PADDING_MODES[self.padding],
            bias=self.bias is not None,
            dtype=self.weight.dtype,
        )
        return _loaded(convolution, self)


class Elementwise(nn.Module):
    """A function of every entry."""

    def __init__(self, layer: Activation) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer.function(x)

    def extra_repr(self) -> str:
        return self.layer.name


class MeanOverGrid(nn.Module):
    """(batch, channels, *grid) -> (batch, channels)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).mean(2)


class ChannelNorm(nn.Module):
    """Mean zero and variance one over the channels of each point."""

    def __init__(self, layer: LayerNorm) -> None:
        super().__init__()
        self.epsilon = layer.epsilon

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(1, keepdim=True)
        return centred * (centred.square().mean(1, keepdim=True) + self.epsilon).rsqrt()


class SumOfBranches(nn.Module):
    """The sum of several modules on one input."""

    def __init__(self, branches: Iterable[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([branch(x) for branch in self.branches]).sum(0)


def to_standard(network: Network) -> nn.Module:
    """The same function in torch's own layers (nn.Linear, nn.Conv1d, nn.Conv2d); parameters keep their names.

    >>> network = ll.infinite_width.Network(ll.infinite_width.mlp(1, "relu", 2.0), inputs=3, width=8)
    >>> ll.infinite_width.to_standard(network).readout
    Linear(in_features=8, out_features=1, bias=False)
    """
    twin = copy.deepcopy(network)
    for name, module in list(twin.named_modules()):
        if isinstance(module, NTKLinear | NTKConv):
            parent, _, child = name.rpartition(".")
            setattr(twin.get_submodule(parent), child, module.standard())
    return twin


def load_standard(network: Network, twin: nn.Module) -> None:
    """Bring the weights of a standard twin into the network: the inverse of `to_standard`.

    Raises InvalidArgument where a scale is zero (no weights then give the twin's) or the names differ.

    >>> network = ll.infinite_width.Network(ll.infinite_width.mlp(1, "relu", 2.0), inputs=3, width=8)
    >>> ll.infinite_width.load_standard(network, ll.infinite_width.to_standard(network))
    """
    theirs = dict(twin.named_parameters())
    ours = dict(network.named_parameters())
    if set(theirs) != set(ours):
        raise InvalidArgument(f"twin must have the parameters {sorted(ours)}; got {sorted(theirs)}")
    with torch.no_grad():
        for name, scale in scales(network).items():
            if scale == 0:
                raise InvalidArgument(f"{name} has a scale of zero, which no weight can undo")
            ours[name].copy_(theirs[name] / scale)


def scales(network: Network) -> dict[str, float]:
    """Standard parameter divided by the NTK parameter, for every name: sqrt(s_w^2/n) or s_b."""
    return {
        f"{name}.{kind}": getattr(module, f"{kind}_scale")
        for name, module in network.named_modules()
        if isinstance(module, NTKLinear | NTKConv)
        for kind in ("weight", "bias")
        if getattr(module, kind) is not None
    }


def standard_learning_rates(network: Network, twin: nn.Module, rate: float) -> list[dict[str, Any]]:
    """Optimiser groups for the standard twin: with them SGD moves it as `rate` moves the network.

    >>> network = ll.infinite_width.Network(ll.infinite_width.mlp(1, "relu", 2.0), inputs=2, width=8)
    >>> twin = ll.infinite_width.to_standard(network)
    >>> [round(group["lr"], 3) for group in ll.infinite_width.standard_learning_rates(network, twin, rate=1.0)]
    [1.0, 0.25]
    """
    rate = check_number("rate", rate, low=0)
    parameters = dict(twin.named_parameters())
    return [{"params": [parameters[name]], "lr": rate * scale**2} for name, scale in scales(network).items()]


def _loaded(layer: Any, source: NTKLinear | NTKConv) -> Any:
    with torch.no_grad():
        layer.weight.copy_(source.weight_scale * source.weight)
        if source.bias is not None:
            layer.bias.copy_(source.bias_scale * source.bias)
    return layer


class _Builder:
    """Makes modules layer by layer, following the shape (channels, *grid) of one sample."""

    def __init__(self, width: int, generator: torch.Generator, dtype: torch.dtype) -> None:
        self.width, self.generator, self.dtype = width, generator, dtype

    def sequence(self, layers: Iterable[Layer], shape: tuple[int, ...]) -> tuple[nn.Sequential, tuple[int, ...]]:
        modules: list[nn.Module] = []
        for layer in layers:
            module, shape = self.module(layer, shape)
            modules.append(module)
        return nn.Sequential(*modules), shape

    def module(self, layer: Layer, shape: tuple[int, ...]) -> tuple[nn.Module, tuple[int, ...]]:
        if isinstance(layer, Dense | Conv):
            return self.affine(layer, shape, self.width)
        if isinstance(layer, Activation):
            return Elementwise(layer), shape
        if isinstance(layer, Flatten):
            return nn.Flatten(), (math.prod(shape),)
        if isinstance(layer, GlobalPool):
            return MeanOverGrid(), shape[:1]
        if isinstance(layer, LayerNorm):
            return ChannelNorm(layer), shape
        assert isinstance(layer, Sum)
        parts = [self.sequence(branch, shape) for branch in layer.branches]
        return SumOfBranches(part for part, _ in parts), parts[0][1]

    def affine(self, layer: Layer, shape: tuple[int, ...], outputs: int) -> tuple[nn.Module, tuple[int, ...]]:
        channels, *grid = shape
        if isinstance(layer, Conv):
            if not grid:
                raise InvalidArgument("Conv needs inputs of shape (channels, *grid)")
            return NTKConv(channels, outputs, len(grid), layer, generator=self.generator, dtype=self.dtype), (
                outputs,
                *grid,
            )
        assert isinstance(layer, Dense)
        if grid:
            raise InvalidArgument("Dense on a grid needs Flatten or GlobalPool before it")
        return NTKLinear(channels, outputs, layer, self.generator, self.dtype), (outputs,)
