"""The one loop that steps: with sizes chosen from the error of every sample, or along times that are given.

    E = rms( error / (atol + rtol max(|y|, |y+|)) ),    a step is accepted iff E <= 1.

Every sample has its own time and step; a sample at its end takes steps of size zero until all are there. The steps
are constants of the gradient; error and stiffness in the log are not.
Source: Hairer, Norsett & Wanner, Solving ODEs I, II.4; Dormand & Prince 1980 for the pair of estimates of Dopri8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.solvers.methods.method import Attempt, Field, Method
from limitlab.solvers.ode.events import Events
from limitlab.solvers.ode.recording import Row, Sink
from limitlab.solvers.ode.step_control import GROW, SHRINK, Controller, next_factor
from limitlab.solvers.solution import Failure

ATTEMPTS_BETWEEN_CHECKS = 8
LANDING = 1.0 + 2.0**-50
HUGE = 1e6


@dataclass(frozen=True)
class Control:
    """Tolerances, how the next step is chosen, whether all samples take the same step, and how many at most."""

    rtol: float
    atol: float
    controller: Controller
    shared: bool = False
    most: int = 10_000

    def limits(self, method: Method, y: Float[Tensor, "batch state"]) -> Limits:
        """The numbers of the loop on the device and in the precision of the state."""
        limit = self.controller.limit(method.error_order or 1)
        scale = y.shape[1] ** 0.5 / limit
        numbers = (self.atol * scale, self.rtol * scale, limit, SHRINK, GROW)
        return Limits(*(y.new_tensor(number) for number in numbers))


class Limits(NamedTuple):
    """Tolerances, such that the norm of error / (atol + rtol |y|) is E times the limit; the limit; step factors."""

    atol: Float[Tensor, ""]
    rtol: Float[Tensor, ""]
    limit: Float[Tensor, ""]
    shrink: Float[Tensor, ""]
    grow: Float[Tensor, ""]


class Position(NamedTuple):
    """Where every sample is, and the step it wants to take next."""

    t: Float[Tensor, "batch 1"]
    proposed: Float[Tensor, "batch 1"]
    y: Float[Tensor, "batch state"]
    carry: Any
    memory: tuple[Tensor, ...]


def scaled_error(
    attempt: Attempt, y: Float[Tensor, "batch state"], limits: Limits, shared: bool = False
) -> Float[Tensor, "batch 1"]:
    """E times the controller's limit; NaN where the step is not finite, infinite where it could not be solved."""
    scale = torch.addcmul(limits.atol, limits.rtol, torch.maximum(y.abs(), attempt.y.abs()))
    if torch.is_grad_enabled() or len(attempt.error) == 2:
        # a root has no slope at zero
        tiny = torch.finfo(y.dtype).tiny
        square, *lower = ((error / scale).square().sum(1, keepdim=True) for error in attempt.error)
        error = (square + tiny).sqrt()
        if lower:
            error = error * ((square + tiny) / (square + 0.01 * lower[0] + tiny)).sqrt()
    else:
        error = torch.linalg.vector_norm(attempt.error[0] / scale, dim=1, keepdim=True)
    if attempt.solved is not None:
        error = error.where(attempt.solved, torch.inf)
    return error.square().mean(0, keepdim=True).sqrt().expand_as(error) if shared else error


def advance(
    field: Field,
    method: Method,
    controller: Controller,
    shared: bool,
    limits: Limits,
    now: Position,
    end: Float[Tensor, "batch 1"],
    stops: Float[Tensor, "batch stops"] | None = None,
) -> tuple[Position, Row]:
    """One attempt of every sample towards its end, or its next stop."""
    target = end if stops is None else _next_stop(stops, now.t, end)
    h = torch.minimum(now.proposed, target - now.t)
    attempt = _attempt(field, method, now, h)
    error = scaled_error(attempt, now.y, limits, shared)
    judged = error.detach() if error.requires_grad else error
    accepted = judged <= limits.limit
    factor, memory = next_factor(controller, method.error_order, judged, accepted, now.memory)
    factor = torch.fmin(torch.fmax(factor, limits.shrink), limits.grow)  # these pass over NaN, clamp would keep it
    after = torch.where(accepted, torch.minimum(torch.add(now.t, h, alpha=LANDING), target), now.t)
    y = torch.where(accepted, attempt.y, now.y)
    carry = tuple(_where(accepted, new, old) for new, old in zip(attempt.carry, now.carry, strict=True))
    proposed = h * factor
    if stops is not None:
        # a step that was cut says little about the next one
        cut = accepted & (h < now.proposed)
        proposed = torch.where(cut, torch.maximum(proposed, now.proposed), proposed)
    row = Row(now.t, h, after, accepted, error, now.y, now.carry, attempt)
    return Position(after, proposed, y, carry, memory), row


def adapt(
    field: Field,
    method: Method,
    control: Control,
    now: Position,
    end: Float[Tensor, "batch 1"],
    recorder: Sink,
    *,
    stops: Float[Tensor, "batch stops"] | None = None,
    events: Events | None = None,
) -> tuple[Position, list[Failure]]:
    """March every sample to its end with steps of its own; returns where they are, and those that were given up."""
    limits = control.limits(method, now.y)
    between = 1 if now.y.device.type == "cpu" else ATTEMPTS_BETWEEN_CHECKS
    failures: list[Failure] = []
    length, size = (end - now.t).abs(), now.y.detach().abs().amax(1, keepdim=True)
    for attempts in range(control.most):
        if attempts % between == 0 and not bool((end - now.t).any()):
            break
        then, row = advance(field, method, control.controller, control.shared, limits, now, end, stops)
        if events is not None:
            row, end = events.follow(row, method, field, end)
            then = then._replace(t=row.after, y=torch.where(row.accepted, row.attempt.y, now.y))
        now = then
        if recorder.add(row):
            recorder.work_up()
            lost, end = stuck(now, row.error, end, length, size)
            failures += lost
    else:
        failures += given_up("too many steps", end != now.t, now)
    recorder.work_up()
    return now, sorted(failures, key=lambda failure: failure.sample)


def follow(
    field: Field,
    method: Method,
    y: Float[Tensor, "batch state"],
    carry: Any,
    grid: Float[Tensor, "batch steps"],
    recorder: Sink,
    limits: Limits,
) -> tuple[Float[Tensor, "batch state"], Any]:
    """March along given times, (batch, steps + 1); intervals of length zero move nothing."""
    for t, after in zip(grid[:, :-1].split(1, 1), grid[:, 1:].split(1, 1), strict=True):
        y, carry, row = march_on(field, method, limits, y, carry, t, after)
        if recorder.add(row):
            recorder.work_up()
    recorder.work_up()
    return y, carry


def march_on(
    field: Field, method: Method, limits: Limits, y: Tensor, carry: Any, t: Tensor, after: Tensor
) -> tuple[Float[Tensor, "batch state"], Any, Row]:
    """One step from t to after, whatever its error."""
    h = after - t
    attempt = method.attempt(field, t, y, h, carry)
    error = scaled_error(attempt, y, limits) if attempt.error else None
    row = Row(t, h, after, torch.ones_like(h, dtype=torch.bool), error, y, carry, attempt)
    return attempt.y, attempt.carry, row


def _attempt(field: Field, method: Method, now: Position, h: Tensor) -> Attempt:
    """An attempt; under a tape, one that overflows is made again with size zero for the samples where it did.

    Their step is rejected anyway, but zero times infinity would put NaN into everybody's gradient of the parameters.
    """
    attempt = method.attempt(field, now.t, now.y, h, now.carry)
    if torch.is_grad_enabled() and attempt.y.requires_grad and not torch.compiler.is_compiling():
        fine = torch.isfinite(attempt.y.detach() + attempt.carry[0].detach()).all(1, keepdim=True)
        if not bool(fine.all()):
            again = method.attempt(field, now.t, now.y, h.where(fine, 0.0), now.carry)
            broken = torch.where(fine, 0.0, torch.nan).to(now.y.dtype)
            return again._replace(error=tuple(error + broken for error in again.error))
    return attempt


def stuck(
    now: Position, error: Tensor | None, end: Tensor, length: Tensor, size: Tensor
) -> tuple[list[Failure], Float[Tensor, "batch 1"]]:
    """Samples whose step no longer moves their time are given up: their end is where they are."""
    # a stiff solution over a long span may start with steps that are far below the span's round-off
    still = (end != now.t) & ~(now.proposed > 2e-15 * torch.maximum(now.t.abs(), 1e-15 * length))
    if not bool(still.any()):
        return [], end
    broken = torch.zeros_like(still) if error is None else ~torch.isfinite(error.detach())
    grown = (now.y.detach().abs().amax(1, keepdim=True) > HUGE * (1 + size)) | broken
    failures = given_up("blow-up", still & grown, now) + given_up("step size underflow", still & ~grown, now)
    return failures, torch.where(still, now.t, end)


def given_up(kind: str, lost: Tensor, now: Position) -> list[Failure]:
    """A failure for every lost sample."""
    samples = lost[:, 0].nonzero()[:, 0].tolist()
    return [Failure(sample, float(now.t[sample, 0]), float(now.proposed[sample, 0]), kind) for sample in samples]


def _next_stop(stops: Tensor, t: Tensor, end: Tensor) -> Tensor:
    place = torch.searchsorted(stops, t.contiguous(), right=True)
    found = stops.gather(1, place.clamp_max(stops.shape[1] - 1))
    return torch.where(place < stops.shape[1], torch.minimum(found, end), end)


def _where(moved: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(moved if new.dim() == 2 else moved.view(-1, *(1,) * (new.dim() - 1)), new, old)
