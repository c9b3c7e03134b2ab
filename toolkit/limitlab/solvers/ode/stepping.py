"""The one loop that steps, whether an attempt at a time or several as one compiled call.

Every sample has its own time and step; a sample at its end takes steps of size zero until all are there. A sample whose
step no longer moves its time is given up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.interruption import TimeIsUp, ask_to_go_on
from limitlab.solvers.ode.attempts import Integrator, Itinerary, Position, advance, march_on
from limitlab.solvers.ode.events import Events
from limitlab.solvers.ode.recording import Sink
from limitlab.solvers.ode.step_control import Limits
from limitlab.solvers.solution import Failure

ATTEMPTS_BETWEEN_CHECKS = 8  # a look at the data makes an accelerator wait for all that is queued
STEPS_AT_ONCE = 32  # made ready together
UNMOVED = 2e-15  # of the time: a step below it does not move it
BESIDE_ZERO = 1e-15  # of the span: what counts as the time where that is zero
HUGE = 1e6  # times its size at the start: a solution that grew so far has blown up, not got stuck


class Taken(NamedTuple):
    """Where attempts led, and everybody's end; `due`: the recorder waits to work them up. error: that of the last."""

    now: Position
    end: Float[Tensor, "batch 1"]
    due: bool
    error: Float[Tensor, "batch 1"] | None


class Stepper(Protocol):
    """Makes some attempts a call, and hands them to its recorder."""

    @property
    def recorder(self) -> Sink: ...

    @property
    def attempts_between_checks(self) -> int:
        """How often to look whether all samples are at their ends; that waits for a device."""
        ...

    def depth(self, t: Float[Tensor, "batch 1"], y: Float[Tensor, "batch state"]) -> int:
        """Attempts a call."""
        ...

    def attempt(self, now: Position, end: Float[Tensor, "batch 1"]) -> Taken:
        """Towards the ends, with sizes by the error."""
        ...

    def cut(self, itinerary: Itinerary, y: Float[Tensor, "batch state"]) -> Iterable[Itinerary]:
        """The steps of each call from states like y."""
        ...

    def pass_through(
        self, steps: Itinerary, y: Float[Tensor, "batch state"], carry: Any
    ) -> tuple[Float[Tensor, "batch state"], Any, bool]:
        """The settled steps of a call; last, whether work is due."""
        ...


def adapt(
    stepper: Stepper, now: Position, end: Float[Tensor, "batch 1"], max_steps: int
) -> tuple[Position, list[Failure]]:
    """March every sample to its end with steps of its own; returns where they are, and those that were given up."""
    recorder, attempt, depth = stepper.recorder, stepper.attempt, stepper.depth(now.t, now.y)
    between = stepper.attempts_between_checks
    failures: list[Failure] = []
    length, size = (end - now.t).abs(), now.y.detach().abs().amax(1, keepdim=True)
    attempts = 0
    while attempts < max_steps:
        try:
            ask_to_go_on()
        except TimeIsUp:
            failures += given_up("out of time", end != now.t, now)
            break
        if attempts % between == 0 and torch.equal(end, now.t):
            break
        now, end, due, error = attempt(now, end)
        attempts += depth
        if due:
            recorder.work_up()
            lost, end = stuck(now, error, end, length, size)
            failures += lost
    else:
        failures += given_up("too many steps", end != now.t, now)
    recorder.work_up()
    return now, sorted(failures, key=lambda failure: failure.sample)


def follow(
    stepper: Stepper, y: Float[Tensor, "batch state"], carry: Any, itinerary: Itinerary
) -> tuple[Float[Tensor, "batch state"], Any]:
    """March along steps that are settled."""
    for steps in stepper.cut(itinerary, y):
        ask_to_go_on()
        y, carry, due = stepper.pass_through(steps, y, carry)
        if due:
            stepper.recorder.work_up()
    stepper.recorder.work_up()
    return y, carry


@dataclass(frozen=True)
class Eager:
    """One attempt a call."""

    integrator: Integrator
    limits: Limits
    recorder: Sink
    stops: Float[Tensor, "batch stops"] | None = None
    events: Events | None = None

    @property
    def attempts_between_checks(self) -> int:
        return 1 if self.limits.atol.device.type == "cpu" else ATTEMPTS_BETWEEN_CHECKS

    def depth(self, t: Tensor, y: Tensor) -> int:
        return 1

    def attempt(self, now: Position, end: Float[Tensor, "batch 1"]) -> Taken:
        self.recorder.offer(now.y, now.carry)
        then, row = advance(self.integrator, self.limits, now, end, self.stops)
        if self.events is not None:
            row, end = self.events.shorten(row, self.integrator, end)
            then = then._replace(t=row.after, y=torch.where(row.accepted, row.attempt.y, now.y))
        return Taken(then, end, self.recorder.add(row), row.error)

    def cut(self, itinerary: Itinerary, y: Float[Tensor, "batch state"]) -> Iterator[Itinerary]:
        if itinerary.accepted is not None:
            yield from itinerary.split(1)
            return
        field, method = self.integrator.field, self.integrator.method
        for several in itinerary.split(STEPS_AT_ONCE):
            attempts = method.steps(field, several.time, several.size, y.dtype)
            for step, attempt in zip(several.split(1), attempts, strict=True):
                yield step._replace(attempts=(attempt,))

    def pass_through(self, steps: Itinerary, y: Tensor, carry: Any) -> tuple[Tensor, Any, bool]:
        self.recorder.offer(y, carry)
        y, carry, row = march_on(self.integrator, self.limits, y, carry, steps)
        return y, carry, self.recorder.add(row)


def stuck(
    now: Position, error: Tensor | None, end: Tensor, length: Tensor, size: Tensor
) -> tuple[list[Failure], Float[Tensor, "batch 1"]]:
    """Samples whose step no longer moves their time are given up: their end is where they are."""
    # a stiff solution over a long span may start with steps that are far below the span's round-off
    still = (end != now.t) & ~(now.proposed > UNMOVED * torch.maximum(now.t.abs(), BESIDE_ZERO * length))
    if not bool(still.any()):
        return [], end
    broken = torch.zeros_like(still) if error is None else ~torch.isfinite(error.detach())
    grown = (now.y.detach().abs().amax(1, keepdim=True) > HUGE * (1 + size)) | broken
    # a singularity and a jump both shrink the step: what tells them apart is that the state has grown
    failures = given_up("blow-up", still & grown, now) + given_up("step size underflow", still & ~grown, now)
    return failures, torch.where(still, now.t, end)


def given_up(kind: str, lost: Tensor, now: Position) -> list[Failure]:
    """A failure for every lost sample."""
    samples = lost[:, 0].nonzero()[:, 0].tolist()
    return [Failure(sample, float(now.t[sample, 0]), float(now.proposed[sample, 0]), kind) for sample in samples]
