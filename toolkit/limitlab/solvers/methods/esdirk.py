"""ESDIRK methods: implicit stages one after the other, all with the same matrix I - gamma h J, the first one explicit.

With u_i = h f(t + c_i h, z_i) and one Jacobian J at (t, y), every stage solves

    u_i = h f(t + c_i h, z_i),    z_i = y + sum_{j<i} a_ij u_j + gamma u_i,

by simplified Newton iterations, each sample with as many as it needs; one that does not converge is rejected. The last
stage is the end of the step, and its slope the first of the next step. Both methods are L-stable.

Under a tape the iterations leave none: at the solution the implicit function theorem gives d u_i = (I - gamma h J_i)^-1
h df, with the Jacobian J_i of that very stage, so the gradient is that of the exactly solved stages.

Sources: Kvaerno 2004 (the pairs); Hairer & Wanner, Solving ODEs II, IV.8 (when to stop the iterations).
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from limitlab.solvers.methods.jacobians import JacobianFunction, linearized, stiff_vectors
from limitlab.solvers.methods.linear_small import Factors, factorized
from limitlab.solvers.methods.method import Attempt, Method, VectorField, combined

TableRow = tuple[float, ...]
MOST_ITERATIONS = 40
NEWTON_TOLERANCE = 0.03  # of the step's own


@dataclass(frozen=True)
class EsdirkTable:
    """gamma, the strictly lower rows of a (stages 2 to s), and the order of the continuous extension.

    The last row gives the step, the last but one the embedded step of the order below.
    """

    gamma: float
    lower: tuple[TableRow, ...]
    dense_order: int

    @cached_property
    def a(self) -> np.ndarray:
        """The whole matrix."""
        stages = len(self.lower) + 1
        a = np.zeros((stages, stages))
        for stage, row in enumerate(self.lower, start=1):
            a[stage, :stage], a[stage, stage] = row, self.gamma
        return a

    @cached_property
    def c(self) -> TableRow:
        return tuple(map(float, self.a.sum(1)))

    @cached_property
    def error(self) -> TableRow:
        return tuple(map(float, self.a[-1] - self.a[-2]))

    @cached_property
    def guesses(self) -> tuple[TableRow, ...]:
        """Weights of u_1 ... u_{i-1} in the first guess of u_i: their polynomial in c, at c_i."""
        c, rows = self.c, []
        for stage in range(1, len(c)):
            nodes = c[:stage]
            rows.append(tuple(float(np.prod([(c[stage] - m) / (n - m) for m in nodes if m != n])) for n in nodes))
        return tuple(rows)

    @cached_property
    def polynomials(self) -> np.ndarray:
        """Weights of the continuous extension, the smallest that join with equal slopes and have their order.

        Degree and order are equal; with order three that is the cubic Hermite interpolant.
        """
        stages, degree, a, c = len(self.c), self.dense_order, self.a, np.array(self.c)
        trees = [
            (1, np.ones(stages), 1.0), (2, c, 2.0), (3, c**2, 3.0), (3, a @ c, 6.0),
            (4, c**3, 4.0), (4, c * (a @ c), 8.0), (4, a @ c**2, 12.0), (4, a @ a @ c, 24.0),
        ]  # fmt: skip
        powers = np.eye(degree)
        equations = [
            (np.kron(powers[power], weights), float(power + 1 == order) / density)
            # the trees up to order three are four, up to order four eight
            for order, weights, density in trees[: {3: 4, 4: 8}[degree]]
            for power in range(degree)
        ]
        for stage, unit in enumerate(np.eye(stages)):
            equations += [
                (np.kron(powers[0], unit), float(stage == 0)),
                (np.kron(np.ones(degree), unit), a[-1, stage]),
                (np.kron(np.arange(1.0, degree + 1), unit), float(stage == stages - 1)),
            ]
        matrix, right = (np.array(part) for part in zip(*equations, strict=True))
        # many of these equations follow from others: the cut-off tells their rank from rounding
        return np.linalg.lstsq(matrix, right, rcond=1e-10)[0].reshape(degree, stages).T


@dataclass(frozen=True)
class Esdirk(Method):
    """An ESDIRK pair; jacobian: df/dy if known. rtol, atol: the stages are solved to a fraction of them."""

    table: EsdirkTable
    jacobian: JacobianFunction | None = None
    rtol: float = 1e-12
    atol: float = 1e-15
    _: KW_ONLY
    jacobians: int = 1
    factorizations: int = 1

    @property
    def polynomials(self) -> np.ndarray:
        return self.table.polynomials

    @property
    def calls(self) -> int:
        """The least: one iteration a stage."""
        return len(self.table.lower)

    def leftover(self, size: int, eps: float) -> tuple[float, float]:
        """(a, r) such that the norm of u / (a + r |y|) is what an iteration may leave of u, as a fraction."""
        rtol = max(self.rtol, eps)  # the default 1e-12 is below the eps of float32
        # of RADAU5: no iteration is asked for what rounding cannot give
        tolerance = max(10.0 * eps / rtol, NEWTON_TOLERANCE)
        scale = tolerance * size**0.5 / self.table.gamma
        return self.atol * scale, rtol * scale

    def attempt(
        self,
        field: VectorField,
        t: Float[Tensor, "batch 1"],
        y: Float[Tensor, "batch state"],
        h: Tensor,
        carry: tuple[Tensor],
    ) -> Attempt:
        table, slope, step = self.table, carry[0], h.to(y.dtype)
        jacobian = linearized(field, t, y, self.jacobian, autonomous=True).jacobian
        newton = Newton(self, field, y.detach(), step, jacobian.detach())
        increments = [step * slope]
        known = y
        for row, guess, node in zip(table.lower, table.guesses, table.c[1:], strict=True):
            time = torch.add(t, h, alpha=node).to(y.dtype)
            known = combined(y, row, increments)
            with torch.no_grad():
                # a guess needs no gradient, as the solved stage does not depend on it
                first = combined(torch.zeros_like(y), guess, increments)
                solved = newton.solve(time, known.detach(), first)
            increments.append(newton.with_gradient(time, known, solved) if torch.is_grad_enabled() else solved)
        # steps of given size have no other way to tell
        end = torch.add(known, increments[-1], alpha=table.gamma).where(newton.converged, torch.nan)
        moved = step != 0
        # u / h, not a call of the field: a stiff one would multiply the iterations' error by its Jacobian
        slope = torch.where(moved, increments[-1] / torch.where(moved, step, 1.0), slope)
        error = combined(torch.zeros_like(y), table.error, increments)
        return Attempt(
            end, (slope,), (error,), tuple(increments), stiff_vectors(jacobian), newton.converged, newton.cost
        )

    def amplification(self, z: np.ndarray) -> np.ndarray:
        """Stability function R(z): what one step does to y' = lambda y, with z = lambda h complex."""
        at, increments = np.ones_like(z), [z]
        for row in self.table.lower:
            known = 1.0 + sum((weight * u for weight, u in zip(row, increments, strict=True)), np.zeros_like(z))
            at = known / (1.0 - self.table.gamma * z)
            increments.append(z * at)
        return at


class Newton:
    """The stage equations of one attempt of all samples; `converged` and `cost` grow from stage to stage."""

    def __init__(self, method: Esdirk, field: VectorField, y: Tensor, step: Tensor, jacobian: Tensor) -> None:
        self._method, self._field, self._step = method, field, step
        self._gamma = method.table.gamma
        self._factors = self._factorized(jacobian)
        atol, rtol = method.leftover(y.shape[1], torch.finfo(y.dtype).eps)
        self._weight = 1.0 / torch.add(atol, y.abs(), alpha=rtol)
        self._rest = torch.ones_like(step)
        self.converged: Bool[Tensor, "batch 1"] = self._factors.regular
        self.cost: Int[Tensor, "batch 3"] = torch.zeros(len(y), 3, dtype=torch.int64, device=y.device)
        self.cost[:, 1:] = 1

    def solve(
        self, time: Tensor, known: Float[Tensor, "batch state"], u: Float[Tensor, "batch state"]
    ) -> Float[Tensor, "batch state"]:
        """u of a stage from a first guess.

        With the rate q of the last two corrections the error left is at most q / (1 - q) times the last one; the first
        correction of a stage is judged by the rate of the stage before, since all have one matrix.
        """
        active, before = self.converged, None
        # for the rate that a first correction has not got: Hairer & Wanner, Solving ODEs II, IV.8
        rest = self._rest.clamp_min(1e-16) ** 0.8
        for _ in range(MOST_ITERATIONS):
            slope = self._field(time, torch.add(known, u, alpha=self._gamma))
            change = self._factors.solve(torch.addcmul(-u, self._step, slope))
            size = torch.linalg.vector_norm(change * self._weight, dim=1, keepdim=True)
            self.cost[:, :1] += active
            u = torch.where(active, u + change, u)
            if before is not None:
                rate = size / before.clamp_min(1e-300)
                # corrections below the tolerance may grow: they are rounding
                self.converged = self.converged & (~active | (rate < 1.0) | (size < 1.0))
                active = active & self.converged
                rest = torch.where(active, rate / (1.0 - rate).clamp_min(1e-3), rest)
            # a NaN is not at most one, and stays unsolved
            active = active & ~(rest * size <= 1.0)
            before = size
            if not bool(active.any()):
                break
        self.converged = self.converged & ~active
        self._rest = rest
        return u

    def with_gradient(self, time: Tensor, known: Tensor, u: Tensor) -> Float[Tensor, "batch state"]:
        """The same u, with the gradient of the implicit function."""
        with torch.no_grad():
            at = torch.add(known, u, alpha=self._gamma)
            jacobian = linearized(self._field, time, at, self._method.jacobian, autonomous=True).jacobian
            factors = self._factorized(jacobian)
            self.cost += 1
        # evaluated once more with a tape: the value cancels below, the derivative stays
        residual = self._step * self._field(time, torch.add(known, u, alpha=self._gamma))
        if not residual.requires_grad:
            return u
        return u + factors.solve(residual - residual.detach())

    def _factorized(self, jacobian: Float[Tensor, "batch n n"]) -> Factors:
        identity = torch.eye(jacobian.shape[-1], dtype=jacobian.dtype, device=jacobian.device)
        return factorized(identity - (self._gamma * self._step)[..., None] * jacobian)


def _kvaerno3() -> EsdirkTable:
    g = 0.435866521508459  # a root of g^3 - 3 g^2 + 3 g / 2 - 1 / 6: stability at infinity
    return EsdirkTable(
        g,
        (
            (g,),
            ((-4 * g * g + 6 * g - 1) / (4 * g), (1 - 2 * g) / (4 * g)),
            ((6 * g - 1) / (12 * g), -1 / ((24 * g - 12) * g), (-6 * g * g + 6 * g - 1) / (6 * g - 3)),
        ),
        dense_order=3,
    )


KVAERNO3 = Esdirk("kvaerno3", 3, 3, _kvaerno3())
KVAERNO5 = Esdirk(
    "kvaerno5",
    5,
    5,
    EsdirkTable(
        0.26,
        (
            (0.26,),
            (0.13, 0.84033320996790809),
            (0.22371961478320505, 0.47675532319799699, -0.06470895363112615),
            (0.16648564323248321, 0.10450018841591720, 0.03631482272098715, -0.13090704451073998),
            (0.13855640231268224, 0.0, -0.04245337201752043, 0.02446657898003141, 0.61943039072480676),
            (
                0.13659751177640291, 0.0, -0.05496908796538376, -0.04118626728321046, 0.62993304899016403,
                0.06962479448202728,
            ),
        ),
        dense_order=4,
    ),
)  # fmt: skip
