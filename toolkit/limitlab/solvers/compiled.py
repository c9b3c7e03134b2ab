"""Several attempts as one compiled call: `solve_ode(..., compile=True)`.

The loop of `limitlab.solvers.stepping` is unrolled a few attempts deep and given to torch.compile, which fuses the
field, the stages and the control into a few kernels and makes the backward pass of them. What changes from call to call
(times, tolerances, states) is data, so that nothing is compiled twice for one field, method, batch and dtype.
An attempt that overflows is not made again here: under a tape, fields that overflow need compile=False.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from types import FunctionType
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.solvers.methods import Field, Method
from limitlab.solvers.recording import Block, Dense, Recorder, Row, block_of, columns_of, dense_of
from limitlab.solvers.solution import Failure
from limitlab.solvers.step_control import Controller
from limitlab.solvers.stepping import Control, Limits, Position, advance, given_up, march_on, stuck

ATTEMPTS = 4
BLOCKS_BETWEEN_CHECKS = 8
MOST_FIELDS = 32


class Stretch(NamedTuple):
    """Where a compiled call led, and what it did."""

    now: Any
    block: Block
    dense: Dense | None


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
    """`limitlab.solvers.stepping.adapt`, compiled."""
    limits = control.limits(method, now.y)
    attempts = _attempts(field, method, control.controller, control.shared, recorder.dense, torch.is_grad_enabled())
    failures: list[Failure] = []
    length, size = (end - now.t).abs(), now.y.detach().abs().amax(1, keepdim=True)
    for count in range(-(-control.most // ATTEMPTS)):
        if not bool((end - now.t).any()):
            break
        recorder.offer(now.y, now.carry, ATTEMPTS)
        now, block, dense = attempts(limits, now, end, stops)
        recorder.add_block(block, dense)
        if count % BLOCKS_BETWEEN_CHECKS == BLOCKS_BETWEEN_CHECKS - 1:
            last = None if block.error is None else block.error[:, -1:]
            lost, end = stuck(now, last, end, length, size)
            failures += lost
    else:
        failures += given_up("too many steps", end != now.t, now)
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
    """`limitlab.solvers.stepping.follow`, compiled."""
    steps = _steps(field, method, recorder.dense, torch.is_grad_enabled())
    missing = -(grid.shape[1] - 1) % ATTEMPTS
    grid = torch.cat([grid, grid[:, -1:].expand(-1, missing)], 1)
    for first in range(0, grid.shape[1] - 1, ATTEMPTS):
        recorder.offer(y, carry, ATTEMPTS)
        (y, carry), block, dense = steps(limits, y, carry, grid[:, first : first + ATTEMPTS + 1].contiguous())
        recorder.add_block(block, dense)
    return y, carry


@lru_cache(maxsize=MOST_FIELDS)
def _attempts(
    field: Field, method: Any, controller: Controller, shared: bool, dense: bool, taped: bool
) -> Callable[..., Stretch]:
    columns = columns_of(method)

    def attempts(limits: Limits, now: Position, end: Tensor, stops: Tensor | None) -> Stretch:
        rows = []
        for _ in range(ATTEMPTS):
            now, row = advance(field, method, controller, shared, limits, now, end, stops)
            rows.append(row)
        return Stretch(now, block_of(rows), _dense(field, method, rows, columns) if dense else None)

    return torch.compile(_own_code(attempts), dynamic=False)


@lru_cache(maxsize=MOST_FIELDS)
def _steps(field: Field, method: Any, dense: bool, taped: bool) -> Callable[..., Stretch]:
    columns = columns_of(method)

    def steps(limits: Limits, y: Tensor, carry: Any, grid: Tensor) -> Stretch:
        rows = []
        for place in range(ATTEMPTS):
            y, carry, row = march_on(
                field, method, limits, y, carry, grid[:, place : place + 1], grid[:, place + 1 : place + 2]
            )
            rows.append(row)
        return Stretch((y, carry), block_of(rows), _dense(field, method, rows, columns) if dense else None)

    return torch.compile(_own_code(steps), dynamic=False)


def _dense(field: Field, method: Method, rows: list[Row], columns: tuple[tuple[float, ...], ...]) -> Dense:
    completed = []
    for row in rows:
        increments = method.complete(field, row.time, row.state, row.size, row.attempt.increments)
        completed.append(row._replace(attempt=row.attempt._replace(increments=increments)))
    return dense_of(completed, columns)


def _own_code(function: Any) -> Any:
    """The function with a code object of its own: torch counts recompilations by code object, over all fields."""
    return FunctionType(
        function.__code__.replace(co_name=f"{function.__name__}_{id(function)}"),
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
