"""Several attempts as one compiled call: `solve_ode(..., compile=True)`.

A few attempts of `limitlab.solvers.ode.attempts` are unrolled and given to torch.compile, which fuses the field, the
stages and the control into a few kernels and makes the backward pass of them. What changes from call to call (times,
tolerances, states) is data, so that nothing is compiled twice for one field, method, batch and dtype.
An attempt that overflows is not made again here: under a tape, fields that overflow need compile=False.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import FunctionType
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.solvers.ode.attempts import Integrator, Itinerary, Position, Row, advance, march_on
from limitlab.solvers.ode.recording import Block, Dense, Recorder, block_of, columns_of, dense_of
from limitlab.solvers.ode.step_control import Limits
from limitlab.solvers.ode.stepping import Taken

ATTEMPTS = 4
MOST_FIELDS = 32
CHEAP_FIELD = 1e-4  # seconds
# settled steps are not made in vain as attempts beyond the end are, so that more of them, and of dearer fields, pay
STEPS, CHEAP_FOR_STEPS, FEW_CALLS = 8, 1e-3, 2
CONTIGUOUS = torch.contiguous_format


class Stretch(NamedTuple):
    """Where a compiled call led, and what it did; `extra` stages of every attempt were for the output alone."""

    now: Any
    block: Block
    dense: Dense | None
    extra: int


@dataclass(frozen=True)
class Compiled:
    """`limitlab.solvers.ode.stepping.Eager`, several attempts a call."""

    unrolled: Unrolled
    limits: Limits
    recorder: Recorder
    stops: Float[Tensor, "batch stops"] | None = None
    attempts_between_checks: int = 1

    def depth(self, t: Float[Tensor, "batch 1"], y: Float[Tensor, "batch state"]) -> int:
        return self.unrolled.depth(t, y)

    def attempt(self, now: Position, end: Float[Tensor, "batch 1"]) -> Taken:
        self.recorder.offer(now.y, now.carry, self.unrolled.depth(now.t, now.y))
        now, block, dense, extra = self.unrolled.attempts(self.limits, now, end, self.stops)
        due = self.recorder.add_block(block, dense, extra)
        return Taken(now, end, due, block.error[-1][:, None] if due and block.error is not None else None)

    def cut(self, itinerary: Itinerary, y: Float[Tensor, "batch state"]) -> list[Itinerary]:
        # a compiled call has a fixed number of steps
        depth = self.unrolled.settled_depth(itinerary.time[:, :1], y)
        return itinerary.filled(depth).split(depth)

    def pass_through(self, steps: Itinerary, y: Tensor, carry: Any) -> tuple[Tensor, Any, bool]:
        self.recorder.offer(y, carry, steps.time.shape[1])
        # views have the strides of all steps, and would be compiled for each number of them
        steps = Itinerary(*(None if part is None else part.clone(memory_format=CONTIGUOUS) for part in steps[:4]))  # type: ignore[arg-type]
        (y, carry), block, dense, extra = self.unrolled.steps(self.limits, y, carry, steps)
        return y, carry, self.recorder.add_block(block, dense, extra)


# taped and shape are part of the key alone
@lru_cache(maxsize=MOST_FIELDS)
def unrolled(integrator: Integrator, dense: bool, taped: bool, shape: torch.Size) -> Unrolled:
    """One for each of what a compiled call is specialised to."""
    return Unrolled(integrator, dense)


class Unrolled:
    """Several attempts as one function, compiled when it is first called; how many is settled by the field's cost."""

    def __init__(self, integrator: Integrator, dense: bool) -> None:
        self._integrator, self._dense = integrator, dense
        self._columns = columns_of(integrator.method)
        self._seconds = 0.0

    def depth(self, t: Float[Tensor, "batch 1"], y: Float[Tensor, "batch state"]) -> int:
        """Attempts a call: several where the field is cheap against what a call costs, one where it is not."""
        return ATTEMPTS if self._cost(t, y) < CHEAP_FIELD else 1

    def settled_depth(self, t: Float[Tensor, "batch 1"], y: Float[Tensor, "batch state"]) -> int:
        """Settled steps a call: as many again for methods of few stages, which compile fast."""
        if self._cost(t, y) >= CHEAP_FOR_STEPS:
            return 1
        return STEPS if self._integrator.method.calls <= FEW_CALLS else ATTEMPTS

    def _cost(self, t: Float[Tensor, "batch 1"], y: Float[Tensor, "batch state"]) -> float:
        """Seconds of a call of the field, measured once."""
        if not self._seconds:
            field = self._integrator.field
            with torch.no_grad():
                field(t.to(y.dtype), y)
                start = time.perf_counter()
                field(t.to(y.dtype), y)  # the first call paid for whatever the field does once
                self._seconds = time.perf_counter() - start
        return self._seconds

    @cached_property
    def attempts(self) -> Callable[..., Stretch]:
        """(limits, now, end, stops), with sizes by the error."""
        integrator, dense, columns = self._integrator, self._dense, self._columns
        depth = ATTEMPTS if self._seconds < CHEAP_FIELD else 1

        def attempts(limits: Limits, now: Position, end: Tensor, stops: Tensor | None) -> Stretch:
            rows = []
            for _ in range(depth):
                now, row = advance(integrator, limits, now, end, stops)
                rows.append(row)
            return Stretch(now, block_of(rows), *_extended(integrator, rows, columns, dense))

        # shapes are part of what `unrolled` is looked up by, so none need be symbolic
        return torch.compile(_with_own_code(attempts), dynamic=False)

    @cached_property
    def steps(self) -> Callable[..., Stretch]:
        """(limits, y, carry, itinerary), along steps that are settled."""
        integrator, dense, columns = self._integrator, self._dense, self._columns

        def steps(limits: Limits, y: Tensor, carry: Any, itinerary: Itinerary) -> Stretch:
            rows = []
            for step in range(itinerary.time.shape[1]):
                y, carry, row = march_on(integrator, limits, y, carry, itinerary.part(step, step + 1))
                rows.append(row)
            return Stretch((y, carry), block_of(rows), *_extended(integrator, rows, columns, dense))

        return torch.compile(_with_own_code(steps), dynamic=False)


def _extended(
    integrator: Integrator, rows: list[Row], columns: tuple[tuple[float, ...], ...], dense: bool
) -> tuple[Dense | None, int]:
    """The continuous extension of every attempt where there is output, and the stages that it alone needs."""
    if not dense:
        return None, 0
    completed = []
    for row in rows:
        increments = integrator.method.complete(integrator.field, row.time, row.state, row.size, row.attempt.increments)
        completed.append(row._replace(attempt=row.attempt._replace(increments=increments)))
    return dense_of(completed, columns), len(completed[0].attempt.increments) - len(rows[0].attempt.increments)


def _with_own_code(function: Any) -> Any:
    """The function with a code object of its own: torch counts recompilations by code object, over all fields."""
    return FunctionType(
        function.__code__.replace(co_name=f"{function.__name__}_{id(function)}"),
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
