"""Per-sample gradients in product form from one backward sweep: what `empirical_ntk` calls structured.

A forward pass notes what every known layer gets and gives; one backward pass for each row of the readout then has the
gradients in what they give, and the gradients in the weights need never be formed. A layer that is called several times
contributes its calls as positions, like the taps of a convolution. RULES maps a type of layer to its inputs and deltas
by position; parameters of other layers, and parameters shared by layers, are left to Jacobians.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from limitlab.infinite_width.finite.factors import Factor, jacobian_factors
from limitlab.infinite_width.finite.networks import NTKConv, NTKLinear

Rule = Callable[[Any, Tensor, Tensor], tuple[Tensor, Tensor]]


def structured_factors(
    network: nn.Module, readout: Float[Tensor, "rows outputs"], x: Float[Tensor, "n *inputs"]
) -> list[Factor]:
    """The gradient of readout @ f in all trained parameters, as factors."""
    layers = _claimed(network)
    calls: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in layers}

    def note(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        # the output with its tape: the backward pass asks for the gradients there
        return lambda module, inputs, output: calls[name].append((inputs[0].detach(), output))

    hooks = [layer.register_forward_hook(note(name)) for name, layer in layers.items()]
    try:
        with torch.enable_grad():
            result = network(x.detach().requires_grad_())
    finally:
        for hook in hooks:
            hook.remove()
    called = [(name, *call) for name, uses in calls.items() for call in uses]
    deltas = _backward(result, readout, [output for _, _, output in called]) if called else []

    factors = []
    for name, layer in layers.items():
        uses = [
            RULES[type(layer)](layer, inputs, delta)
            for (owner, inputs, _), delta in zip(called, deltas, strict=True)
            if owner == name
        ]
        if uses:
            factors.append(_factor(layer, uses).cheapest())
    rest = {name for name, p in network.named_parameters() if p.requires_grad}
    rest -= {f"{name}.{kind}".removeprefix(".") for name in layers for kind in ("weight", "bias")}
    return factors + (jacobian_factors(network, readout, x, rest) if rest else [])


def _claimed(network: nn.Module) -> dict[str, nn.Module]:
    """Layers with a rule whose parameters are trained, and theirs alone."""
    owners = Counter(id(p) for module in network.modules() for p in module.parameters(recurse=False))
    claimed = {}
    for name, module in network.named_modules():
        direct = list(module.parameters(recurse=False))
        # the very type: a subclass may compute anything
        known = type(module) in RULES and getattr(module, "groups", 1) == 1
        if known and all(owners[id(p)] == 1 for p in direct) and any(p.requires_grad for p in direct):
            claimed[name] = module
    return claimed


def _backward(result: Tensor, readout: Tensor, outputs: list[Tensor]) -> list[Float[Tensor, "rows n *output"]]:
    """Gradients of every row of the readout, summed over samples, which do not depend on each other."""
    directions = readout.unsqueeze(1).expand(-1, len(result), -1)
    if len(readout) == 1:
        single = torch.autograd.grad(result, outputs, directions[0], materialize_grads=True)
        return [delta[None] for delta in single]
    return list(torch.autograd.grad(result, outputs, directions, is_grads_batched=True, materialize_grads=True))


def _factor(layer: Any, uses: list[tuple[Tensor, Tensor]]) -> Factor:
    inputs, deltas = (torch.cat(parts, -1) for parts in zip(*uses, strict=True))
    scale, bias_scale = getattr(layer, "weight_scale", 1.0), getattr(layer, "bias_scale", 1.0)
    has_bias = layer.bias is not None and layer.bias.requires_grad
    return Factor(inputs, deltas, scale if layer.weight.requires_grad else 0.0, bias_scale if has_bias else 0.0)


def _dense(layer: nn.Module, inputs: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
    """Dimensions between the batch and the features are positions."""
    flat = inputs.reshape(len(inputs), -1, inputs.shape[-1])
    by_position = delta.reshape(*delta.shape[:2], -1, delta.shape[-1])
    return rearrange(flat, "n p k -> n k p"), rearrange(by_position, "rows n p c -> n rows c p")


def _our_convolution(layer: NTKConv, inputs: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
    once = (1,) * len(layer.taps)
    return _patches(layer.padded(inputs), layer.taps, once, once), _by_point(delta)


def _convolution(layer: Any, inputs: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    padded = functional.pad(inputs, layer._reversed_padding_repeated_twice, mode=mode)
    return _patches(padded, layer.kernel_size, layer.stride, layer.dilation), _by_point(delta)


def _by_point(delta: Tensor) -> Tensor:
    return rearrange(delta.flatten(3), "rows n c p -> n rows c p")


def _patches(
    padded: Tensor, taps: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> Float[Tensor, "n features positions"]:
    """What every point of the output sees; a line is a plane of height one."""
    if len(taps) == 1:
        padded, taps, stride, dilation = padded.unsqueeze(2), (1, *taps), (1, *stride), (1, *dilation)
    return functional.unfold(padded, taps, dilation=dilation, stride=stride)


RULES: dict[type[nn.Module], Rule] = {
    NTKLinear: _dense,
    nn.Linear: _dense,
    NTKConv: _our_convolution,
    nn.Conv1d: _convolution,
    nn.Conv2d: _convolution,
}
