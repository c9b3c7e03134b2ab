"""Methods on fields that jump between steps, as those driven by a path with kinks: each step sees its own side.

A method calls the field at both ends of its step and takes the last slope into the next one. Where the field jumps at
the stop between two steps, the stages at the end of the first belong to the left limit and the first stage of the
second to the right one; a field that knows the time alone cannot tell, and any method falls to order one. Here every
step finds its own first slope, and asks the field for its parts on steps, `field.within(t, h)`; any other field gets
its times drawn towards the middle of the step by some units in the last place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.solvers.methods.geometric import ReversibleHeun
from limitlab.solvers.methods.method import Attempt, Method, StepFunction, VectorField

UNITS = 8  # in the last place: more than the time of a stage is rounded by


def one_sided(method: Method) -> OneSided:
    """The method for a field that jumps between steps."""
    costs = {"jacobians": method.jacobians, "factorizations": method.factorizations}
    return OneSided(method.name, method.order, method.error_order, method, method.open_ended(), **costs)


@dataclass(frozen=True)
class OneSided(Method):
    """A method with all its stages strictly inside the step, of which the first is its own.

    inner: the method as it makes the attempts: no slope is carried on, so that none need be made to be carried.
    """

    method: Method
    inner: Method

    @property
    def polynomials(self) -> np.ndarray:
        return self.method.polynomials

    @property
    def calls(self) -> int:
        return self.inner.calls + 1

    def begin(self, field: VectorField, t: Tensor, y: Tensor, slope: Tensor) -> tuple[Any, ...]:
        return self.method.begin(field, t, y, slope)

    def attempt(
        self, field: VectorField, t: Float[Tensor, "batch 1"], y: Float[Tensor, "batch state"], h: Tensor, carry: Any
    ) -> Attempt:
        (step,) = self.steps(field, t, h, y.dtype)
        return step(y, carry)

    def steps(
        self, field: VectorField, t: Float[Tensor, "batch step"], h: Float[Tensor, "batch step"], dtype: torch.dtype
    ) -> list[StepFunction]:
        inside = insides(field, t, h, dtype)
        columns = zip(self.inner.steps_of(inside, t, h, dtype), inside, t.to(dtype).split(1, 1), strict=True)
        return [partial(self._from_its_own_slope, *column) for column in columns]

    def _from_its_own_slope(
        self, step: StepFunction, inside: VectorField, start: Float[Tensor, "batch 1"], y: Tensor, carry: Any
    ) -> Attempt:
        # reversible Heun takes its slopes at the shadow
        at = carry[1] if isinstance(self.method, ReversibleHeun) else y
        attempt = step(y, (inside(start, at), *carry[1:]))
        if attempt.cost is None:
            return attempt
        return attempt._replace(cost=attempt.cost + attempt.cost.new_tensor([1, 0, 0]))

    def complete(
        self, field: VectorField, t: Tensor, y: Tensor, h: Tensor, increments: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        (inside,) = insides(field, t, h, y.dtype)
        return self.inner.complete(inside, t, y, h, increments)


def insides(
    field: Any, t: Float[Tensor, "batch step"], h: Float[Tensor, "batch step"], dtype: torch.dtype
) -> Sequence[VectorField]:
    """The field as it is strictly inside each step from t of size h."""
    if hasattr(field, "within"):
        return field.within(t, h)
    middle = (t + 0.5 * h).to(dtype)
    margin = UNITS * torch.finfo(dtype).eps * (middle.abs() + 0.5 * h.abs())
    # a step of size zero, or of a few units, has nothing but its middle
    share = (margin / (0.5 * h.abs()).clamp_min(torch.finfo(dtype).tiny)).clamp_max(1.0).to(dtype)
    return [_Inside(field, *step) for step in zip(middle.split(1, 1), share.split(1, 1), strict=True)]


@dataclass(frozen=True, eq=False)
class _Inside:
    """A field whose times are drawn towards the middle of a step by a share of the way."""

    field: VectorField
    middle: Float[Tensor, "batch 1"]
    share: Float[Tensor, "batch 1"]

    def drawn(self, t: Float[Tensor, "batch 1"]) -> Float[Tensor, "batch 1"]:
        """The time inside that stands for t."""
        return torch.lerp(t, self.middle, self.share)

    def __call__(self, t: Tensor, y: Tensor) -> Tensor:
        return self.field(self.drawn(t), y)
