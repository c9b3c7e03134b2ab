"""A stochastic scheme as a method of the common stepping loop: steps by the error, every sample with times of its own.

What is carried from step to step is the Brownian path's value (and integral) at the sample's time; a rejected step
leaves it where it was, so that the path stays the same. Steps end at asked times: the continuous extension, a straight
line, is evaluated at its end only. The path is rough: a solve that rounds differently (on another device, with a tape
or without) soon takes other steps, and finds another solution within the tolerance.
Source: Gaines & Lyons 1997 (variable steps need the path, not fresh noise).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.solvers.methods.method import Attempt, Method, VectorField
from limitlab.solvers.sde.brownian import BrownianPath
from limitlab.solvers.sde.fields import Fields, Interval
from limitlab.solvers.sde.schemes import Scheme, reversible_heun, reversible_start


def stochastic_method(
    name: str, scheme: Scheme, fields: Fields, path: BrownianPath, estimate: bool
) -> StochasticMethod:
    """The scheme with its fields and path; `estimate`: whether the steps follow its error."""
    error_order = scheme.error_order if estimate else 0
    return StochasticMethod(name, max(1, error_order), error_order, scheme, fields, path)


@dataclass(frozen=True)
class StochasticMethod(Method):
    """A scheme with its fields and path, as a `Method` of the stepping loop."""

    scheme: Scheme
    fields: Fields
    path: BrownianPath

    @property
    def estimate(self) -> bool:
        """Whether errors are estimated."""
        return self.error_order > 0

    @property
    def polynomials(self) -> np.ndarray:
        return np.ones((1, 1))

    @property
    def calls(self) -> int:
        return self.scheme.calls[int(self.estimate)]

    def begin(self, field: VectorField, t: Tensor, y: Tensor, slope: Tensor) -> tuple[Any, ...]:
        """Value and integral of the path, then what the scheme carries."""
        time = t.to(self.fields.time_dtype or y.dtype)
        carry = reversible_start(self.fields, time, y) if self.scheme.step is reversible_heun else ()
        return *self.path.at(t[:, 0], self.scheme.area), *carry

    def attempt(
        self, field: VectorField, t: Float[Tensor, "batch 1"], y: Float[Tensor, "batch state"], h: Tensor, carry: Any
    ) -> Attempt:
        """One step; samples whose size is zero get no noise."""
        value, integral, *carried = carry
        after = t + h
        value_after, integral_after = self.path.at(after[:, 0], self.scheme.area)
        moved = h != 0
        # the time landed on may be a bit beside t + h, and the path there not quite what is carried
        w = torch.where(moved, value_after - value, 0.0)
        area = w
        if self.scheme.area:
            mean = (integral_after - integral) / h.where(moved, 1.0)
            area = torch.where(moved, mean - (value + value_after) / 2, 0.0)
        time_dtype, size = self.fields.time_dtype or y.dtype, h.to(y.dtype)
        interval = Interval(t.to(time_dtype), after.to(time_dtype), size, w.to(y.dtype), area.to(y.dtype))
        step = self.scheme.step(self.fields, interval, y, tuple(carried), self.estimate)
        errors = () if step.error is None else (step.error,)
        return Attempt(step.y, (value_after, integral_after, *step.carry), errors, (step.y - y,), step.stiff_pair)
