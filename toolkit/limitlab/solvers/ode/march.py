"""A solve made ready: field, method, times and tolerances; running it gives states, log, counts and failures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.interruption import TimeIsUp
from limitlab.solvers.methods.method import Method, VectorField
from limitlab.solvers.ode.attempts import Integrator, Position, along
from limitlab.solvers.ode.compiled import Compiled, unrolled
from limitlab.solvers.ode.events import Event, Events
from limitlab.solvers.ode.recording import Recorder
from limitlab.solvers.ode.step_control import Control, estimated_first_step, no_memory
from limitlab.solvers.ode.stepping import Eager, Stepper, adapt, follow
from limitlab.solvers.solution import Evaluations, EventLog, Failure, StepLog
from limitlab.solvers.times import may_pass, sliver_of


class Outcome(NamedTuple):
    """States (batch, time, state) with the log, the costs, what was given up, and the events."""

    states: Float[Tensor, "batch time state"]
    log: StepLog
    evaluations: Evaluations
    failures: tuple[Failure, ...]
    events: tuple[EventLog, ...] = ()


@dataclass(frozen=True)
class March:
    """Everything that decides the numbers of a solve, on (batch, state) tensors and increasing times (batch, time).

    stops: (batch, stops), NaN-free and sorted. taped_events: whether crossings have a gradient wherever they can.
    log_states: whether the log has the state of every attempt.
    """

    field: VectorField
    method: Method
    times: Float[Tensor, "batch time"]
    control: Control
    stops: Float[Tensor, "batch stops"] | None = None
    events: tuple[Event, ...] = ()
    taped_events: bool = False
    compile: bool = False
    log_states: bool = False

    @cached_property
    def integrator(self) -> Integrator:
        control = self.control
        shared = control.shared_steps and control.step_size is None
        # a compiled loop serves all spans
        careful = self.compile or may_pass(self.times[:, :1], self.times[:, -1:])
        return Integrator(self.field, self.method, control.controller, shared, control.max_step, careful)

    def run(
        self,
        y: Float[Tensor, "batch state"],
        slope: Float[Tensor, "batch state"],
        offer: Callable[[Tensor, Any, int], None] | None = None,
        last: list[Tensor] | None = None,
    ) -> Outcome:
        """Solve from y, whose slope is known.

        offer: gets (state, carry, n) before every n attempts. last: takes the state and what is carried at the end of a
        uniform march.
        """
        carry = self.method.begin(self.field, self.times[:, :1], y, slope)
        recorder = Recorder(self.times, y, self.integrator, offer, log_states=self.log_states)
        if self.control.step_size is not None:
            try:
                end, carry = follow(self.stepper(recorder, y), y, carry, along(self.uniform_grid()))
            except TimeIsUp:
                recorder.work_up()
                nowhere = torch.full_like(y, torch.nan)
                return self._outcome(nowhere, recorder, 1, self._blown_up(recorder, nowhere, "out of time"))
            if last is not None:
                last.extend([end, *carry])
            return self._outcome(end, recorder, 1, self._blown_up(recorder, end))
        # in the layout that a compiled call returns, or it would be compiled for both
        start, end = self.times[:, :1].contiguous(), self.times[:, -1:].contiguous()
        memory = no_memory(self.control.controller, self.method.error_order, y[:, :1].detach())
        begin = Position(start, self._first_step(start, y, slope), y, carry, memory)
        events = Events(self.events, start, y, self.taped_events) if self.events else None
        now, failures = adapt(self.stepper(recorder, y, events), begin, end, self.control.max_steps)
        # equality is exact: an attempt that reaches the end lands on it to the last bit
        state = torch.where(now.t.detach() == end, now.y, torch.nan)
        if events is not None:
            recorder.extra_calls += events.calls
        # calls before the loop: the slope at the start, and the trial step of the estimated first one
        outcome = self._outcome(state, recorder, 1 if self.control.first_step else 2, failures)
        return outcome if events is None else outcome._replace(events=events.logs())

    def stepper(self, recorder: Recorder, y: Float[Tensor, "batch state"], events: Events | None = None) -> Stepper:
        """What makes the attempts from states like y."""
        limits = self.control.limits(self.method, y)
        if not self.compile:
            return Eager(self.integrator, limits, recorder, self.stops, events)
        several = unrolled(self.integrator, recorder.dense, torch.is_grad_enabled(), y.shape)
        return Compiled(several, limits, recorder, self.stops)

    def uniform_grid(self) -> Float[Tensor, "batch steps"]:
        """Times of steps of `step_size` from the start, the last one shorter, with the stops in between."""
        assert self.control.step_size is not None
        return uniform_grid(self.times[:, :1], self.times[:, -1:], self.control.step_size, self.stops)

    def _first_step(self, t: Tensor, y: Tensor, slope: Tensor) -> Float[Tensor, "batch 1"]:
        control = self.control
        if control.first_step is not None:
            return torch.full_like(t, control.first_step)
        with torch.no_grad():
            order, span = self.method.error_order, self.times[:, -1:] - t
            step = estimated_first_step(
                self.field, t.to(y.dtype), y, slope, span=span, order=order, control=control
            ).to(t.dtype)
            return step.amin(0, keepdim=True).expand_as(step).contiguous() if control.shared_steps else step

    def _outcome(self, end: Tensor, recorder: Recorder, before: int, failures: list[Failure]) -> Outcome:
        log, method = recorder.log, self.method
        calls, jacobians, factorizations = (
            [each * log.attempted.sum(1) for each in (method.calls, method.jacobians, method.factorizations)]
            if recorder.cost is None
            else recorder.cost.unbind(1)
        )
        evaluations = Evaluations(before + calls + recorder.extra_calls, jacobians, factorizations)
        return Outcome(recorder.states(end), log, evaluations, tuple(failures))

    def _blown_up(self, recorder: Recorder, end: Tensor, kind: str = "blow-up") -> list[Failure]:
        return blown_up(self.times, recorder.states(end).detach(), self.control.step_size or 0.0, kind)


def blown_up(
    times: Float[Tensor, "batch time"], states: Float[Tensor, "batch time state"], step_size: float, kind: str
) -> list[Failure]:
    """Samples of a uniform march that ceased to be finite, at the first time that shows it."""
    lost = ~torch.isfinite(states[:, -1]).all(1)
    if not bool(lost.any()):
        return []
    finite = torch.isfinite(states).all(2)
    return [
        Failure(sample, float(times[sample, int((~finite[sample]).nonzero()[0, 0])]), float(step_size), kind)
        for sample in lost.nonzero()[:, 0].tolist()
    ]


def uniform_grid(
    start: Float[Tensor, "batch 1"],
    end: Float[Tensor, "batch 1"],
    step_size: float,
    stops: Float[Tensor, "batch stops"] | None = None,
) -> Float[Tensor, "batch steps"]:
    """Times of steps of the size from the start, the last one shorter, with the stops in between."""
    sliver = sliver_of(torch.cat([start, end], 1), step_size)
    count = max(1, int(torch.ceil((end - start) / step_size - sliver).max()))
    later = start + step_size * torch.arange(1, count + 1, dtype=start.dtype, device=start.device)
    # the start stays, however long a step is
    grid = torch.cat([start, torch.where(later > end - sliver * step_size, end, later)], 1)
    if stops is None:
        return grid
    inside = torch.minimum(torch.maximum(stops, start), end)
    nearest = torch.searchsorted(grid, inside - 0.5 * step_size).clamp_max(count)
    snapped = grid.gather(1, nearest)
    # a stop beside a grid time by rounding would leave a step of 1e-16 between the two
    close = (snapped - inside).abs() < sliver * step_size
    merged = torch.cat([grid, torch.where(close, snapped, inside)], 1).sort(1).values
    # a step of size zero moves nothing: one that is so for all samples is left out
    moving = (merged.diff(dim=1) > 0).any(0)
    return torch.cat([merged[:, :1], merged[:, 1:][:, moving]], 1)
