"""Gradients of a stochastic solve with uniform steps, other than by the tape of all of them.

The stochastic adjoint is the Stratonovich equation backwards in time along the same path,

    da = -a (Df dt + sum_j Dg_j o dW_j),    dL/dp = int a (d_p f dt + sum_j d_p g_j o dW_j),

stepped by Heun's method together with y, which is set back at every asked time to what the forward solve found; an Ito
drift is first turned into f - 1/2 sum_j (Dg_j) g_j. It converges with the step.

Reversible Heun is undone exactly: with f+ = f(t+, z+) and g+ alike,

    z = 2 y+ - z+ - h f+ - g+ W,    y = y+ - h/2 (f + f+) - 1/2 (g + g+) W,

and cotangents follow by one vector-Jacobian product at z+, whose evaluation also serves the step before.
Checkpoints keep every sqrt(n)-th state and replay what lies between, random numbers of the fields included.
Sources: Li, Wong, Chen & Duvenaud 2020 (adjoint); Kidger, Foster, Li & Lyons 2021 (reversible Heun, algorithm 2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from limitlab.errors import InvalidArgument
from limitlab.solvers.gradients.leaves import SameLeaves, Totals, inner_leaf
from limitlab.solvers.gradients.replay import Generators, require_no_chance, require_same_end
from limitlab.solvers.sde.fields import Fields, Interval, State, drifted, leaves
from limitlab.solvers.sde.schemes import reversible_heun
from limitlab.solvers.sde.uniform import UniformMarch

Gradient = Callable[[UniformMarch, State], Tensor]


def direct(march: UniformMarch, y0: State) -> Tensor:
    """States (batch, time, state) with the tape of all steps."""
    _, _, outputs = march.advance(y0, march.begin(y0), 0, march.grid.steps)
    return march.states(y0, outputs)


def checkpoint(march: UniformMarch, y0: State) -> Tensor:
    """States whose gradient holds about the square root of the steps."""
    return _Checkpointed.apply(march, y0, *leaves(march.fields, march.span(y0), y0))


def adjoint(march: UniformMarch, y0: State) -> Tensor:
    """States with the gradient of the stochastic adjoint."""
    _require_no_chance("adjoint", march, y0)
    return _Adjoint.apply(march, y0, *leaves(march.fields, march.span(y0), y0))


def reversible(march: UniformMarch, y0: State) -> Tensor:
    """States with the gradient by reversal. Raises InvalidArgument for other schemes."""
    if march.scheme.step is not reversible_heun:
        raise InvalidArgument("gradient 'reversible' needs method='reversible_heun'; others cannot be undone")
    _require_no_chance("reversible", march, y0)
    return _Reversible.apply(march, y0, *leaves(march.fields, march.span(y0), y0))


def _require_no_chance(gradient: str, march: UniformMarch, y0: State) -> None:
    """The noise of the path is drawn once; a field that draws numbers of its own is another matter."""
    fields, start = march.fields, march.time(0, y0)
    require_no_chance(gradient, y0.device, lambda: fields.drift(start, y0), lambda: fields.diffusion(start, y0))


GRADIENTS: dict[str, Gradient] = {
    "direct": direct,
    "checkpoint": checkpoint,
    "adjoint": adjoint,
    "reversible": reversible,
}


class _Checkpointed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, march, y0, *parameters):
        steps = march.grid.steps
        ctx.edges = [*range(0, steps, max(1, math.isqrt(steps))), steps]
        ctx.march, ctx.parameters, ctx.starts = march, parameters, []
        ctx.generators = Generators(y0.device)
        drawn = ctx.generators.state()
        y, carry, outputs = y0, march.begin(y0), []
        for first, last in pairwise(ctx.edges):
            ctx.starts.append((y, carry, march.lost, drawn))
            y, carry, inside = march.advance(y, carry, first, last)
            outputs += inside
            drawn = ctx.generators.state()
        ctx.ends = [start[0] for start in ctx.starts[1:]] + [y]
        return march.states(y0, outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        totals = Totals(ctx.parameters)
        incoming, output = [torch.zeros_like(grad[:, 0])], grad.shape[1]
        segments = list(zip(pairwise(ctx.edges), ctx.starts, strict=True))
        for ((first, last), (y, carry, lost, drawn)), expected in zip(
            reversed(segments), reversed(ctx.ends), strict=True
        ):
            # a replay would list every loss a second time
            march = replace(ctx.march, failures=[], lost=lost)
            with ctx.generators.unmoved(), torch.enable_grad():
                ctx.generators.restore(drawn)
                y = y.detach().requires_grad_()
                carry = tuple(part.detach().requires_grad_() for part in carry) if first else march.begin(y)
                states = [y, *carry] if first else [y]
                end, carried, inside = march.advance(y, carry, first, last)
                require_same_end(end, expected)
            output -= len(inside)
            later = [*incoming, *(torch.zeros_like(part) for part in carried[len(incoming) - 1 :])]
            later += grad[:, output : output + len(inside)].unbind(1)
            outputs = [end, *carried, *inside]
            taped = [index for index, part in enumerate(outputs) if part.requires_grad]
            SameLeaves([*states, *totals.leaves]).require([outputs[index] for index in taped])
            cotangents = torch.autograd.grad(
                [outputs[index] for index in taped], [*states, *totals.leaves], [later[index] for index in taped],
                allow_unused=True, retain_graph=True,
            )  # fmt: skip
            incoming = [
                torch.zeros_like(state) if new is None else new for state, new in zip(states, cotangents, strict=False)
            ]
            totals.add(cotangents[len(states) :])
        return None, incoming[0] + grad[:, 0], *totals.sums


class _Adjoint(torch.autograd.Function):
    @staticmethod
    def forward(ctx, march, y0, *parameters):
        states = direct(march, y0)
        ctx.march, ctx.parameters = march, parameters
        ctx.save_for_backward(states)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        march, (states,) = ctx.march, ctx.saved_tensors
        totals = Totals(ctx.parameters)
        sums = totals, SameLeaves(ctx.parameters)
        a, outputs = torch.zeros_like(states[:, 0]), march.grid.outputs.tolist()
        y = states[:, -1]
        for low, high in reversed(march.blocks(0, march.grid.steps)):
            block = march.block(low, high, y)
            for step in range(high - 1, low - 1, -1):
                if step + 1 == outputs[-1]:
                    y, a = states[:, len(outputs) - 1], a + grad[:, len(outputs) - 1]
                    outputs.pop()
                at = block[step - low]
                moved, pulled, first = _pulled(march.fields, at, at.after, (y, a), sums)
                moved_end, pulled_end, second = _pulled(march.fields, at, at.t, (y - moved, a + pulled), sums)
                y = y - 0.5 * (moved + moved_end)
                a = a + 0.5 * (pulled + pulled_end)
                totals.add(first, 0.5)
                totals.add(second, 0.5)
        return None, a + grad[:, 0], *totals.sums


def _pulled(
    fields: Fields, at: Interval, t: Tensor, pair: tuple[State, State], sums: tuple[Totals, SameLeaves]
) -> tuple[State, State, Sequence[Tensor | None]]:
    """f h + g W in Stratonovich's sense at (t, y), and a times its derivatives in y and in the leaves."""
    (y, a), (totals, same) = pair, sums
    with torch.enable_grad():
        y = inner_leaf(y)
        f = fields.drift(t, y)
        if fields.calculus == "ito":
            g, twice_shift = fields.with_correction(t, y)
            f = torch.sub(f, twice_shift, alpha=0.5)
        else:
            g = fields.diffusion(t, y)
        moved = fields.kicked(at.h * f, g, at.w)
        if not moved.requires_grad:
            return moved, torch.zeros_like(y), [None] * len(totals.leaves)
        same.require([moved])
        pulled, *rest = torch.autograd.grad(moved, [y, *totals.leaves], a, allow_unused=True, retain_graph=True)
    return moved.detach(), torch.zeros_like(y) if pulled is None else pulled, rest


class _Reversible(torch.autograd.Function):
    @staticmethod
    def forward(ctx, march, y0, *parameters):
        y, carry, outputs = march.advance(y0, march.begin(y0), 0, march.grid.steps)
        ctx.march, ctx.parameters = march, parameters
        ctx.save_for_backward(y, carry[0])
        return march.states(y0, outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        march, (y, z) = ctx.march, ctx.saved_tensors
        fields, outputs, totals = march.fields, march.grid.outputs.tolist(), Totals(ctx.parameters)
        sums = totals, SameLeaves(ctx.parameters)
        z, f, g = _evaluated(fields, march.time(march.grid.steps, y), z)
        to_y, to_z, to_f, to_g = grad[:, -1], torch.zeros_like(y), torch.zeros_like(f), torch.zeros_like(g)
        outputs.pop()
        for low, high in reversed(march.blocks(0, march.grid.steps)):
            block = march.block(low, high, y)
            for step in range(high - 1, low - 1, -1):
                if step + 1 == outputs[-1]:
                    to_y = to_y + grad[:, len(outputs) - 1]
                    outputs.pop()
                at = block[step - low]
                half_f, half_g = to_y * (0.5 * at.h), _outer(fields, to_y, 0.5 * at.w)
                to_z = to_z + _pull(sums, z, (f, g), (to_f + half_f, to_g + half_g))
                z, f_after, g_after = z.detach(), f.detach(), g.detach()
                # the very operations of the forward step, so that they are undone to round-off
                undone = drifted(torch.lerp(z, y, 2.0), at.h, f_after, -1.0)
                z, f, g = _evaluated(fields, at.t, fields.kicked(undone, g_after, at.w, -1.0))
                y = drifted(y, at.h, f_after + f.detach(), -0.5)
                y = fields.kicked(y, g_after + g.detach(), at.w, -0.5)
                to_f, to_g = drifted(half_f, at.h, to_z), half_g + _outer(fields, to_z, at.w)
                to_y, to_z = torch.add(to_y, to_z, alpha=2.0), -to_z
        to_y = to_y + to_z + _pull(sums, z, (f, g), (to_f, to_g)) + grad[:, 0]
        return None, to_y, *totals.sums


def _evaluated(fields: Fields, t: Tensor, z: State) -> tuple[State, Tensor, Tensor]:
    """z as a leaf, with f and g there on a tape."""
    with torch.enable_grad():
        z = inner_leaf(z)
        return z, fields.drift(t, z), fields.diffusion(t, z)


def _pull(
    sums: tuple[Totals, SameLeaves], z: State, values: tuple[Tensor, Tensor], cotangents: tuple[Tensor, Tensor]
) -> State:
    """Cotangent of z from those of f and g there; those of the parameters join the totals."""
    totals, same = sums
    pairs = [(value, weight) for value, weight in zip(values, cotangents, strict=True) if value.requires_grad]
    if not pairs:
        return torch.zeros_like(z)
    outputs, weights = zip(*pairs, strict=True)
    same.require(outputs)
    to_z, *rest = torch.autograd.grad(outputs, [z, *totals.leaves], weights, allow_unused=True, retain_graph=True)
    totals.add(rest)
    return torch.zeros_like(z) if to_z is None else to_z


def _outer(fields: Fields, to_y: State, w: Tensor) -> Tensor:
    """Cotangent of g from that of g w."""
    if not fields.elementwise:
        return to_y[:, :, None] * w[:, None, :]
    return to_y * w
