"""Several attempts as one compiled call: `solve_ode(..., compile=True)`.

The loop of `limitlab.solvers.ode.stepping` is unrolled a few attempts deep and given to torch.compile, which fuses the
field, the stages and the control into a few kernels and makes the backward pass of them. What changes from call to call
(times, tolerances, states) is data, so that nothing is compiled twice for one field, method, batch and dtype.
An attempt that overflows is not made again here: under a tape, fields that overflow need compile=False.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from types import FunctionType
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.solvers.methods.method import Field, Method
from limitlab.solvers.ode.recording import Block, Dense, Recorder, Row, block_of, columns_of, dense_of
from limitlab.solvers.ode.step_control import Controller
from limitlab.solvers.ode.stepping import Control, Limits, Position, advance, given_up, march_on, stuck
from limitlab.solvers.solution import Failure

ATTEMPTS = 4
ATTEMPTS_BETWEEN_CHECKS = 32
MOST_FIELDS = 32
CHEAP_FIELD = 1e-4  # seconds


class Stretch(NamedTuple):
    """Where a compiled call led, and what it did; `extra` stages of every attempt were for the output alone."""

    now: Any
    block: Block
    dense: Dense | None
    extra: int


def adapt_compiled(
    field: Field,
    method: Method,
    control: Control,
    now: Position,
    end: Float[Tensor, "batch 1"],
    recorder: Recorder,
    *,
    stops: Float[Tensor, "batch stops"] | None = None,
) -> tuple[Position, list[Failure]]:
    """`limitlab.solvers.ode.stepping.adapt`, compiled."""
    limits = control.limits(method, now.y)
    attempts = _attempts(
        field, method, control.controller, control.shared, recorder.dense, torch.is_grad_enabled(), now.y.shape
    )
    depth = attempts.depth(now.t, now.y)
    failures: list[Failure] = []
    length, size = (end - now.t).abs(), now.y.detach().abs().amax(1, keepdim=True)
    tried = checked = 0
    while bool((end - now.t).any()):
        if tried >= control.most:
            failures += given_up("too many steps", end != now.t, now)
            break
        recorder.offer(now.y, now.carry, depth)
        now, block, dense, extra = attempts(limits, now, end, stops)
        recorder.add_block(block, dense, extra)
        tried += depth
        if tried - checked >= ATTEMPTS_BETWEEN_CHECKS:
            checked = tried
            last = None if block.error is None else block.error[-1][:, None]
            lost, end = stuck(now, last, end, length, size)
            failures += lost
    recorder.work_up_blocks()
    return now, sorted(failures, key=lambda failure: failure.sample)


def follow_compiled(
    field: Field,
    method: Method,
    y: Float[Tensor, "batch state"],
    carry: Any,
    grid: Float[Tensor, "batch steps"],
    recorder: Recorder,
    limits: Limits,
) -> tuple[Float[Tensor, "batch state"], Any]:
    """`limitlab.solvers.ode.stepping.follow`, compiled."""
    steps = _steps(field, method, recorder.dense, torch.is_grad_enabled(), y.shape)
    depth = steps.depth(grid[:, :1], y)
    missing = -(grid.shape[1] - 1) % depth
    grid = torch.cat([grid, grid[:, -1:].expand(-1, missing)], 1)
    for first in range(0, grid.shape[1] - 1, depth):
        recorder.offer(y, carry, depth)
        (y, carry), block, dense, extra = steps(limits, y, carry, grid[:, first : first + depth + 1].contiguous())
        recorder.add_block(block, dense, extra)
    recorder.work_up_blocks()
    return y, carry


class Unrolled:
    """A function of so many steps, compiled when it is first called; how many is settled by the cost of the field."""

    def __init__(self, field: Field, build: Callable[[int], Callable[..., Stretch]]) -> None:
        self._field, self._build = field, build
        self._depth = 0
        self._compiled: Callable[..., Stretch] | None = None

    def depth(self, t: Tensor, y: Tensor) -> int:
        """Steps a call: several where the field is cheap against what a call costs, one where it is not."""
        if not self._depth:
            with torch.no_grad():
                self._field(t.to(y.dtype), y)
                start = time.perf_counter()
                self._field(t.to(y.dtype), y)
                cheap = time.perf_counter() - start < CHEAP_FIELD
            self._depth = ATTEMPTS if cheap else 1
        return self._depth

    def __call__(self, *arguments: Any) -> Stretch:
        if self._compiled is None:
            self._compiled = torch.compile(_own_code(self._build(self._depth)), dynamic=False)
        return self._compiled(*arguments)


@lru_cache(maxsize=MOST_FIELDS)
def _attempts(
    field: Field, method: Any, controller: Controller, shared: bool, dense: bool, taped: bool, shape: torch.Size
) -> Unrolled:
    columns = columns_of(method)

    def build(depth: int) -> Callable[..., Stretch]:
        def attempts(limits: Limits, now: Position, end: Tensor, stops: Tensor | None) -> Stretch:
            rows = []
            for _ in range(depth):
                now, row = advance(field, method, controller, shared, limits, now, end, stops)
                rows.append(row)
            return Stretch(now, block_of(rows), *_extended(field, method, rows, columns, dense))

        return attempts

    return Unrolled(field, build)


@lru_cache(maxsize=MOST_FIELDS)
def _steps(field: Field, method: Any, dense: bool, taped: bool, shape: torch.Size) -> Unrolled:
    columns = columns_of(method)

    def build(depth: int) -> Callable[..., Stretch]:
        def steps(limits: Limits, y: Tensor, carry: Any, grid: Tensor) -> Stretch:
            rows = []
            for place in range(depth):
                t, after = grid[:, place : place + 1], grid[:, place + 1 : place + 2]
                y, carry, row = march_on(field, method, limits, y, carry, t, after)
                rows.append(row)
            return Stretch((y, carry), block_of(rows), *_extended(field, method, rows, columns, dense))

        return steps

    return Unrolled(field, build)


def _extended(
    field: Field, method: Method, rows: list[Row], columns: tuple[tuple[float, ...], ...], dense: bool
) -> tuple[Dense | None, int]:
    """The continuous extension of every attempt where there is output, and the stages that it alone needs."""
    if not dense:
        return None, 0
    completed = []
    for row in rows:
        increments = method.complete(field, row.time, row.state, row.size, row.attempt.increments)
        completed.append(row._replace(attempt=row.attempt._replace(increments=increments)))
    return dense_of(completed, columns), len(completed[0].attempt.increments) - len(rows[0].attempt.increments)


def _own_code(function: Any) -> Any:
    """The function with a code object of its own: torch counts recompilations by code object, over all fields."""
    return FunctionType(
        function.__code__.replace(co_name=f"{function.__name__}_{id(function)}"),
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
