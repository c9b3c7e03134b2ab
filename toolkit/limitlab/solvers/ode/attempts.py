"""One attempt of all samples: towards their ends with sizes from the error of every sample, or over given times.

    E = rms( error / (atol + rtol max(|y|, |y+|)) ),    a step is accepted iff E <= 1.

A sample at its end takes steps of size zero. The steps are constants of the gradient; error and stiffness are not.

Where the batch is small, an attempt costs what its calls of torch cost, some 2 microseconds each whatever is in them:

| part of an attempt, calls of torch | tsit5 | rodas5 | where |
|---|---|---|---|
| field (Lotka-Volterra, van der Pol) and known Jacobian | 6 x 11 | 8 x 7 + 7 + 12 | the caller's |
| stages | 18 | 31 | methods/explicit.py, methods/rosenbrock.py |
| one factorisation, eight solves | | 27 | methods/linear_small.py |
| copies for the Jacobian; does the field look at the time | | 5 | methods/jacobians.py |
| estimate of the stiffness | | 7 | methods/jacobians.py |
| scaled error | 6 | 8 | `scaled_error` |
| factor of the next step, PI control, clipped | 8 | 8 | step_control.py |
| size, landing, what a rejected sample keeps | 9 | 9 | `advance` |
| are all at their ends | 1 | 1 | stepping.py |

Outputs and the log are worked up for dozens of attempts at once. With a tape the stages are not made in place, which is
a third more calls for tsit5. A compiled call of several attempts (`compiled.py`) pays little of all this.
Source: Hairer, Norsett & Wanner, Solving ODEs I, II.4; Dormand & Prince 1980 for the pair of estimates of Dopri8.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from limitlab.solvers.methods.method import Attempt, Method, StepFunction, VectorField
from limitlab.solvers.ode.step_control import Controller, Limits, next_factor
from limitlab.solvers.times import SLIVER

# target - t is rounded where a step is long against t: four eps more, and the minimum below cuts what is too much
LANDING = 1.0 + 2.0**-50
SHORTER = 1.0 - 2.0**-52  # by a unit in the last place or two


@dataclass(frozen=True)
class Integrator:
    """What makes an attempt, whatever times and tolerances are; hashable, since a compiled loop is kept for each."""

    field: VectorField
    method: Method
    controller: Controller
    shared_steps: bool = False
    max_step: float | None = None
    careful: bool = False  # about a last step that would end beyond the span by rounding


class Position(NamedTuple):
    """Where every sample is, and the step that it would take next."""

    t: Float[Tensor, "batch 1"]
    proposed: Float[Tensor, "batch 1"]
    y: Float[Tensor, "batch state"]
    carry: Any
    memory: tuple[Tensor, ...]


class Itinerary(NamedTuple):
    """Steps that are settled beforehand, a column each: from `time` of `size` to `after`.

    accepted: which of them counted, where they are those of an earlier march; None where all do. attempts: of each,
    where they were made ready.
    """

    time: Float[Tensor, "batch step"]
    size: Float[Tensor, "batch step"]
    after: Float[Tensor, "batch step"]
    accepted: Bool[Tensor, "batch step"] | None = None
    attempts: tuple[StepFunction, ...] | None = None

    def part(self, first: int, stop: int) -> Itinerary:
        """Some of the steps."""
        counted = None if self.accepted is None else self.accepted[:, first:stop]
        return Itinerary(self.time[:, first:stop], self.size[:, first:stop], self.after[:, first:stop], counted)

    def split(self, width: int) -> list[Itinerary]:
        """Parts of so many steps, and what is left over."""
        columns = [[] if part is None else part.split(width, 1) for part in self[:4]]
        return [Itinerary(*parts) for parts in zip_longest(*columns)]

    def filled(self, width: int) -> Itinerary:
        """With steps of size zero up to a multiple of the width."""
        missing = -self.time.shape[1] % width
        end = self.after[:, -1:].expand(-1, missing)
        time, after = torch.cat([self.time, end], 1), torch.cat([self.after, end], 1)
        size = torch.cat([self.size, torch.zeros_like(end)], 1)
        if self.accepted is None:
            return Itinerary(time, size, after)
        return Itinerary(time, size, after, torch.cat([self.accepted, torch.zeros_like(end, dtype=torch.bool)], 1))


def along(grid: Float[Tensor, "batch steps"]) -> Itinerary:
    """Steps from each time of a grid to the next; intervals of length zero move nothing."""
    return Itinerary(grid[:, :-1], grid.diff(dim=1), grid[:, 1:])


class Row(NamedTuple):
    """One attempt of all samples from `state`: `time`, `size`, `after` (where it led), `accepted` are (batch, 1)."""

    time: Tensor
    size: Tensor
    after: Tensor
    accepted: Tensor
    error: Tensor | None
    state: Float[Tensor, "batch state"]
    carry: Any
    attempt: Attempt


def advance(
    integrator: Integrator,
    limits: Limits,
    now: Position,
    end: Float[Tensor, "batch 1"],
    stops: Float[Tensor, "batch stops"] | None = None,
) -> tuple[Position, Row]:
    """One attempt of every sample towards its end, or its next stop."""
    target = end if stops is None else _next_stop(stops, now.t, end)
    h = _size(integrator, now, target)
    attempt = _attempt(integrator, now, h)
    error = scaled_error(attempt, now.y, limits, integrator.shared_steps)
    judged = error.detach() if error.requires_grad else error
    accepted = judged <= limits.limit
    order = integrator.method.error_order
    factor, memory = next_factor(integrator.controller, order, judged, accepted, now.memory)
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


def march_on(
    integrator: Integrator, limits: Limits, y: Float[Tensor, "batch state"], carry: Any, step: Itinerary
) -> tuple[Float[Tensor, "batch state"], Any, Row]:
    """One step that is settled, whatever its error; one that did not count leaves the state where it is."""
    t, h, after, counted, ready = step
    if counted is None:
        attempt = integrator.method.attempt(integrator.field, t, y, h, carry) if ready is None else ready[0](y, carry)
        error = scaled_error(attempt, y, limits) if attempt.error else None
        row = Row(t, h, after, torch.ones_like(h, dtype=torch.bool), error, y, carry, attempt)
        return attempt.y, attempt.carry, row
    attempt = _attempt(integrator, Position(t, h, y, carry, ()), h)
    error = scaled_error(attempt, y, limits, integrator.shared_steps) if attempt.error else None
    row = Row(t, h, after, counted, error, y, carry, attempt)
    kept = tuple(_where(counted, new, old) for new, old in zip(attempt.carry, carry, strict=True))
    return torch.where(counted, attempt.y, y), kept, row


def scaled_error(
    attempt: Attempt, y: Float[Tensor, "batch state"], limits: Limits, shared_steps: bool = False
) -> Float[Tensor, "batch 1"]:
    """E times the controller's limit; NaN where the step is not finite, infinite where it could not be solved."""
    scale = torch.addcmul(limits.atol, limits.rtol, torch.maximum(y.abs(), attempt.y.abs()))
    if torch.is_grad_enabled() or len(attempt.error) == 2:
        # a root has no slope at zero
        tiny = torch.finfo(y.dtype).tiny
        square, *lower = ((error / scale).square().sum(1, keepdim=True) for error in attempt.error)
        error = (square + tiny).sqrt()
        if lower:
            # DOP853: |e5|^2 / sqrt(|e5|^2 + 0.01 |e3|^2)
            error = error * ((square + tiny) / (square + 0.01 * lower[0] + tiny)).sqrt()
    else:
        error = torch.linalg.vector_norm(attempt.error[0] / scale, dim=1, keepdim=True)
    if attempt.solved is not None:
        error = error.where(attempt.solved, torch.inf)
    return error.square().mean(0, keepdim=True).sqrt().expand_as(error) if shared_steps else error


def _size(integrator: Integrator, now: Position, target: Float[Tensor, "batch 1"]) -> Float[Tensor, "batch 1"]:
    """What was proposed, up to the target and the longest step."""
    left, proposed = target - now.t, now.proposed
    if integrator.max_step is not None:
        proposed = proposed.clamp_max(integrator.max_step)
        # a whole number of longest steps leaves no sliver by rounding
        proposed = torch.where(left <= proposed * (1 + SLIVER), left, proposed)
    h = torch.minimum(proposed, left)
    # a field may have no value one unit in the last place beyond the span
    return torch.where(now.t + h > target, h * SHORTER, h) if integrator.careful else h


def _attempt(integrator: Integrator, now: Position, h: Float[Tensor, "batch 1"]) -> Attempt:
    """An attempt; under a tape, one that overflows is made again with size zero for the samples where it did.

    Their step is rejected anyway, but zero times infinity would put NaN into everybody's gradient of the parameters.
    """
    field, method = integrator.field, integrator.method
    attempt = method.attempt(field, now.t, now.y, h, now.carry)
    if torch.is_grad_enabled() and attempt.y.requires_grad and not torch.compiler.is_compiling():
        # one test for two tensors: a sum is finite only where both are
        fine = torch.isfinite(attempt.y.detach() + attempt.carry[0].detach()).all(1, keepdim=True)
        if not bool(fine.all()):
            again = method.attempt(field, now.t, now.y, h.where(fine, 0.0), now.carry)
            broken = torch.where(fine, 0.0, torch.nan).to(now.y.dtype)
            return again._replace(error=tuple(error + broken for error in again.error))
    return attempt


def _next_stop(stops: Tensor, t: Tensor, end: Tensor) -> Float[Tensor, "batch 1"]:
    # right: the stop at t itself lies behind
    index = torch.searchsorted(stops, t.contiguous(), right=True)
    following = stops.gather(1, index.clamp_max(stops.shape[1] - 1))
    return torch.where(index < stops.shape[1], torch.minimum(following, end), end)


def _where(moved: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(moved if new.dim() == 2 else moved.view(-1, *(1,) * (new.dim() - 1)), new, old)
