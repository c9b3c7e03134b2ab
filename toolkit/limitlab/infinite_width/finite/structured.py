"""Per-sample gradients in product form from one backward sweep: what `empirical_ntk` calls structured.

A forward pass notes what every known layer gets and gives; one backward pass for each row of the readout then has the
gradients in what they give, and the gradients in the weights need never be formed. A layer that is called several times
contributes its calls as positions, like the taps of a convolution. RULES maps a type of layer to its inputs and deltas
by position; parameters of other layers, and parameters shared by layers, are left to Jacobians. Whether a rule
holds in a network is not known from its type: `proof` finds out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from limitlab.infinite_width.finite.factors import Factor
from limitlab.infinite_width.finite.networks import NTKConv, NTKLinear

Rule = Callable[[Any, Tensor, Tensor], tuple[Tensor, Tensor]]


def structured_factors(
    network: nn.Module,
    readout: Float[Tensor, "rows outputs"],
    x: Float[Tensor, "n *inputs"],
    layers: dict[str, nn.Module],
) -> list[Factor]:
    """The gradient of readout @ f in the parameters of `layers`, as factors."""
    result, calls = noted(network, layers, x)
    directions = readout.unsqueeze(1).expand(-1, len(result), -1)
    return [_factor(layers[name], uses).cheapest() for name, uses in _uses(result, calls, layers, directions).items()]


def weight_gradients(
    result: Float[Tensor, "n outputs"],
    calls: Calls,
    layers: dict[str, nn.Module],
    readout: Float[Tensor, "rows outputs"],
    weights: Float[Tensor, "n rows"],
) -> dict[str, list[Tensor]]:
    """The gradient of sum(weights * (readout @ f)) in the trained weights and bias of each layer, by its rule.

    A layer whose input or output was overwritten after its call has no entry: it is not known what it saw.
    """
    fresh = {
        name: uses for name, uses in calls.items() if uses and all(call.version == call.versions_now() for call in uses)
    }
    directions = readout.unsqueeze(1).expand(-1, len(result), -1)
    gradients = {}
    for name, uses in _uses(result, fresh, layers, directions).items():
        factor = _factor(layers[name], uses)
        assert factor.inputs is not None
        deltas = torch.einsum("nr,nrcp->ncp", weights, factor.deltas)
        matrix = factor.scale * torch.einsum("ncp,nkp->ck", deltas, factor.inputs)
        trained = [(matrix, layers[name].weight), (factor.bias_scale * deltas.sum((0, 2)), layers[name].bias)]
        gradients[name] = [found for found, p in trained if isinstance(p, Tensor) and p.requires_grad]
    return gradients


@dataclass(frozen=True)
class Call:
    """What a layer got and gave, and the versions of both at that time: an operation in place makes a new one."""

    inputs: Tensor
    output: Tensor
    version: tuple[int, int]

    def versions_now(self) -> tuple[int, int]:
        return self.inputs._version, self.output._version


Calls = dict[str, list[Call]]


def noted(network: nn.Module, layers: dict[str, nn.Module], x: Float[Tensor, "n *inputs"]) -> tuple[Tensor, Calls]:
    """The network's outputs, with a tape, and the calls of the layers on the way."""
    calls: Calls = {name: [] for name in layers}

    def note(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            call = Call(inputs[0].detach(), output, (0, 0))
            calls[name].append(replace(call, version=call.versions_now()))

        return hook

    hooks = [layer.register_forward_hook(note(name)) for name, layer in layers.items()]
    try:
        with torch.enable_grad():
            # a network may overwrite its input
            return network(x.detach().clone()), calls
    finally:
        for hook in hooks:
            hook.remove()


def claimed(network: nn.Module) -> dict[str, nn.Module]:
    """Layers with a rule whose parameters are trained, and theirs alone, and that nothing hooks into."""
    owners = Counter(id(p) for module in network.modules() for p in module.parameters(recurse=False))
    layers: dict[str, nn.Module] = {}
    for name, module in network.named_modules():
        direct = dict(module.named_parameters(recurse=False))
        # the very type: a subclass may compute anything
        known = type(module) in RULES and getattr(module, "groups", 1) == 1 and direct.keys() <= {"weight", "bias"}
        hooked = module._forward_hooks or module._forward_pre_hooks or "weight" not in direct
        alone = all(owners[id(p)] == 1 for p in direct.values())
        if known and alone and not hooked and any(p.requires_grad for p in direct.values()):
            layers[name] = module
    return layers


def _uses(
    result: Tensor, calls: Calls, layers: dict[str, nn.Module], directions: Float[Tensor, "rows n outputs"]
) -> dict[str, list[tuple[Tensor, Tensor]]]:
    """Inputs and deltas of every call of the layers that were called, by position."""
    called = [(name, call) for name, uses in calls.items() for call in uses]
    deltas = _backward(result, directions, [call.output for _, call in called]) if called else []
    uses: dict[str, list[tuple[Tensor, Tensor]]] = {}
    for (name, call), delta in zip(called, deltas, strict=True):
        uses.setdefault(name, []).append(RULES[type(layers[name])](layers[name], call.inputs, delta))
    return uses


def _backward(
    result: Tensor, directions: Float[Tensor, "rows n outputs"], outputs: list[Tensor]
) -> list[Float[Tensor, "rows n *output"]]:
    """Gradients along every row of directions, summed over samples, which do not depend on each other."""
    gradients = partial(torch.autograd.grad, result, outputs, materialize_grads=True, retain_graph=True)
    if len(directions) > 1:
        try:
            return list(gradients(directions, is_grads_batched=True))
        except RuntimeError:
            # torch has no batched gradient of some activations, such as PReLU
            pass
    return [torch.stack(rows) for rows in zip(*map(gradients, directions), strict=True)]


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
