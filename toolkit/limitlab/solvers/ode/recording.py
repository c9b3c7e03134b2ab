"""What a march leaves behind: the log of its attempts, and the states at the asked times from the dense output.

Attempts are kept as they come and worked up many at a time: a handful of vector operations for some dozens of attempts
costs less than one operation an attempt, and the memory stays bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.solvers.methods.method import Method, combined
from limitlab.solvers.ode.attempts import Integrator, Row
from limitlab.solvers.solution import StepLog

MOST_PENDING = 32
PENDING_ELEMENTS = 2**23


class Block(NamedTuple):
    """Several attempts at once, everything (attempts, batch); the cost (batch, 3) is that of all of them."""

    time: Tensor
    size: Tensor
    after: Tensor
    accepted: Tensor
    error: Tensor | None
    stiffness: Tensor | None
    cost: Tensor | None = None


# The continuous extensions of attempts, (attempts, degree + 2, batch, state): start, end, coefficients of theta, ...
Dense = Float[Tensor, "attempts row batch state"]


def block_of(rows: Sequence[Row]) -> Block:
    """The rows as one block."""
    columns = zip(*((row.time, row.size, row.after, row.accepted) for row in rows), strict=True)
    time, size, after, accepted = (torch.cat(parts).view(len(rows), -1) for parts in columns)
    errors = [row.error for row in rows if row.error is not None]
    pairs = [row.attempt.stiff_pair for row in rows if row.attempt.stiff_pair is not None]
    error = torch.cat(errors).view(len(rows), -1) if errors else None
    # samples that stand still are computed with the others, at no cost of theirs
    costs = [row.attempt.cost * (row.size != 0) for row in rows if row.attempt.cost is not None]
    cost = torch.stack(costs).sum(0) if costs else None
    return Block(time, size, after, accepted, error, _stiffness(pairs) if pairs else None, cost)


def _joined(blocks: Sequence[Block]) -> Block:
    """Blocks one after the other as one."""

    def along(parts: list[Tensor | None]) -> Any:
        return None if parts[0] is None else torch.cat([part for part in parts if part is not None])

    series = (along(list(parts)) for parts in zip(*(block[:-1] for block in blocks), strict=True))
    costs = [block.cost for block in blocks if block.cost is not None]
    return Block(*series, torch.stack(costs).sum(0) if costs else None)  # type: ignore[call-arg]


def columns_of(method: Method) -> tuple[tuple[float, ...], ...]:
    """Weights of the increments in the coefficients of theta, theta^2, ... of the method's continuous extension."""
    return tuple(map(tuple, method.polynomials.T.tolist()))


def dense_of(rows: Sequence[Row], columns: Sequence[Sequence[float]]) -> Dense:
    """The continuous extensions of rows whose increments are complete."""
    parts = [(row.state, row.attempt.y, *row.attempt.increments) for row in rows]
    if torch.compiler.is_compiling():
        # fused anyway, where stacks of their own would be written and read again
        return torch.stack([_extension(part, columns) for part in parts])
    return _extension([torch.stack(part) for part in zip(*parts, strict=True)], columns)


def _extension(
    parts: Sequence[Tensor], columns: Sequence[Sequence[float]]
) -> Float[Tensor, "*attempts row batch state"]:
    """Start, end and coefficients of attempts from their start, end and increments."""
    state, end, *increments = parts
    zero = torch.zeros_like(state)
    return torch.stack([state, end, *(combined(zero, column, increments) for column in columns)], -3)


class Sink(Protocol):
    """Whatever takes the rows of a march."""

    def offer(self, state: Tensor, carry: Any, attempts: int = 1) -> None:
        """Hear where the next attempts start from."""
        ...

    def add(self, row: Row) -> bool:
        """Take an attempt; True when it is time to `work_up`."""
        ...

    def work_up(self) -> None:
        """Do what was put off."""
        ...


class Recorder:
    """Collects rows; `states` are the outputs (batch, time, state), `log` the step log.

    times: (batch, time), increasing, the first being the start. offer: gets (state, carry, n) before every n attempts.
    log_states: whether the log has the state of every attempt.
    """

    def __init__(
        self,
        times: Float[Tensor, "batch time"],
        y0: Float[Tensor, "batch state"],
        integrator: Integrator,
        offer: Callable[[Tensor, Any, int], None] | None = None,
        *,
        log_states: bool = False,
    ) -> None:
        self.dense = times.shape[1] > 2
        self.extra_calls = torch.zeros(len(y0), dtype=torch.int64, device=y0.device)
        self.cost: Tensor | None = None
        self._times, self._y0, self._offer = times, y0, offer
        self._field, self._method = integrator.field, integrator.method
        self._limit = integrator.controller.limit(self._method.error_order or 1)
        self._pending: list[Row] = []
        self._blocks: list[tuple[Block, Dense | None]] = []
        self._values: list[Tensor] = []
        self._indices: list[tuple[Tensor, Tensor]] = []
        self._log: list[tuple[Tensor, ...]] = []
        self._starts: list[Tensor] | None = [] if log_states else None
        # what an attempt keeps alive: increments, state, end and the like
        width = y0.numel() * (len(self._method.polynomials) + 4)
        self._most = max(1, min(MOST_PENDING, PENDING_ELEMENTS // max(1, width)))

    def add(self, row: Row) -> bool:
        """Keep an attempt; True when it is time to `work_up`."""
        self._pending.append(row)
        return len(self._pending) >= self._most

    def offer(self, state: Tensor, carry: Any, attempts: int = 1) -> None:
        """Tell who asked for it where the next attempts start from."""
        if self._offer is not None:
            self._offer(state, carry, attempts)

    def add_block(self, block: Block, dense: Dense | None, extra: int) -> bool:
        """Keep attempts that were stacked already, `extra` stages each for the output; True when it is time, too."""
        self.extra_calls += extra * (block.size != 0).sum(0)
        self._blocks.append((block, dense))
        return sum(len(block.time) for block, _ in self._blocks) >= self._most

    def work_up(self) -> None:
        """Log and outputs of the pending attempts."""
        if self._pending:
            rows, self._pending = self._pending, []
            columns = columns_of(self._method)
            if self._starts is not None:
                self._starts.append(torch.stack([row.state for row in rows], 1))
            self._record(
                block_of(rows),
                lambda: torch.stack([row.attempt.y for row in rows]),
                lambda steps: dense_of(self._completed(rows, steps), columns),
            )
        if self._blocks:
            blocks = [block for block, _ in self._blocks]
            extensions = [dense for _, dense in self._blocks if dense is not None]
            self._blocks = []
            self._record(
                _joined(blocks),
                lambda: torch.cat([dense[:, 1] for dense in extensions]),
                lambda steps: torch.cat(extensions),
            )

    def states(self, end: Float[Tensor, "batch state"]) -> Float[Tensor, "batch time state"]:
        """The outputs; `end` is the state at the last time. Times that were not reached hold NaN."""
        batch, count = self._times.shape
        states = self._y0.new_full((batch, count, self._y0.shape[1]), torch.nan)
        states[:, 0] = self._y0
        if self._values:
            samples, moments, values = self.values
            states = states.flatten(0, 1).index_copy(0, samples * count + moments, values).view_as(states)
        return torch.cat([states[:, :-1], end[:, None]], 1) if count > 1 else states

    @property
    def values(self) -> tuple[Tensor, Tensor, Tensor]:
        """Samples, indices of the times and states of the outputs inside the steps worked up so far."""
        if not self._values:
            nothing = torch.zeros(0, dtype=torch.int64, device=self._y0.device)
            return nothing, nothing, self._y0[:0]
        samples, moments = (torch.cat(part) for part in zip(*self._indices, strict=True))
        return samples, moments, torch.cat(self._values)

    @property
    def log(self) -> StepLog:
        """The step log of everything worked up so far."""
        if not self._log:
            nothing = self._times.new_zeros(len(self._times), 0)
            return StepLog(nothing, nothing, nothing, nothing, nothing.bool())
        states = None if self._starts is None else torch.cat(self._starts, 1)
        time, size, error, stiffness, accepted = (torch.cat(part).T for part in zip(*self._log, strict=True))
        return StepLog(time, size, error, stiffness, accepted, states)

    def _record(
        self,
        block: Block,
        ends: Callable[[], Float[Tensor, "attempts batch state"]],
        extensions: Callable[[Tensor], Dense],
    ) -> None:
        """Log and outputs of attempts; `ends` and `extensions` are asked for where there is output.

        extensions: of attempts with output before their end.
        """
        self._write(block)
        outputs = self._outputs_inside(block)
        if outputs is None:
            return
        samples, moments, steps = outputs
        theta = (self._times[samples, moments] - block.time[steps, samples]) / block.size[steps, samples]
        theta = theta.to(self._y0.dtype)
        before = theta < 1.0
        if bool(before.any()):
            inside = samples[before], moments[before], steps[before]
            self._keep(*inside, extensions(inside[2]), lambda parts: _at(parts, theta[before]))
        # at its end the polynomial would differ from the step's own state by rounding, and some methods pay for it
        if not bool(before.all()):
            at_end = samples[~before], moments[~before], steps[~before]
            self._keep(*at_end, ends()[:, None], lambda parts: parts[0])

    def _keep(
        self,
        samples: Tensor,
        moments: Tensor,
        steps: Tensor,
        dense: Tensor,
        value: Callable[[Sequence[Tensor]], Tensor],
    ) -> None:
        """The value of the dense output's parts (state, output) in the steps."""
        picked = dense.transpose(1, 2).flatten(0, 1).index_select(0, steps * len(self._y0) + samples)
        # the many outputs last, so that they are what the arithmetic runs along
        self._values.append(value(picked.permute(1, 2, 0).contiguous().unbind(0)).T)
        self._indices.append((samples, moments))

    def _write(self, block: Block) -> None:
        if block.cost is not None:
            self.cost = block.cost if self.cost is None else self.cost + block.cost
        taken = block.size != 0
        blank = torch.full_like(block.size, torch.nan)
        low = blank.to(self._y0.dtype)
        error = low if block.error is None else torch.where(taken, block.error / self._limit, low)
        stiffness = low if block.stiffness is None else torch.where(taken, block.stiffness, low)
        times = (part.where(taken, blank) for part in (block.time, block.size))
        self._log.append((*times, error, stiffness, block.accepted & taken))

    def _outputs_inside(self, block: Block) -> tuple[Tensor, Tensor, Tensor] | None:
        """Samples, indices of the times, and attempts of the outputs inside these attempts."""
        if not self.dense:
            return None
        # the first attempt that reaches a time is the accepted one, since a rejected one leads nowhere
        attempt = torch.searchsorted(block.after.T.contiguous(), self._times)
        inside = (self._times > block.time[0][:, None]) & (attempt < len(block.after))
        inside[:, 0] = inside[:, -1] = False  # the ends are known without interpolation
        samples, moments = inside.nonzero(as_tuple=True)
        return (samples, moments, attempt[samples, moments]) if len(samples) else None

    def _completed(self, rows: list[Row], steps: Tensor) -> list[Row]:
        """The rows with all increments; stages that only the extension needs are run where there is output."""
        missing = len(self._method.polynomials) - len(rows[0].attempt.increments)
        if not missing:
            return rows
        with_output = set(steps.unique().tolist())
        blank = tuple(torch.zeros_like(self._y0) for _ in range(missing))
        completed = []
        for attempt, row in enumerate(rows):
            increments = (*row.attempt.increments, *blank)
            if attempt in with_output:
                increments = self._method.complete(self._field, row.time, row.state, row.size, row.attempt.increments)
                self.extra_calls += missing * (row.size != 0)[:, 0]
            completed.append(row._replace(attempt=row.attempt._replace(increments=increments)))
        return completed


def continuous(
    polynomials: np.ndarray, state: Float[Tensor, "batch state"], increments: Sequence[Tensor]
) -> Callable[[Tensor], Tensor]:
    """y + sum_i P_i(theta) D_i as a function of fractions theta (batch, 1) of a step."""
    zero = torch.zeros_like(state)
    coefficients = [combined(zero, column, increments) for column in polynomials.T.tolist()]
    return lambda theta: state + _without_constant(coefficients, theta)


def _at(parts: Sequence[Tensor], theta: Tensor) -> Tensor:
    """The continuous extension of start, end and coefficients."""
    start, _, *coefficients = parts
    return start + _without_constant(coefficients, theta)


def _without_constant(coefficients: Sequence[Tensor], theta: Tensor) -> Tensor:
    """sum_k coefficients_k theta^(k + 1), by Horner."""
    value = torch.zeros_like(theta)
    for coefficient in reversed(coefficients):
        value = theta * (value + coefficient)
    return value


def _stiffness(pairs: list[tuple[Tensor, Tensor, Tensor, Tensor]]) -> Float[Tensor, "attempts batch"]:
    """The methods' estimates, by attempt and sample."""
    if torch.compiler.is_compiling():
        return torch.stack([_estimate(*pair) for pair in pairs])
    return _estimate(*(torch.stack(part) for part in zip(*pairs, strict=True)))


def _estimate(slope: Tensor, other: Tensor, state: Tensor, at: Tensor) -> Float[Tensor, "*attempts batch"]:
    """Ratio of the norms of the differences; the floor keeps its gradient finite at zero."""
    tiny = torch.finfo(slope.dtype).tiny
    if torch.is_grad_enabled():
        top, bottom = (difference.square().sum(-1).add(tiny).sqrt() for difference in (slope - other, state - at))
        return top / bottom
    top, bottom = (torch.linalg.vector_norm(difference, dim=-1) for difference in (slope - other, state - at))
    return top / (bottom + tiny)
