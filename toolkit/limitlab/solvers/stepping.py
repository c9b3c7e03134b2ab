"""The one loop that steps: with sizes chosen from the error of every sample, or along times that are given.

    E = rms( error / (atol + rtol max(|y|, |y+|)) ),    a step is accepted iff E <= 1.

Every sample has its own time and step; a sample at its end takes steps of size zero until all are there. The steps
are constants of the gradient; error and stiffness in the log are not.
Source: Hairer, Norsett & Wanner, Solving ODEs I, II.4; Dormand & Prince 1980 for the pair of estimates of Dopri8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils import _pytree as pytree

from limitlab.solvers.events import Events
from limitlab.solvers.methods import Attempt, Field, Method
from limitlab.solvers.recording import Recorder, Row
from limitlab.solvers.solution import Failure
from limitlab.solvers.step_control import Controller, next_step, no_memory

ATTEMPTS_BETWEEN_CHECKS = 8
LANDING = 1.0 + 2.0**-50
HUGE = 1e6


@dataclass(frozen=True)
class Control:
    """Tolerances and how the next step is chosen; `shared` makes all samples take the same step."""

    rtol: float | Tensor
    atol: float | Tensor
    controller: Controller
    shared: bool = False
    most: int = 10_000


def scaled_error(attempt: Attempt, y: Float[Tensor, "batch state"], control: Control) -> Float[Tensor, "batch 1"]:
    """E of the module's formula; NaN where the step is not finite, infinite where its equations were not solved."""
    scale = torch.maximum(y.abs(), attempt.y.abs()).mul(control.rtol).add(control.atol)
    first = torch.linalg.vector_norm(attempt.error[0] / scale, dim=1, keepdim=True)
    if torch.is_grad_enabled():
        # the root has no slope at zero
        tiny = torch.finfo(y.dtype).tiny
        first = (attempt.error[0] / scale).square().sum(1, keepdim=True).add(tiny).sqrt()
    error = first * y.shape[1] ** -0.5
    if len(attempt.error) == 2:
        second = (attempt.error[1] / scale).square().sum(1, keepdim=True)
        tiny = torch.finfo(y.dtype).tiny
        error = error * first / (first.square() + 0.01 * second + tiny).sqrt()
    if attempt.solved is not None:
        error = error.where(attempt.solved, torch.inf)
    if control.shared:
        error = error.square().mean(0, keepdim=True).sqrt().expand_as(error)
    return error


def adapt(
    field: Field,
    method: Method,
    y: Float[Tensor, "batch state"],
    carry: Any,
    start: Float[Tensor, "batch 1"],
    end: Float[Tensor, "batch 1"],
    step: Float[Tensor, "batch 1"],
    control: Control,
    recorder: Recorder,
    *,
    stops: Float[Tensor, "batch stops"] | None = None,
    events: Events | None = None,
) -> tuple[Float[Tensor, "batch state"], Float[Tensor, "batch 1"], list[Failure]]:
    """March every sample from start to end with steps of its own; returns the states there, the times, and failures."""
    t, proposed = start, step
    memory = no_memory(control.controller, y[:, :1].detach())
    between = 1 if y.device.type == "cpu" else ATTEMPTS_BETWEEN_CHECKS
    failures: list[Failure] = []
    attempts = 0
    largest = y.detach().abs().amax(1)
    while True:
        target = end if stops is None else _next_stop(stops, t, end)
        remaining = target - t
        if attempts % between == 0 and not bool((end - t).any() if stops is not None else remaining.any()):
            break
        if attempts >= control.most:
            failures += _given_up("too many steps", (end - t) != 0, t, proposed)
            break
        attempts += 1
        h = torch.minimum(proposed, remaining)
        attempt = _attempt(field, method, t, y, h, carry, control)
        error = scaled_error(attempt, y, control)
        judged = error.detach()
        accepted = judged <= 1.0
        factor, memory = next_step(control.controller, method.error_order, judged, accepted, memory)
        after = torch.where(accepted, torch.minimum(torch.add(t, h, alpha=LANDING), target), t)
        row = Row(t, h, after, accepted, error, y, carry, attempt)
        uncut = proposed
        proposed = h * factor
        if stops is not None:
            proposed = torch.where(accepted & (h < uncut), torch.maximum(proposed, uncut), proposed)
        if events is not None:
            row, end = events.follow(row, method, field, end)
            after, attempt = row.after, row.attempt
        y = torch.where(accepted, attempt.y, y)
        carry = pytree.tree_map(lambda new, old, moved=accepted: _where(moved, new, old), attempt.carry, carry)
        t = after
        if recorder.add(row):
            recorder.work_up()
            stuck = (end != t) & ~(proposed > 2e-15 * torch.maximum(t.abs(), (end - start).abs()))
            if bool(stuck.any()):
                grown = (y.detach().abs().amax(1) > HUGE * (1 + largest))[:, None] | ~torch.isfinite(judged)
                failures += _given_up("blow-up", stuck & grown, t, proposed)
                failures += _given_up("step size underflow", stuck & ~grown, t, proposed)
                end = torch.where(stuck, t, end)
    recorder.work_up()
    return y, t, sorted(failures, key=lambda failure: failure.sample)


def follow(
    field: Field,
    method: Method,
    y: Float[Tensor, "batch state"],
    carry: Any,
    grid: Float[Tensor, "batch steps"],
    recorder: Recorder,
    control: Control | None = None,
) -> tuple[Float[Tensor, "batch state"], Any]:
    """March along given times, (batch, steps + 1); intervals of length zero move nothing. Errors are logged if asked."""
    always = torch.ones_like(grid[:, :1], dtype=torch.bool)
    for t, after in zip(grid[:, :-1].split(1, 1), grid[:, 1:].split(1, 1), strict=True):
        attempt = method.attempt(field, t, y, after - t, carry)
        error = scaled_error(attempt, y, control) if control is not None and attempt.error else None
        if recorder.add(Row(t, after - t, after, always, error, y, carry, attempt)):
            recorder.work_up()
        y, carry = attempt.y, attempt.carry
    recorder.work_up()
    return y, carry


def _attempt(field: Field, method: Method, t: Tensor, y: Tensor, h: Tensor, carry: Any, control: Control) -> Attempt:
    """An attempt; under a tape, one that overflows is made again with size zero for the samples where it did.

    Their step is rejected anyway, but zero times infinity would put NaN into everybody's gradient of the parameters.
    """
    attempt = method.attempt(field, t, y, h, carry)
    if torch.is_grad_enabled() and attempt.y.requires_grad and not torch.compiler.is_compiling():
        fine = torch.isfinite(attempt.y.detach()).all(1, keepdim=True)
        if not bool(fine.all()):
            again = method.attempt(field, t, y, h.where(fine, 0.0), carry)
            broken = torch.where(fine, 0.0, torch.nan).to(y.dtype)
            return again._replace(error=tuple(error + broken for error in again.error))
    return attempt


def _where(moved: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(moved.view(-1, *(1,) * (new.dim() - 1)), new, old)


def _next_stop(stops: Tensor, t: Tensor, end: Tensor) -> Tensor:
    place = torch.searchsorted(stops, t.expand(len(stops), 1).contiguous(), right=True)
    found = stops.gather(1, place.clamp_max(stops.shape[1] - 1))
    return torch.where(place < stops.shape[1], torch.minimum(found, end), end)


def _given_up(kind: str, stuck: Tensor, t: Tensor, proposed: Tensor) -> list[Failure]:
    samples = stuck[:, 0].nonzero()[:, 0].tolist()
    return [Failure(sample, float(t[sample, 0]), float(proposed[sample, 0]), kind) for sample in samples]
