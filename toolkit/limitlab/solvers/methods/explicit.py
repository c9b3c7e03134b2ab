"""Explicit Runge-Kutta pairs as methods: the stages of a tableau, with a tape or in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.solvers.methods.method import Attempt, Method, StepFunction, VectorField, combined
from limitlab.solvers.methods.tableaux import Tableau

SMALL = 2**14  # below this many numbers, adding zeros to finished stages is cheaper than leaving them out


def explicit(tableau: Tableau) -> ExplicitMethod:
    """The method of a tableau."""
    return ExplicitMethod(tableau.name, tableau.order, tableau.error_order, tableau)


@dataclass(frozen=True)
class ExplicitMethod(Method):
    """An explicit Runge-Kutta pair of `limitlab.solvers.methods.tableaux`.

    ends_open: the slope at the end of the step is left to `complete`; what is carried is that at its start.
    """

    tableau: Tableau
    ends_open: bool = False

    @property
    def polynomials(self) -> np.ndarray:
        return self.tableau.polynomials

    @property
    def calls(self) -> int:
        return self.tableau.stages - self.ends_open

    def open_ended(self) -> ExplicitMethod:
        return self if self.tableau.error or self._has_stiff_pair else replace(self, ends_open=True)

    def attempt(self, field: VectorField, t: Tensor, y: Tensor, h: Tensor, carry: tuple[Tensor]) -> Attempt:
        return self._run(field, self._times(t, h, y.dtype), h.to(y.dtype), y, carry)

    def steps_of(
        self,
        fields: Sequence[VectorField],
        t: Float[Tensor, "batch step"],
        h: Float[Tensor, "batch step"],
        dtype: torch.dtype,
    ) -> list[StepFunction]:
        times = zip(*(time.split(1, 1) for time in self._times(t, h, dtype)), strict=True)
        columns = zip(fields, times, h.to(dtype).split(1, 1), strict=True)
        return [partial(self._run, *column) for column in columns]

    def _run(
        self, field: VectorField, times: tuple[Tensor, ...], h: Tensor, y: Tensor, carry: tuple[Tensor]
    ) -> Attempt:
        if self.ends_open:
            return self._open(field, times, y, h, carry[0])
        # in place is three times faster on small states, and impossible where a tape or a compiler looks on
        in_place = not (torch.is_grad_enabled() or torch.compiler.is_compiling())
        return (self._in_place if in_place else self._functional)(field, times, y, h, carry[0])

    def complete(
        self, field: VectorField, t: Tensor, y: Tensor, h: Tensor, increments: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        table, completed = self.tableau, list(increments)
        if self.ends_open:
            completed = [h.to(y.dtype) * slope for slope in increments]
        last = [(1.0, table.b)] if self.ends_open else []
        for node, row in [*last, *zip(table.extra_c, table.extra_a, strict=True)]:
            completed.append(h.to(y.dtype) * field((t + node * h).to(y.dtype), combined(y, row, completed)))
        return tuple(completed)

    def _times(self, t: Tensor, h: Tensor, dtype: torch.dtype) -> tuple[Tensor, ...]:
        """Times of stages two and later, then of the end, in the precision of the state."""
        if torch.compiler.is_compiling():
            return tuple(torch.add(t, h, alpha=node).to(dtype) for node in (*self.tableau.c[1:], 1.0))
        times = torch.addcmul(t, h, _nodes(self.tableau, t.dtype, t.device))
        return (times if times.dtype == dtype else times.to(dtype)).unbind(0)

    def _open(self, field: VectorField, times: tuple[Tensor, ...], y: Tensor, h: Tensor, slope: Tensor) -> Attempt:
        """Up to the end; slopes stand for increments until `complete` makes them, as most steps have no output."""
        slopes = [slope]
        for time, row in zip(times, self.tableau.a, strict=False):
            slopes.append(field(time, _moved(y, h, row, slopes)))
        return Attempt(_moved(y, h, self.tableau.b, slopes), (slope,), (), tuple(slopes))

    def _functional(
        self, field: VectorField, times: tuple[Tensor, ...], y: Tensor, h: Tensor, slope: Tensor
    ) -> Attempt:
        table = self.tableau
        increments = [h * slope]
        at, slopes = y, [slope]
        for time, row in zip(times, table.a, strict=False):
            at = combined(y, row, increments)
            slopes.append(field(time, at))
            increments.append(h * slopes[-1])
        end = combined(y, table.b, increments)
        slopes.append(field(times[-1], end))
        increments.append(h * slopes[-1])
        zero = torch.zeros_like(y)
        errors = tuple(combined(zero, row, increments) for row in (table.error, table.second_error) if row)
        return Attempt(end, (slopes[-1],), errors, tuple(increments), self._stiff_pair(slopes, at, end))

    def _in_place(self, field: VectorField, times: tuple[Tensor, ...], y: Tensor, h: Tensor, slope: Tensor) -> Attempt:
        """The same numbers: every slope is added to the inputs of all later stages at once."""
        start, columns = _columns(self.tableau, y.dtype, y.device)
        sums = start * y
        # views, which follow the sums that are added to below
        rows = sums.unbind(0)
        stages, whole = self.tableau.stages, sums.numel() <= SMALL
        slopes, increments = [slope], []
        for stage, column in enumerate(columns):
            increments.append(h * slopes[-1])
            (sums if whole else sums[stage:]).addcmul_(column if whole else column[stage:], increments[-1])
            slopes.append(field(times[stage], rows[stage]))
        increments.append(h * slopes[-1])
        errors = tuple(
            torch.add(row, increments[-1], alpha=weights[-1])
            for row, weights in zip(rows[stages:], (self.tableau.error, self.tableau.second_error), strict=False)
        )
        at = rows[stages - 2] if stages > 1 else y
        end = rows[stages - 1]
        return Attempt(end, (slopes[-1],), errors, tuple(increments), self._stiff_pair(slopes, at, end))

    @property
    def _has_stiff_pair(self) -> bool:
        """The last two slopes belong to the same time where c_s = 1: Shampine 1977."""
        return self.tableau.stages > 1 and self.tableau.c[-1] == 1.0

    def _stiff_pair(
        self, slopes: list[Tensor], last_input: Tensor, end: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor] | None:
        if not self._has_stiff_pair:
            return None
        # two slopes at one time and two states: their quotient has no df/dt in it
        return slopes[-1], slopes[-2], end, last_input


def _moved(y: Tensor, h: Tensor, row: Sequence[float], slopes: Sequence[Tensor]) -> Tensor:
    """y + h sum_j row_j slopes_j, zeros left out."""
    for weight, slope in zip(row, slopes, strict=True):
        if weight:
            y = torch.addcmul(y, slope, h, value=weight)
    return y


@lru_cache(maxsize=64)
def _nodes(table: Tableau, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor([*table.c[1:], 1.0], dtype=dtype, device=device)[:, None, None]


@lru_cache(maxsize=64)
def _columns(table: Tableau, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Which sums start at y (stages' inputs and the end do, errors do not), and by slope the weights in them."""
    stages = table.stages
    errors = [row for row in (table.error, table.second_error) if row]
    weights = np.zeros((stages + len(errors), stages + 1))
    for index, row in enumerate((*table.a, table.b, *errors)):
        weights[index, : len(row)] = row
    start = np.zeros((len(weights), 1, 1))
    start[:stages] = 1.0
    columns = [torch.tensor(weights[:, slope], dtype=dtype, device=device)[:, None, None] for slope in range(stages)]
    return torch.tensor(start, dtype=dtype, device=device), tuple(columns)
