"""A solve made ready: field, method, times and tolerances; running it gives states, log, counts and failures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.solvers.methods.method import Field, Method
from limitlab.solvers.ode.compiled import adapt_compiled, follow_compiled
from limitlab.solvers.ode.events import Event, Events
from limitlab.solvers.ode.recording import Recorder
from limitlab.solvers.ode.step_control import first_step, no_memory
from limitlab.solvers.ode.stepping import Control, Limits, Position, adapt, follow
from limitlab.solvers.solution import Evaluations, EventLog, Failure, StepLog

SLIVER = 1e-9


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

    step_size: of uniform steps; None for steps by the error. stops: (batch, stops), NaN-free and sorted.
    """

    field: Field
    method: Method
    times: Float[Tensor, "batch time"]
    control: Control
    step_size: float | None = None
    first: float | None = None
    stops: Float[Tensor, "batch stops"] | None = None
    events: tuple[Event, ...] = ()
    compile: bool = False

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
        recorder = Recorder(self.times, y, self.method, self.field, self.control.controller, offer)
        if self.step_size is not None:
            limits = self.control.limits(self.method, y)
            end, carry = self.follow(y, carry, self.uniform_grid(), recorder, limits)
            if last is not None:
                last.extend([end, *carry])
            return self._outcome(end, recorder, 1, self._blown_up(recorder, end))
        # in the layout that a compiled call returns, or it would be compiled for both
        start, end = self.times[:, :1].contiguous(), self.times[:, -1:].contiguous()
        memory = no_memory(self.control.controller, self.method.error_order, y[:, :1].detach())
        begin = Position(start, self._first(start, y, slope), y, carry, memory)
        events = Events(self.events, start.to(y.dtype), y) if self.events else None
        setting = (self.field, self.method, self.control, begin, end, recorder)
        if self.compile:
            now, failures = adapt_compiled(*setting, stops=self.stops)
        else:
            now, failures = adapt(*setting, stops=self.stops, events=events)
        state = torch.where(now.t.detach() == end, now.y, torch.nan)
        outcome = self._outcome(state, recorder, 1 if self.first else 2, failures)
        return outcome if events is None else outcome._replace(events=events.logs())

    def follow(self, y: Tensor, carry: Any, grid: Tensor, recorder: Recorder, limits: Limits) -> tuple[Tensor, Any]:
        """March along given times (batch, steps + 1)."""
        along = follow_compiled if self.compile else follow
        return along(self.field, self.method, y, carry, grid, recorder, limits)

    def uniform_grid(self) -> Float[Tensor, "batch steps"]:
        """Times of steps of `step_size` from the start, the last one shorter, with the stops in between."""
        assert self.step_size is not None
        start, end = self.times[:, :1], self.times[:, -1:]
        count = int(torch.ceil((end - start) / self.step_size - SLIVER).max())
        grid = start + self.step_size * torch.arange(count + 1, dtype=start.dtype, device=start.device)
        grid = torch.where(grid > end - SLIVER * self.step_size, end, grid)
        if self.stops is None:
            return grid
        inside = torch.minimum(torch.maximum(self.stops, start), end)
        nearest = torch.searchsorted(grid, inside - 0.5 * self.step_size).clamp_max(count)
        snapped = grid.gather(1, nearest)
        close = (snapped - inside).abs() < SLIVER * self.step_size
        return torch.cat([grid, torch.where(close, snapped, inside)], 1).sort(1).values

    def _first(self, t: Tensor, y: Tensor, slope: Tensor) -> Float[Tensor, "batch 1"]:
        if self.first is not None:
            return torch.full_like(t, self.first)
        with torch.no_grad():
            order, control = self.method.error_order, self.control
            step = first_step(self.field, t.to(y.dtype), y, slope, order, control.rtol, control.atol).to(t.dtype)
            return step.amin(0, keepdim=True).expand_as(step).contiguous() if control.shared else step

    def _outcome(self, end: Tensor, recorder: Recorder, before: int, failures: list[Failure]) -> Outcome:
        log, method = recorder.log, self.method
        calls, jacobians, factorizations = (
            [each * log.attempted.sum(1) for each in (method.calls, method.jacobians, method.factorizations)]
            if recorder.cost is None
            else recorder.cost.unbind(1)
        )
        evaluations = Evaluations(before + calls + recorder.extra_calls, jacobians, factorizations)
        return Outcome(recorder.states(end), log, evaluations, tuple(failures))

    def _blown_up(self, recorder: Recorder, end: Tensor) -> list[Failure]:
        """Samples of a uniform march that left the numbers, at the first time that shows it."""
        finite = torch.isfinite(end.detach()).all(1)
        if bool(finite.all()):
            return []
        states = torch.isfinite(recorder.states(end).detach()).all(2)
        failures = []
        for sample in (~finite).nonzero()[:, 0].tolist():
            time = float(self.times[sample, int((~states[sample]).nonzero()[0, 0])])
            failures.append(Failure(sample, time, float(self.step_size or 0.0), "blow-up"))
        return failures
