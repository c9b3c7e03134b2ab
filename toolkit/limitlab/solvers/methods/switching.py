"""method="auto": Tsit5 until stability, not accuracy, limits a sample's step; from there on Rodas5P, for that sample.

Where a problem is stiff, Shampine's estimate of the largest eigenvalue times the step stays near the end of the
stability interval, 3.5 for Tsit5: at the end, or a little before it, where the error of the stiff component is what the
tolerance allows (2.78 for y' = -1000 (y - cos t) at 1e-6). Accuracy alone keeps it below 2 at tolerances of 1e-2, and
below 0.5 at 1e-6. Far smaller tolerances see that error further inside, and no stiffness. A sample that is there for
most of a dozen steps goes on with Rodas5P and does not come back, since that is of the same order and as good on the
rest. Steps, log and continuous extension are one.

Source: Shampine 1977 (the estimate); Hairer & Wanner, Solving ODEs II, IV.2 (the test, of DOPRI5, at 3.25 there).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from limitlab.solvers.methods.explicit import ExplicitMethod, explicit
from limitlab.solvers.methods.jacobians import JacobianFunction
from limitlab.solvers.methods.method import Attempt, Method, VectorField
from limitlab.solvers.methods.rosenbrock import RODAS5P, Rosenbrock
from limitlab.solvers.methods.tableaux import TSIT5

NEAR_THE_LIMIT = 2.5
PATIENCE = 10


@dataclass(frozen=True)
class Switching(Method):
    """Carries the slope, how many more steps than not came near the limit (from `PATIENCE` on: stiff), and atol / rtol.

    jacobian: df/dy if known. rtol, atol: of the solve, for the norm in which eigenvalues are estimated, so that no
    component is lost beside a larger one; the steps find them in the carry, so that one compiled step serves all.
    """

    time_derivative: ClassVar[bool] = True

    name: str = "auto"
    order: int = 5
    error_order: int = 5
    jacobian: JacobianFunction | None = None
    rtol: float = dataclasses.field(default=1e-6, compare=False)
    atol: float = dataclasses.field(default=1e-9, compare=False)

    @property
    def calls(self) -> int:
        return self.gentle.calls

    @cached_property
    def gentle(self) -> ExplicitMethod:
        return explicit(TSIT5)

    @cached_property
    def firm(self) -> Rosenbrock:
        return dataclasses.replace(RODAS5P, jacobian=self.jacobian)

    @cached_property
    def polynomials(self) -> np.ndarray:
        """Those of both: the increments of the one that does not step are zero."""
        return np.concatenate([self.gentle.polynomials, self.firm.polynomials])

    def begin(self, field: VectorField, t: Tensor, y: Tensor, slope: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        count = torch.zeros_like(y[:, :1])
        # rtol may be zero
        return slope, count, torch.full_like(count, self.atol / max(self.rtol, 1e-30))

    def attempt(
        self,
        field: VectorField,
        t: Float[Tensor, "batch 1"],
        y: Float[Tensor, "batch state"],
        h: Tensor,
        carry: tuple[Tensor, Tensor, Tensor],
    ) -> Attempt:
        slope, count, floor = carry
        stiff, moves = count >= PATIENCE, h != 0
        both = torch.compiler.is_compiling()
        # a compiler cannot branch on data, so that it gets both methods
        some_stiff = both or bool((stiff & moves).any())
        some_gentle = both or not some_stiff or bool((~stiff & moves).any())
        gentle = self.gentle.attempt(field, t, y, h.where(~stiff, 0.0), (slope,)) if some_gentle else None
        firm = self.firm.attempt(field, t, y, h.where(stiff, 0.0), (slope,)) if some_stiff else None
        if gentle is not None:
            count = torch.where(moves & ~stiff, count + _near_limit(gentle, y, h, floor), count).clamp_min(0.0)
        return self._joined(gentle, firm, stiff, (count, floor))

    def _joined(
        self, gentle: Attempt | None, firm: Attempt | None, stiff: Bool[Tensor, "batch 1"], rest: tuple[Tensor, Tensor]
    ) -> Attempt:
        """One attempt of the two: each has taken a step of length zero where the other one counts."""
        one = gentle or firm
        assert one is not None
        zero = torch.zeros_like(one.y)
        increments = (
            *(gentle.increments if gentle else (zero,) * len(self.gentle.polynomials)),
            *(firm.increments if firm else (zero,) * len(self.firm.polynomials)),
        )
        expensive, cheap = (
            stiff.new_tensor((each.calls, each.jacobians, each.factorizations), dtype=torch.int64)
            for each in (self.firm, self.gentle)
        )
        cost = torch.where(stiff, expensive, cheap)
        one = one._replace(carry=(*one.carry, *rest), increments=increments, cost=cost)
        if gentle is None or firm is None:
            return one
        assert gentle.stiff_pair is not None
        assert firm.stiff_pair is not None
        assert firm.solved is not None
        pairs = zip(firm.stiff_pair, gentle.stiff_pair, strict=True)
        first, second, third, fourth = (torch.where(stiff, *pair) for pair in pairs)
        return one._replace(
            y=torch.where(stiff, firm.y, gentle.y),
            carry=(torch.where(stiff, firm.carry[0], gentle.carry[0]), *rest),
            error=(torch.where(stiff, firm.error[0], gentle.error[0]),),
            stiff_pair=(first, second, third, fourth),
            solved=firm.solved | ~stiff,
        )


def _near_limit(attempt: Attempt, y: Tensor, h: Tensor, floor: Tensor) -> Float[Tensor, "batch 1"]:
    """One where the largest eigenvalue times h is near the end of the stability interval, minus one elsewhere."""
    assert attempt.stiff_pair is not None
    slope, other, state, at = (part.detach() for part in attempt.stiff_pair)
    scale = floor + y.detach().abs()
    top, bottom = (
        torch.linalg.vector_norm(difference / scale, dim=1, keepdim=True) for difference in (slope - other, state - at)
    )
    # a product, as both norms may be zero
    return (h * top > NEAR_THE_LIMIT * bottom).to(y.dtype) * 2.0 - 1.0


AUTO = Switching()
