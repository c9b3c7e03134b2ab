"""Rosenbrock methods: one Jacobian and one factorisation a step, s linear systems, no iteration.

With J = df/dy and f_t = df/dt at (t, y), stages u_i and W = I / gamma - h J (Hairer & Wanner's form, free of J u):

    W u_i = h f(t + c_i h, y + sum_j a_ij u_j) + sum_j m_ij u_j + h^2 d_i f_t,
    y+ = y + sum_i b_i u_i,    error = sum_i e_i u_i,    y(t + theta h) = y + sum_i P_i(theta) u_i.

All methods are L-stable. On Prothero & Robinson's problem, for steps much longer than 1 / |lambda|, the error of Rodas4
falls with h / |lambda| and that of Rodas5P with h^3 / |lambda|. Sources: Shampine & Reichelt 1997 (Rosenbrock23, of
ode23s); Hairer & Wanner, Solving ODEs II, IV.7 and IV.10 (Rodas4); Steinebach 2023 (Rodas5P).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property, lru_cache
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.solvers.methods.jacobians import JacobianFunction, linearized, stiff_vectors
from limitlab.solvers.methods.linear_small import factorized
from limitlab.solvers.methods.method import Attempt, Method, VectorField

TableRow = tuple[float, ...]


@dataclass(frozen=True)
class RosenbrockTable:
    """Coefficients of the formulas above; a and m have a row for each of the stages 2 to s."""

    gamma: float
    a: tuple[TableRow, ...]
    m: tuple[TableRow, ...]
    c: TableRow
    d: TableRow
    b: TableRow
    error: TableRow
    polynomials: tuple[TableRow, ...]

    @property
    def stages(self) -> int:
        return len(self.b)

    @property
    def ends_at_last_stage(self) -> bool:
        """Whether the last stage is evaluated at the new state, so that its slope serves the next step."""
        return self.a[-1] == self.b[:-1] and self.b[-1] == 0.0 and self.c[-1] == 1.0


@dataclass(frozen=True)
class Rosenbrock(Method):
    """A Rosenbrock method; jacobian: df/dy if known, by automatic differentiation if left out."""

    time_derivative: ClassVar[bool] = True

    table: RosenbrockTable
    jacobian: JacobianFunction | None = None
    _: KW_ONLY
    jacobians: int = 1
    factorizations: int = 1

    @cached_property
    def polynomials(self) -> np.ndarray:
        return np.array(self.table.polynomials)

    @property
    def calls(self) -> int:
        return self.table.stages - self.table.ends_at_last_stage

    def attempt(
        self,
        field: VectorField,
        t: Float[Tensor, "batch 1"],
        y: Float[Tensor, "batch state"],
        h: Tensor,
        carry: tuple[Tensor],
    ) -> Attempt:
        table, slope, step = self.table, carry[0], h.to(y.dtype)
        jacobian, in_time = linearized(field, t, y, self.jacobian)
        arrays = _arrays if torch.compiler.is_compiling() else _cached_arrays
        start, columns, nodes, identity = arrays(table, y.shape[1], y.dtype, y.device)
        times = torch.addcmul(t, h, nodes.to(t.dtype)).to(y.dtype).unbind(0)
        factors = factorized(identity - step[..., None] * jacobian)
        bend = None if in_time is None else step * step * in_time
        sums = start * y
        # views follow sums that are added to in place, which a tape or a compiler would not stand
        rows = None if torch.is_grad_enabled() or torch.compiler.is_compiling() else sums.unbind(0)
        stages: list[Tensor] = []
        right = step * slope
        for stage in range(table.stages):
            if stage:
                at, collected = (sums[0], sums[1]) if rows is None else rows[2 * stage - 2 : 2 * stage]
                slope = field(times[stage], at)
                right = torch.addcmul(collected, step, slope)
            if bend is not None and table.d[stage]:
                right = torch.add(right, bend, alpha=table.d[stage])
            stages.append(factors.solve(right))
            if rows is None:
                sums = torch.addcmul(sums[2:] if stage else sums, columns[stage], stages[-1])
            else:
                sums[2 * stage :].addcmul_(columns[stage], stages[-1])
        end, error = rows[-2:] if rows is not None else sums.unbind(0)
        if not table.ends_at_last_stage:
            slope = field(times[-1], end)
        return Attempt(end, (slope,), (error,), tuple(stages), stiff_vectors(jacobian), factors.regular)

    def amplification(self, z: np.ndarray) -> np.ndarray:
        """Stability function R(z): what one step does to y' = lambda y, with z = lambda h complex."""
        table = self.table
        zero = np.zeros_like(z)
        stages: list[np.ndarray] = []
        for a, m in zip(((), *table.a), ((), *table.m), strict=True):
            at = 1.0 + sum((weight * u for weight, u in zip(a, stages, strict=True)), zero)
            right = z * at + sum((weight * u for weight, u in zip(m, stages, strict=True)), zero)
            stages.append(right / (1.0 / table.gamma - z))
        return 1.0 + sum((weight * u for weight, u in zip(table.b, stages, strict=True)), zero)


def _arrays(
    table: RosenbrockTable, size: int, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, tuple[Tensor, ...], Tensor, Tensor]:
    """Sums that every stage adds to, what it adds, the nodes, and I / gamma.

    The sums are the input and the right-hand side of the stages 2 to s, then the end and the error; stage i adds
    `columns[i]` of itself to those that are still open. Inputs and the end start at y.
    """
    stages = table.stages
    rows = [row for pair in zip(table.a, table.m, strict=True) for row in pair]
    rows = [(*row, *(0.0,) * (stages - len(row))) for row in (*rows, table.b, table.error)]
    columns = [[row[stage] for row in rows[2 * stage :]] for stage in range(stages)]

    def tensor(values: Sequence[float], dtype: torch.dtype = dtype) -> Tensor:
        return torch.tensor(values, dtype=dtype, device=device)[:, None, None]

    identity = torch.eye(size, dtype=dtype, device=device) / table.gamma
    nodes = tensor([*table.c, 1.0], torch.float64)
    return tensor([1.0, 0.0] * stages), tuple(map(tensor, columns)), nodes, identity


_cached_arrays = lru_cache(maxsize=64)(_arrays)


def _shampine_reichelt() -> RosenbrockTable:
    """d = 1 / (2 + sqrt 2); their k_i in terms of the u_i: h k_1 = u_1 / d, h k_2 = (u_1 + u_2) / d."""
    d, e = 1.0 / (2.0 + 2.0**0.5), 6.0 + 2.0**0.5
    bend = 1.0 / (d - 2.0 * d * d)
    return RosenbrockTable(
        gamma=d,
        a=((0.5 / d,), (1.0 / d, 1.0 / d)),
        m=((-1.0 / d,), (-2.0 / d, -e / d)),
        c=(0.0, 0.5, 1.0),
        d=(d, 0.0, -d),
        b=(1.0 / d, 1.0 / d, 0.0),
        error=(1.0 / (6.0 * d), (e - 2.0) / (6.0 * d), 1.0 / (6.0 * d)),
        polynomials=((1.0 / d, 0.0), (-2.0 * d * bend, bend), (0.0, 0.0)),
    )


def _stiffly_accurate(
    *,
    gamma: float,
    a: tuple[TableRow, ...],
    m: tuple[TableRow, ...],
    c: TableRow,
    d: TableRow,
    dense: tuple[TableRow, ...],
) -> RosenbrockTable:
    """The last stages correct the one before: each starts from its predecessor's input plus u, and so does the end.

    dense: rows k_2, k_3, ... of y (1 - theta) + theta (y+ + (1 - theta) (k_2 + theta (k_3 + ...))).
    """
    stages = len(m) + 1
    rows = list(a)
    while len(rows) < stages - 1:
        rows.append((*rows[-1], 1.0))
    b = (*rows[-1], 1.0)
    ones = (1.0,) * (stages - len(c))
    zeros = (0.0,) * (stages - len(d))
    polynomials = np.zeros((stages, len(dense) + 1))
    polynomials[:, 0] = b
    for power, row in enumerate(dense, start=1):
        polynomials[: len(row), power - 1] += row
        polynomials[: len(row), power] -= row
    error = (*(0.0,) * (stages - 1), 1.0)
    extension = tuple(tuple(map(float, row)) for row in polynomials)
    return RosenbrockTable(gamma, tuple(rows), m, (*c, *ones), (*d, *zeros), b, error, extension)


ROSENBROCK23 = Rosenbrock("rosenbrock23", 2, 3, _shampine_reichelt())
RODAS4 = Rosenbrock(
    "rodas4",
    4,
    4,
    _stiffly_accurate(
        gamma=0.25,
        a=(
            (1.544,),
            (0.9466785280815826, 0.2557011698983284),
            (3.314825187068521, 2.896124015972201, 0.9986419139977817),
            (1.221224509226641, 6.019134481288629, 12.53708332932087, -0.687886036105895),
        ),
        m=(
            (-5.6688,),
            (-2.430093356833875, -0.2063599157091915),
            (-0.1073529058151375, -9.594562251023355, -20.47028614809616),
            (7.496443313967647, -10.24680431464352, -33.99990352819905, 11.7089089320616),
            (8.083246795921522, -7.981132988064893, -31.52159432874371, 16.31930543123136, -6.058818238834054),
        ),
        c=(0.0, 0.386, 0.21, 0.63),
        d=(0.25, -0.1043, 0.1035, -0.03620000000000023),
        dense=(
            (10.12623508344586, -7.487995877610167, -34.80091861555747, -7.992771707568823, 1.025137723295662),
            (-0.6762803392801253, 6.087714651680015, 16.43084320892478, 24.76722511418386, -6.594389125716872),
        ),
    ),
)
RODAS5P = Rosenbrock(
    "rodas5",
    5,
    5,
    _stiffly_accurate(
        gamma=0.21193756319429014,
        a=(
            (3.0,),
            (2.849394379747939, 0.45842242204463923),
            (-6.954028509809101, 2.489845061869568, -10.358996098473584),
            (2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641),
            (-7.502846399306121, 2.561846144803919, -11.627539656261098, -0.18268767659942256, 0.030198172008377946),
        ),
        m=(
            (-14.155112264123755,),
            (-17.97296035885952, -2.859693295451294),
            (147.12150275711716, -1.41221402718213, 71.68940251302358),
            (165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306),
            (24.854864614690072, -3.0009227002832186, 47.4931110020768, 5.5814197821558125, -0.6610691825249471),
            (
                30.91273214028599, -3.1208243349937974, 77.79954646070892, 34.28646028294783, -19.097331116725623,
                -28.087943162872662,
            ),
            (
                37.80277123390563, -3.2571969029072276, 112.26918849496327, 66.9347231244047, -40.06618937091002,
                -54.66780262877968, -9.48861652309627,
            ),
        ),
        c=(0.0, 0.6358126895828704, 0.4095798393397535, 0.9769306725060716, 0.4288403609558664),
        d=(0.21193756319429014, -0.42387512638858027, -0.3384627126235924, 1.8046452872882734, 2.325825639765069),
        dense=(
            (
                25.948786856663858, -2.5579724845846235, 10.433815404888879, -2.3679251022685204, 0.524948541321073,
                1.1241088310450404, 0.4272876194431874, -0.17202221070155493,
            ),
            (
                -9.91568850695171, -0.9689944594115154, 3.0438037242978453, -24.495224566215796, 20.176138334709044,
                15.98066361424651, -6.789040303419874, -6.710236069923372,
            ),
            (
                11.419903575922262, 2.8879645146136994, 72.92137995996029, 80.12511834622643, -52.072871366152654,
                -59.78993625266729, -0.15582684282751913, 4.883087185713722,
            ),
        ),
    ),
)  # fmt: skip
