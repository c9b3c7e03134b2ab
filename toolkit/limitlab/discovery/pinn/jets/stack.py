"""Several layers of one activation as one node of the tape, forward and backward by machine code (`panels`).

What is kept for the way back lies in memory that the next step uses again: the system takes back what is freed in
large pieces, and every page of it would be waited for anew. Points are cut into the same parts whatever the number of
threads, so that the sums are the same to the last bit.

Only float64 on the processor has such code, and only for activations that name it. The gradient is made once: where it
is differentiated again, or many are made at once, the layers are computed anew by torch, which records them.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from limitlab.discovery.machine_code import code_of
from limitlab.discovery.pinn.jets.layers import Activation, Dense, JetLinear, Streams, affine
from limitlab.threads import mapping, threads_for

TOGETHER = 128  # units of the panels that go back at once
PART, PARTS = 32, 16  # panels of a part at least, and parts where panels are many
MOST_ROOM, MOST_BLOCKS = 2**22, 2  # numbers of a block that is kept, and such blocks
_free: list[np.ndarray] = []
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
        streams = streams.contiguous()
        code, numbers, keeps = _code(activation), streams.shape[1], any(ctx.needs_input_grad)
        widths = (len(streams), *map(len, parts[::2]))
        plan, (_, length, _) = _planned(code, widths, numbers)
        flat = _flat(parts)
        turned = np.empty(len(flat))
        code.turn(flat.numpy(), plan, turned)
        spans, together = _spans(code.panels_of(streams.shape[2])), max(1, TOGETHER // max(widths))
        rows = spans[-1][1] if keeps else len(spans)
        kept = block_of(rows * length).view(rows, length)
        out = streams.new_empty(widths[-1], *streams.shape[1:])
        rooms = streams.new_empty(len(spans), (2 + together) * numbers * code.PANEL * (max(widths) + 8))
        network = code.Network(turned, plan, count, curved)
        way = code.Ahead(streams.numpy(), kept.numpy(), out.numpy())
        _each(code.forward, spans, network, way, together, rooms.numpy())
        if keeps:
            ctx.save_for_backward(streams, *parts, flat, kept)
        ctx.form = form
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        activation, count, curved = ctx.form
        streams, *parts, flat, kept = ctx.saved_tensors
        if torch.is_grad_enabled() or not _is_plain(gradient):
            return (None, *_again(ctx.form, ctx.needs_input_grad[1:], gradient, streams, parts))
        gradient = gradient.contiguous()
        code, numbers = _code(activation), streams.shape[1]
        widths = (len(streams), *map(len, parts[::2]))
        plan, (begin, _, length) = _planned(code, widths, numbers)
        spans = _spans(code.panels_of(streams.shape[2]))
        shared = len(gradient) == 1 and count < len(plan) and numbers > 2 + curved
        together = max(1, TOGETHER // max(widths))
        size = 3 * numbers * code.PANEL * (max(widths) + 8) + numbers * code.ROWS * code.PANEL
        rooms, sums = streams.new_empty(len(spans), together * size), streams.new_zeros(len(spans), length)
        inwards = torch.empty_like(streams) if ctx.needs_input_grad[1] else streams[:0]
        network = code.Network(flat.numpy(), plan, count, curved)
        arrays = (each.numpy() for each in (sums, inwards))
        way = code.Back(gradient.numpy(), streams.numpy(), kept.numpy(), shared, *arrays)
        _each(code.backward, spans, network, way, together, rooms.numpy())
        found = streams.new_empty(begin)
        code.collect(sums.numpy(), plan, found.numpy())
        pieces = found.split([part.numel() for part in parts])
        gradients = [piece.view(part.shape) for piece, part in zip(pieces, parts, strict=True)]
        return None, inwards if ctx.needs_input_grad[1] else None, *gradients


@lru_cache(maxsize=64)
def _planned(code: Any, widths: tuple[int, ...], streams: int) -> Any:
    return code.planned(widths, streams)


def block_of(count: int) -> Tensor:
    """Numbers without values, in memory that is used again when the tensor, and what was saved of it, is gone."""
    try:
        whole = _free.pop()
    except IndexError:
        whole = np.empty(0)
    if not count <= len(whole) <= MOST_ROOM:
        whole = torch.empty(count, dtype=torch.float64).numpy()
    seen = whole[:count]
    if count <= MOST_ROOM:
        # torch holds this array as long as anything holds the tensor
        weakref.finalize(seen, _give_back, whole).atexit = False
    return torch.from_numpy(seen)


def _give_back(whole: np.ndarray) -> None:
    if len(_free) < MOST_BLOCKS:
        _free.append(whole)


def _flat(parts: Iterable[Tensor]) -> Tensor:
    """Numbers one after the other, and those that are read past the last of them where rows come in fours."""
    every = [part.reshape(-1) for part in parts]
    return torch.cat([*every, every[0].new_zeros(4)])


def _spans(panels: int) -> list[tuple[int, int]]:
    """Parts of the panels that may run at once: the same ones whatever the number of threads."""
    each = max(PART, -(-panels // PARTS))
    return [(first, min(first + each, panels)) for first in range(0, panels, each)]


def _each(run: Callable[..., None], spans: Sequence[tuple[int, int]], *arguments: Any) -> None:
    """Call run((number of the part, its first panel, the one behind its last), ...), as many at once as torch may."""
    with mapping(threads_for(len(spans))) as on_all:
        on_all(lambda part, span: run((part, *span), *arguments), range(len(spans)), spans)


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
