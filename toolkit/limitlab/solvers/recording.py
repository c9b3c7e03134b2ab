"""What a march leaves behind: the log of its attempts, and the states at the asked times from the dense output.

Attempts are kept as they come and worked up many at a time: a handful of vector operations for some dozens of attempts
costs less than one operation an attempt, and the memory stays bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.solvers.methods import Attempt, Field, Method
from limitlab.solvers.solution import StepLog
from limitlab.solvers.step_control import Controller

MOST_PENDING = 32
PENDING_ELEMENTS = 2**23


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


class Recorder:
    """Collects rows; `states` are the outputs (batch, time, state), `log` the step log.

    times: (batch, time), increasing, the first being the start. dense: whether there are times between the ends.
    """

    def __init__(
        self,
        times: Float[Tensor, "batch time"],
        y0: Tensor,
        method: Method,
        field: Field,
        controller: Controller,
        offer: Callable[[Tensor, Any], None] | None = None,
    ) -> None:
        self._offer = offer
        self._limit = controller.limit(method.error_order or 1)
        self._times, self._method, self._field = times, method, field
        self._polynomials = method.polynomials
        self._y0 = y0
        self._pending: list[Row] = []
        self._values: list[Tensor] = []
        self._places: list[tuple[Tensor, Tensor]] = []
        self._log: list[tuple[Tensor, ...]] = []
        self.dense = times.shape[1] > 2
        width = y0.numel() * (len(self._polynomials) + 4)
        self.most_pending = max(1, min(MOST_PENDING, PENDING_ELEMENTS // max(1, width)))
        self.extra_calls = torch.zeros(len(y0), dtype=torch.int64, device=y0.device)

    def add(self, row: Row) -> bool:
        """Keep an attempt; True when it is time to `work_up`."""
        if self._offer is not None:
            self._offer(row.state, row.carry)
        self._pending.append(row)
        return len(self._pending) >= self.most_pending

    def work_up(self) -> None:
        """Log and outputs of the pending attempts."""
        if not self._pending:
            return
        rows, self._pending = self._pending, []
        size = torch.cat([row.size for row in rows], 1)
        taken = size != 0
        blank = torch.full_like(size, torch.nan)
        ones = blank.to(self._y0.dtype)
        errors = [row.error for row in rows if row.error is not None]
        error = torch.cat(errors, 1) / self._limit if errors else ones
        self._log.append(
            (
                torch.cat([row.time for row in rows], 1).where(taken, blank),
                size.where(taken, blank),
                error.where(taken, ones),
                _stiffness(rows, ones).where(taken, ones),
                torch.cat([row.accepted for row in rows], 1) & taken,
            )
        )
        if self.dense:
            self._interpolate(rows, size)

    def states(self, end: Float[Tensor, "batch state"]) -> Float[Tensor, "batch time state"]:
        """The outputs; `end` is the state at the last time. Times that were not reached hold NaN."""
        batch, count = self._times.shape
        states = self._y0.new_full((batch, count, self._y0.shape[1]), torch.nan)
        states[:, 0] = self._y0
        if self._values:
            samples, moments, values = self.values
            states = states.index_put((samples, moments), values)
        return torch.cat([states[:, :-1], end[:, None]], 1) if count > 1 else states

    @property
    def values(self) -> tuple[Tensor, Tensor, Tensor]:
        """Samples, places among the times and states of the outputs inside the steps worked up so far."""
        if not self._values:
            nothing = torch.zeros(0, dtype=torch.int64, device=self._y0.device)
            return nothing, nothing, self._y0[:0]
        samples, moments = (torch.cat(part) for part in zip(*self._places, strict=True))
        return samples, moments, torch.cat(self._values)

    @property
    def log(self) -> StepLog:
        """The step log of everything worked up so far."""
        if not self._log:
            nothing = self._times.new_zeros(len(self._times), 0)
            return StepLog(nothing, nothing, nothing, nothing, nothing.bool())
        return StepLog(*(torch.cat(part, 1) for part in zip(*self._log, strict=True)))

    def _interpolate(self, rows: list[Row], size: Tensor) -> None:
        """Outputs inside the pending steps, by the method's continuous extension."""
        after = torch.cat([row.after for row in rows], 1).contiguous()
        # the first attempt that reaches a time is the accepted one, since a rejected one leads nowhere
        place = torch.searchsorted(after, self._times)
        inside = (self._times > rows[0].time) & (place < len(rows))
        inside[:, 0] = inside[:, -1] = False
        samples, moments = inside.nonzero(as_tuple=True)
        if not len(samples):
            return
        steps = place[samples, moments]
        flat = steps * len(size) + samples

        def picked(parts: list[Tensor] | tuple[Tensor, ...]) -> Tensor:
            return torch.cat(list(parts)).index_select(0, flat)

        time = picked([row.time for row in rows])
        theta = (self._times[samples, moments, None] - time) / picked([row.size for row in rows])
        theta = theta.to(self._y0.dtype)
        value = torch.zeros_like(theta)
        for coefficient in reversed(self._coefficients(rows, steps)):
            value = theta * (value + picked(coefficient))
        value = picked([row.state for row in rows]) + value
        self._values.append(torch.where(theta == 1.0, picked([row.attempt.y for row in rows]), value))
        self._places.append((samples, moments))

    def _coefficients(self, rows: list[Row], steps: Tensor) -> list[tuple[Tensor, ...]]:
        """Of theta, theta^2, ... by attempt, (batch, state) each; stages that only they need are run where asked for."""
        every = [row.attempt.increments for row in rows]
        missing = len(self._polynomials) - len(every[0])
        if missing:
            for step in steps.unique().tolist():
                row = rows[step]
                every[step] = self._method.complete(self._field, row.time, row.state, row.size, every[step])
                self.extra_calls += missing * (row.size != 0)[:, 0]
            blank = tuple(torch.zeros_like(self._y0) for _ in range(missing))
            every = [parts if len(parts) == len(self._polynomials) else (*parts, *blank) for parts in every]
        increments = [torch.stack(part) for part in zip(*every, strict=True)]
        return [_weighted(column, increments).unbind(0) for column in self._polynomials.T]


def _weighted(weights: np.ndarray, parts: list[Tensor]) -> Tensor:
    total = torch.zeros_like(parts[0])
    for weight, part in zip(weights.tolist(), parts, strict=True):
        if weight:
            total = torch.add(total, part, alpha=weight)
    return total


def interpolated(
    polynomials: np.ndarray, theta: Float[Tensor, "*points 1"], state: Tensor, increments: list[Tensor]
) -> Float[Tensor, "*points state"]:
    """y + sum_i P_i(theta) D_i at fractions theta of a step."""
    powers = [theta]
    for _ in range(polynomials.shape[1] - 1):
        powers.append(powers[-1] * theta)
    for row, increment in zip(polynomials, increments, strict=True):
        weight = sum((float(c) * power for c, power in zip(row, powers, strict=True) if c), torch.zeros_like(theta))
        state = torch.addcmul(state, weight, increment)
    return state


def _stiffness(rows: list[Row], blank: Tensor) -> Float[Tensor, "batch step"]:
    """The methods' estimates, by sample and attempt; the floor keeps its gradient finite at zero."""
    pairs = [row.attempt.stiff_pair for row in rows]
    if pairs[0] is None:
        return blank
    slope, other, state, at = (torch.stack(part, 1) for part in zip(*(pair for pair in pairs if pair), strict=True))
    tiny = torch.finfo(slope.dtype).tiny
    top, bottom = (difference.square().sum(-1).add(tiny).sqrt() for difference in (slope - other, state - at))
    return top / bottom
