"""One attempted step, whatever the method: what the stepping loop asks for.

A method is a frozen object with an order, a continuous extension and two functions: `begin` (what it carries into the
first step) and `attempt` (one step of every sample, each with its own time and size). Samples whose size is zero stay
where they are. No method looks at another sample.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

VectorField = Callable[[Tensor, Tensor], Tensor]
StepFunction = Callable[[Tensor, Any], "Attempt"]


class Attempt(NamedTuple):
    """The end of one step.

    y: (batch, state) there. carry: what the method gets back in the next step, tensors of leading dim batch; the first
    is the slope at y. error: local error vectors, none to two of them. increments: D_i of the continuous extension
    y + sum_i P_i(theta) D_i. stiff_pair: slopes k, k' at the states u, u' of one time, whose |k - k'| / |u - u'|
    estimates the largest eigenvalue. solved: whether the equations of an implicit step were solved. cost: calls,
    Jacobians and factorisations where they differ by sample.
    """

    y: Float[Tensor, "batch state"]
    carry: tuple[Any, ...]
    error: tuple[Float[Tensor, "batch state"], ...]
    increments: tuple[Float[Tensor, "batch state"], ...]
    stiff_pair: tuple[Tensor, Tensor, Tensor, Tensor] | None = None
    solved: Bool[Tensor, "batch 1"] | None = None
    cost: Int[Tensor, "batch 3"] | None = None


@dataclass(frozen=True)
class Method(ABC):
    """What the stepping loop asks of a method; hashable, since a compiled loop is kept for each.

    order: of convergence. error_order: exponent p of the local error h^p, 0 when there is no estimate. polynomials: P
    of the continuous extension, (increments, degree). calls, jacobians, factorizations: what one attempt costs.
    time_derivative: whether it takes df/dt.
    """

    time_derivative: ClassVar[bool] = False

    name: str
    order: int
    error_order: int
    _: KW_ONLY
    jacobians: int = 0
    factorizations: int = 0

    @property
    @abstractmethod
    def polynomials(self) -> np.ndarray: ...

    @property
    @abstractmethod
    def calls(self) -> int: ...

    def begin(self, field: VectorField, t: Tensor, y: Tensor, slope: Tensor) -> tuple[Any, ...]:
        """What the first attempt gets as `carry`: the slope at (t, y) first."""
        return (slope,)

    def open_ended(self) -> Method:
        """Without the slope at the end of a step, where none is carried on; itself where an estimate needs it."""
        return self

    def steps(
        self, field: VectorField, t: Float[Tensor, "batch step"], h: Float[Tensor, "batch step"], dtype: torch.dtype
    ) -> list[StepFunction]:
        """`attempt` on each of some steps that are known beforehand: what y does not change is made at once."""
        return self.steps_of([field] * t.shape[1], t, h, dtype)

    def steps_of(
        self,
        fields: Sequence[VectorField],
        t: Float[Tensor, "batch step"],
        h: Float[Tensor, "batch step"],
        dtype: torch.dtype,
    ) -> list[StepFunction]:
        """The same where each step has a field of its own."""
        columns = zip(fields, t.split(1, 1), h.split(1, 1), strict=True)
        return [partial(self._attempt, *column) for column in columns]

    @abstractmethod
    def attempt(
        self, field: VectorField, t: Float[Tensor, "batch 1"], y: Float[Tensor, "batch state"], h: Tensor, carry: Any
    ) -> Attempt:
        """One step of size h (batch, 1) from (t, y)."""

    def _attempt(self, field: VectorField, t: Tensor, h: Tensor, y: Tensor, carry: Any) -> Attempt:
        return self.attempt(field, t, y, h, carry)

    def complete(
        self, field: VectorField, t: Tensor, y: Tensor, h: Tensor, increments: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        """All increments of the continuous extension from those of the attempt; asked for at steps with output."""
        return increments


def combined(start: Tensor, row: Sequence[float], increments: Sequence[Tensor]) -> Tensor:
    """start + sum_j row_j increments_j, one after the other, zeros left out."""
    for weight, increment in zip(row, increments, strict=True):
        if weight:
            start = torch.add(start, increment, alpha=weight)
    return start
