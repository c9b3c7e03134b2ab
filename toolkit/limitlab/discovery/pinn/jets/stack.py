"""Several layers of one activation as one node of the tape: matrix products of torch, and machine code between them.

Forward each layer is Z = W X and one pass over the memory that makes Y of Z; backward it is one pass that makes the
gradient at Z of that at Y, and two products. All arrays of a pass are one block of memory: the system takes what is
freed in small pieces back, and the next step would wait for every page anew.

Only float64 on the processor has such code, and only for activations that name it. The gradient is made once: where it
is differentiated again, or many are made at once, the layers are computed anew by torch, which records them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from limitlab.discovery.machine_code import code_of
from limitlab.discovery.pinn.jets.layers import Activation, Dense, JetLinear, Streams, affine

Form = tuple[Activation, int, int]
"""An activation, how many layers it is behind, and how many of the streams are second derivatives."""


def stacked(
    layers: Iterable[nn.Module],
    streams: Streams,
    activation: Activation,
    curved: int,
    last: JetLinear | None = None,
) -> Streams:
    """What the layers make of the streams, each behind the activation but for the last one.

    curved: how many of the streams, at their end, are second derivatives.
    """
    # a ModuleList knows modules alone
    chain = cast(list[JetLinear], [*layers])
    form = activation, len(chain), curved
    parts = [part for layer in [*chain, *([last] if last else [])] for part in (layer.matrix, layer.bias)]
    if _code(activation) is not None and all(map(_is_plain, (streams, *parts))):
        return _Stack.apply(form, streams, *parts)
    return _by_torch(form, streams, parts)


def _by_torch(form: Form, streams: Streams, parts: Sequence[Tensor]) -> Streams:
    activation, count, curved = form
    for index, (weight, bias) in enumerate(zip(parts[::2], parts[1::2], strict=True)):
        if index < count:
            streams = Dense.apply(streams, weight, bias, (activation, curved))
        else:
            streams = affine(streams, weight, bias)
    return streams


def _code(activation: Activation) -> Any:
    """The machine code of an activation; None where it has none, or where numba cannot be used."""
    return code_of(f"pinn.jets.{activation.code}") if activation.code else None


def _is_plain(tensor: Tensor) -> bool:
    """Whether these are numbers of float64 in the processor's memory, and not many such tensors in the place of one."""
    wrapped = torch._C._functorch.is_functorch_wrapped_tensor(tensor)
    # a batch of gradients names the processor as its device, and has no memory there
    there = torch._C._dispatch_keys(tensor).has(torch._C.DispatchKey.CPU)
    return tensor.dtype == torch.float64 and there and not wrapped


class _Stack(torch.autograd.Function):
    """Weights and biases alternate, the first layer first."""

    @staticmethod
    def forward(ctx: Any, form: Form, streams: Tensor, *parts: Tensor) -> Tensor:
        activation, count, curved = form
        code, columns, weights = _code(activation), streams[0].numel(), parts[::2]
        # without a gradient nothing is read again behind the next layer
        kept = count if any(ctx.needs_input_grad) else 2
        room = streams.new_empty(kept, 2, max(map(len, weights)) * columns)
        values, rows = streams, []
        for index, (weight, bias) in enumerate(zip(weights[:count], parts[1::2], strict=False)):
            shape = len(weight), *streams.shape[1:]
            before, after = (part[: len(weight) * columns].view(shape) for part in room[index % kept])
            torch.mm(weight, values.flatten(1), out=before.flatten(1))
            code.bent(before.numpy(), bias.numpy(), curved, after.numpy())
            rows += [before, after]
            values = after
        if count < len(weights):
            values = affine(values, weights[count], parts[-1])
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(streams, *parts, *rows)
        ctx.form = form
        return values

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        activation, count, curved = ctx.form
        streams, *saved = ctx.saved_tensors
        parts, rows = saved[: len(saved) - 2 * count], saved[len(saved) - 2 * count :]
        if torch.is_grad_enabled() or not _is_plain(gradient):
            return (None, *_again(ctx.form, ctx.needs_input_grad[1:], gradient, streams, parts))
        code, weights = _code(activation), parts[::2]
        gradients: list[Tensor | None] = []
        room = streams.new_empty(3, max(map(len, weights)) * streams[0].numel())
        back = gradient.contiguous()
        for index in reversed(range(len(weights))):
            if index < count:
                before, after = rows[2 * index : 2 * index + 2]
                gradient, back = back, room[2, : before.numel()].view(before.shape)
                code.unbent(gradient.numpy(), before.numpy(), after.numpy(), curved, back.numpy())
            inputs, flat = rows[2 * index - 1] if index else streams, back.flatten(1)
            gradients = [flat @ inputs.flatten(1).T, back[:, 0].sum(1), *gradients]
            if index or ctx.needs_input_grad[1]:
                # the one that is read and the one that is written in turn
                back = room[index % 2, : inputs.numel()].view(inputs.shape)
                torch.mm(weights[index].T, flat, out=back.flatten(1))
        return None, back.clone() if ctx.needs_input_grad[1] else None, *gradients


def _again(
    form: Form, needed: Sequence[bool], gradient: Tensor, streams: Tensor, parts: Sequence[Tensor]
) -> list[Tensor | None]:
    """The same gradient by torch, which records it where it records anything."""
    recorded = torch.is_grad_enabled()
    with torch.enable_grad():
        inputs = [part if recorded else part.detach().requires_grad_() for part in (streams, *parts)]
        result = _by_torch(form, inputs[0], inputs[1:])
        seen = [part for part, need in zip(inputs, needed, strict=True) if need]
        found = iter(torch.autograd.grad(result, seen, gradient, create_graph=recorded))
    return [next(found) if need else None for need in needed]
