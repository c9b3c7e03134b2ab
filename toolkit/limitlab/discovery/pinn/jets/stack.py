"""Several layers of one activation as one node of the tape: matrix products of torch, and machine code between them.

Forward each layer is Z = W X and one pass over the memory that makes Y of Z; backward it is one pass that makes the
gradient at Z of that at Y, and two products. All arrays of a pass are one block of memory: the system takes what is
freed in small pieces back, and the next step would wait for every page anew.

Only float64 on the processor has such code, and only for activations that name it. The gradient is made once: where it
is differentiated again, or many are made at once, the layers are computed anew by torch, which records them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from limitlab.discovery.pinn.jets.layers import Activation, Dense, JetLinear, Streams

Form = tuple[Activation, int]


def stacked(layers: Iterable[JetLinear], streams: Streams, activation: Activation, curved: int) -> Streams:
    """What the layers make of the streams, each behind the activation; the last `curved` are second derivatives."""
    parts = [part for layer in layers for part in (layer.matrix, layer.bias)]
    form = activation, curved
    if code_of(activation.code) is not None and all(map(_is_plain, (streams, *parts))):
        return _Stack.apply(form, streams, *parts)
    return _by_torch(form, streams, parts)


@cache
def code_of(module: str) -> Any:
    """The machine code of an activation; None where it has none, or where numba cannot be used."""
    try:
        return import_module(f"limitlab.discovery.pinn.jets.{module}") if module else None
    except (ImportError, RuntimeError):
        # numba raises RuntimeError where no folder for its cache can be written
        return None


def _by_torch(form: Form, streams: Streams, parts: Sequence[Tensor]) -> Streams:
    for weight, bias in zip(parts[::2], parts[1::2], strict=True):
        streams = Dense.apply(streams, weight, bias, form)
    return streams


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
        activation, curved = form
        code, weights = code_of(activation.code), parts[::2]
        width = max(map(len, weights))
        # without a gradient nothing is read again behind the next layer
        kept = len(weights) if any(ctx.needs_input_grad) else min(2, len(weights))
        room = streams.new_empty(kept, 2, width * streams[0].numel())
        values, rows = streams, []
        for index, (weight, bias) in enumerate(zip(weights, parts[1::2], strict=True)):
            before, after = (
                part[: len(weight) * streams[0].numel()].view(len(weight), *streams.shape[1:])
                for part in room[index % kept]
            )
            torch.mm(weight, values.flatten(1), out=before.flatten(1))
            code.bent(before.numpy(), bias.numpy(), curved, after.numpy())
            rows += [before, after]
            values = after
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(streams, *parts, *rows)
        ctx.form = form
        return values

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        streams, *saved = ctx.saved_tensors
        parts, rows = saved[: len(saved) // 2], saved[len(saved) // 2 :]
        if torch.is_grad_enabled() or not _is_plain(gradient):
            return (None, *_again(ctx.form, ctx.needs_input_grad[1:], gradient, streams, parts))
        activation, curved = ctx.form
        code = code_of(activation.code)
        gradients: list[Tensor | None] = []
        room = streams.new_empty(3, max(map(len, parts)) * streams[0].numel())
        gradient = gradient.contiguous()
        for index in reversed(range(len(parts) // 2)):
            before, after = rows[2 * index : 2 * index + 2]
            inputs = rows[2 * index - 1] if index else streams
            back = room[2, : before.numel()].view(before.shape)
            code.unbent(gradient.numpy(), before.numpy(), after.numpy(), curved, back.numpy())
            flat = back.flatten(1)
            gradients = [flat @ inputs.flatten(1).T, back[:, 0].sum(1), *gradients]
            if index or ctx.needs_input_grad[1]:
                # the one that is read and the one that is written in turn
                gradient = room[index % 2, : inputs.numel()].view(inputs.shape)
                torch.mm(parts[2 * index].T, flat, out=gradient.flatten(1))
        return None, gradient.clone() if ctx.needs_input_grad[1] else None, *gradients


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
