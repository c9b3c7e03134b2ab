"""Gradients of a solve: by the tape of all steps, or by replaying them in segments from a few kept states.

Checkpoints: the solve runs without a tape and keeps every s-th state, s doubling so that about sqrt(2 n) of n states
are held; the backward pass replays one segment of s attempts after the other, rejected ones included, with the sizes
and the random numbers of the first time.
Source: Griewank & Walther 2000, one level; the doubling needs no knowledge of n.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from limitlab.errors import InvalidArgument
from limitlab.solvers.arguments import FlatField
from limitlab.solvers.gradients.adjoint import adjoint
from limitlab.solvers.gradients.leaves import PROBES, SameLeaves, gradient_leaves, moments_of
from limitlab.solvers.gradients.replay import Generators, require_same_end
from limitlab.solvers.gradients.reversible import reversible
from limitlab.solvers.ode.attempts import Itinerary
from limitlab.solvers.ode.march import March, Outcome
from limitlab.solvers.ode.recording import Recorder
from limitlab.solvers.ode.stepping import follow
from limitlab.solvers.solution import StepLog


def direct(march: March, y: Tensor, slope: Tensor, parameters: tuple[Tensor, ...]) -> Outcome:
    """The tape of all steps."""
    return march.run(y, slope)


def checkpoint(march: March, y: Tensor, slope: Tensor, parameters: tuple[Tensor, ...]) -> Outcome:
    """The tape of one segment at a time."""
    if march.events:
        raise InvalidArgument("events have no gradient by 'checkpoint'; use gradient='direct'")
    outcomes: list[Outcome] = []
    states, error, stiffness = _Checkpointed.apply(march, outcomes, y, *parameters)
    (outcome,) = outcomes
    return outcome._replace(states=states, log=replace(outcome.log, error=error, stiffness=stiffness))


class Checkpoints:
    """Every `stride`-th (state, carry, generators' state) that the march offers, thinned out as it goes on.

    unit: attempts an offer.
    """

    def __init__(self, generators: Generators) -> None:
        self.stride = self.unit = 1
        self.starts: list[tuple[Tensor, Any, list[Tensor]]] = []
        self._generators, self._count = generators, 0

    def offer(self, state: Tensor, carry: Any, attempts: int) -> None:
        """Keep this start of some attempts, or not."""
        self.unit = attempts
        if self._count % self.stride == 0:
            self.starts.append((state, carry, self._generators.state()))
        self._count += 1
        # kept states and the length of a segment stay in proportion, whatever the number of steps
        if len(self.starts) > 2 * self.stride:
            self.starts, self.stride = self.starts[::2], 2 * self.stride


class _Checkpointed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, march, outcomes, y, *parameters):
        ctx.generators = Generators(y.device)
        ctx.checkpoints, ctx.before = Checkpoints(ctx.generators), ctx.generators.state()
        start = march.times[:, :1].to(y.dtype)
        slope = march.field(start, y)
        drawn = ctx.generators.have_moved(ctx.before)
        outcome = march.run(y, slope, ctx.checkpoints.offer)
        outcomes.append(outcome)
        ctx.march, ctx.y, ctx.parameters = march, y, parameters
        ctx.itinerary, ctx.end = _retraced(outcome.log, march.times[:, -1:]), outcome.states[:, -1].clone()
        # stages that only outputs need are made at other moments in a replay
        ctx.outputs = outcome.states.clone() if drawn else None
        ctx.set_materialize_grads(False)
        return outcome.states, outcome.log.error, outcome.log.stiffness

    @staticmethod
    @once_differentiable
    def backward(ctx, states, error, stiffness):
        parameters, starts = ctx.parameters, ctx.checkpoints.starts
        totals: list[Tensor | None] = [None] * len(parameters)
        incoming: list[Tensor | None] = [None if states is None else states[:, -1]]
        ends = [state for state, _, _ in starts[1:]] + [ctx.end]
        for number in reversed(range(len(starts))):
            with ctx.generators.unmoved(), torch.enable_grad():
                leaves, end, last, recorder, (first, stop) = _replayed(ctx, number)
                require_same_end(end, ends[number])
                samples, moments, values = recorder.values
                if ctx.outputs is not None:
                    require_same_end(values, ctx.outputs[samples, moments])
                log = recorder.log
                pairs = [
                    *zip([end, *last], [*incoming, *[None] * len(last)], strict=False),
                    (values, None if states is None else states[samples, moments]),
                    (log.error[:, : stop - first], None if error is None else error[:, first:stop]),
                    (log.stiffness[:, : stop - first], None if stiffness is None else stiffness[:, first:stop]),
                ]
            outputs = [(output, grad) for output, grad in pairs if grad is not None and output.requires_grad]
            inputs = [*leaves, *parameters]
            SameLeaves(inputs).require([output for output, _ in outputs])
            if outputs:
                gradients = torch.autograd.grad(
                    [output for output, _ in outputs], inputs, [grad for _, grad in outputs],
                    allow_unused=True, retain_graph=True,
                )  # fmt: skip
                incoming = list(gradients[: len(leaves)])
                totals = [_sum(total, new) for total, new in zip(totals, gradients[len(leaves) :], strict=True)]
        if states is not None and incoming[0] is not None:
            incoming[0] = incoming[0] + states[:, 0]
        return None, None, incoming[0], *totals


def _retraced(log: StepLog, last: Float[Tensor, "batch 1"]) -> Itinerary:
    """All attempts of a march, the rejected ones too: their errors stand in the log."""
    # a sample that stood still or has ended is where its next attempt starts, or at its end
    time = torch.where(torch.isnan(log.time), last, log.time).flip(1).cummin(1).values.flip(1)
    following = torch.cat([time[:, 1:], last], 1)
    return Itinerary(time, log.size.nan_to_num(0.0), torch.where(log.accepted, following, time), log.accepted)


def _replayed(ctx: Any, number: int) -> tuple[list[Tensor], Tensor, Any, Recorder, tuple[int, int]]:
    """Leaves, end, what is carried there, records and columns of the segment that starts at a checkpoint."""
    # a compiled backward pass may let its buffers go, and is refused by torch where the graph is retained
    march, checkpoints = replace(ctx.march, compile=False), ctx.checkpoints
    stride = checkpoints.stride * checkpoints.unit
    first, stop = number * stride, min((number + 1) * stride, ctx.itinerary.time.shape[1])
    state, carry, drawn = checkpoints.starts[number]
    y = (ctx.y if number == 0 else state).detach().requires_grad_()
    if number == 0:
        ctx.generators.restore(ctx.before)
        start = march.times[:, :1]
        # the first slope depends on y and on the parameters, so it is made again with a tape
        carry = march.method.begin(march.field, start, y, march.field(start.to(y.dtype), y))
        leaves = [y]
    else:
        carry = tuple(part.detach().requires_grad_() for part in carry)
        leaves = [y, *carry]
    ctx.generators.restore(drawn)
    recorder = Recorder(march.times, y, march.integrator)
    end, last = follow(march.stepper(recorder, y), y, carry, ctx.itinerary.part(first, stop))
    return leaves, end, last, recorder, (first, stop)


def _sum(total: Tensor | None, new: Tensor | None) -> Tensor | None:
    return new if total is None else total if new is None else total + new


def parameters_of(march: March, y: Tensor, field: object) -> tuple[Tensor, ...]:
    """Everything the field holds that asks for a gradient, at some time of the span."""
    moments = moments_of(march.times[:, :1], march.times[:, -1:])
    if march.stops is not None:
        moments += march.stops.split(1, 1)[:: max(1, march.stops.shape[1] // PROBES)]
    with Generators(y.device).unmoved(), torch.enable_grad():
        slopes = [march.field(moment.to(y.dtype), y.detach()) for moment in moments]
    inner = march.field.field if isinstance(march.field, FlatField) else march.field
    return gradient_leaves(slopes, [field, inner])


GRADIENTS: dict[str, Callable[[March, Tensor, Tensor, tuple[Tensor, ...]], Outcome]] = {
    "direct": direct,
    "checkpoint": checkpoint,
    "adjoint": adjoint,
    "reversible": reversible,
}
