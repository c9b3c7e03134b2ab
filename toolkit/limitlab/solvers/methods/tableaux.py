"""Explicit Runge-Kutta pairs as tables: nodes, weights, embedded error and continuous extension.

    k_i = f(t + c_i h, y + h sum_j a_ij k_j),    y+ = y + h sum_i b_i k_i,    k_last = f(t + h, y+),
    error = h sum_i e_i k_i,    y(t + theta h) = y + h sum_i P_i(theta) k_i.

Every table ends with the slope at the end of the step, which is the first slope of the next one: it costs nothing where
the method has it anyway (Bosh3, Dopri5, Tsit5), and gives the others a cubic Hermite interpolant.

Sources: Bogacki & Shampine 1989 (Bosh3); Dormand & Prince 1980, Shampine 1986 (Dopri5 and its extension); Tsitouras
2011 (Tsit5); Hairer, Norsett & Wanner, Solving ODEs I, II.5 and II.6 (Dopri8, the 8(5,3) pair of DOP853).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.integrate import DOP853, RK45

Row = tuple[float, ...]


@dataclass(frozen=True)
class Tableau:
    """An explicit method with s stages; the slope at the end of the step counts as stage s + 1.

    a: s - 1 rows, the i-th of i entries. b: (s). error: weights of the s + 1 slopes, empty when there is no estimate;
    second_error: of a second, lower estimate (Dopri8). interpolant: P, (s + 1 + extra) rows of coefficients of
    theta, theta^2, ...; Hermite when left out. extra_a, extra_c: further stages that only the interpolant needs.
    """

    name: str
    order: int
    a: tuple[Row, ...]
    b: Row
    c: Row
    error: Row = ()
    second_error: Row = ()
    error_order: int = 0
    interpolant: tuple[Row, ...] = ()
    extra_a: tuple[Row, ...] = ()
    extra_c: Row = ()

    @property
    def stages(self) -> int:
        """Number of stages without the slope at the end."""
        return len(self.b)

    @cached_property
    def polynomials(self) -> np.ndarray:
        """P as an array (slopes, degree), of theta, theta^2, ..."""
        if self.interpolant:
            return np.array(self.interpolant)
        rows = np.zeros((self.stages + 1, 3))
        rows[:-1] = np.outer(self.b, [0.0, 3.0, -2.0])
        rows[0] += [1.0, -2.0, 1.0]
        rows[-1] += [0.0, -1.0, 1.0]
        return rows

    def amplification(self, z: np.ndarray) -> np.ndarray:
        """Stability function R(z): what one step does to y' = lambda y, with z = lambda h complex."""
        slopes: list[np.ndarray] = []
        for row in ((), *self.a):
            slopes.append(z * (1.0 + sum((a * k for a, k in zip(row, slopes, strict=True)), np.zeros_like(z))))
        return 1.0 + sum((b * k for b, k in zip(self.b, slopes, strict=True)), np.zeros_like(z))


def _rows(matrix: np.ndarray, first: int = 1) -> tuple[Row, ...]:
    return tuple(tuple(map(float, row[:count])) for count, row in enumerate(matrix[first:], start=first))


def _row(values: Sequence[float] | np.ndarray) -> Row:
    return tuple(map(float, values))


def _tsit5_interpolant() -> tuple[Row, ...]:
    """Tsitouras's weights, multiplied out: scale, power of theta in front, then monic factors."""
    factored = (
        (-1.0530884977290216, 1, [1.0, -1.3299890189751412], [1.0, -1.4364028541716351, 0.7139816917074209]),
        (0.1017, 2, [1.0, -2.1966568338249754, 1.2949852507374631]),
        (2.490627285651252793, 2, [1.0, -2.38535645472061657, 1.57803468208092486]),
        (-16.54810288924490272, 2, [1.0, -1.21712927295533244], [1.0, -0.61620406037800089]),
        (47.37952196281928122, 2, [1.0, -1.203071208372362603], [1.0, -0.658047292653547382]),
        (-34.87065786149660974, 2, [1.0, -1.2], [1.0, -2.0 / 3.0]),
        (2.5, 2, [1.0, -1.0], [1.0, -0.6]),
    )
    rows = []
    for scale, power, *factors in factored:
        polynomial = np.array([scale])
        for factor in factors:
            polynomial = np.polymul(polynomial, factor)
        ascending = np.concatenate([np.zeros(power), polynomial[::-1]])
        rows.append(_row(np.pad(ascending, (0, 5 - len(ascending)))[1:5]))
    return tuple(rows)


def _dopri8_interpolant() -> tuple[Row, ...]:
    """DOP853's nested form y + theta (F0 + (1 - theta) (F1 + theta (F2 + ...))) as polynomials of every slope."""
    slopes = DOP853.n_stages + 1 + len(DOP853.C_EXTRA)
    identity = np.eye(slopes)
    step = np.zeros(slopes)
    step[: DOP853.n_stages] = DOP853.B
    first, last = identity[0], identity[DOP853.n_stages]
    # the first three are the cubic Hermite form, the rest lifts it to order seven
    nested = [step, first - step, 2 * step - (last + first), *DOP853.D]
    total = np.zeros((slopes, 1))
    theta, rest = np.array([0.0, 1.0]), np.array([1.0, -1.0])
    for depth, values in reversed(list(enumerate(nested))):
        inner = total.copy()
        inner[:, 0] += values
        factor = theta if depth % 2 == 0 else rest
        total = np.stack([np.convolve(row, factor) for row in inner])
    return tuple(_row(row[1:]) for row in total)


EULER = Tableau("euler", 1, (), (1.0,), (0.0,))
MIDPOINT = Tableau("midpoint", 2, ((0.5,),), (0.0, 1.0), (0.0, 0.5))
HEUN = Tableau("heun", 2, ((1.0,),), (0.5, 0.5), (0.0, 1.0), error=(-0.5, 0.5, 0.0), error_order=2)
BOSH3 = Tableau(
    "bosh3",
    3,
    ((1 / 2,), (0.0, 3 / 4)),
    (2 / 9, 1 / 3, 4 / 9),
    (0.0, 1 / 2, 3 / 4),
    error=(2 / 9 - 7 / 24, 1 / 3 - 1 / 4, 4 / 9 - 1 / 3, -1 / 8),
    error_order=3,
)
RK4 = Tableau(
    "rk4", 4, ((0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6), (0.0, 0.5, 0.5, 1.0),
)  # fmt: skip
DOPRI5 = Tableau(
    "dopri5",
    5,
    _rows(RK45.A),
    _row(RK45.B),
    _row(RK45.C),
    # SciPy's E is the embedded step less the step
    error=_row(-RK45.E),
    error_order=5,
    interpolant=tuple(_row(row) for row in RK45.P),
)
TSIT5 = Tableau(
    "tsit5",
    5,
    (
        (0.161,),
        (-0.008480655492356989, 0.335480655492357),
        (2.8971530571054935, -6.359448489975075, 4.3622954328695815),
        (5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525),
        (5.86145544294642, -12.92096931784711, 8.159367898576159, -0.071584973281401, -0.028269050394068383),
    ),
    (0.09646076681806523, 0.01, 0.4798896504144996, 1.379008574103742, -3.290069515436081, 2.324710524099774),
    (0.0, 0.161, 0.327, 0.9, 0.9800255409045097, 1.0),
    error=(
        0.09646076681806523 - 0.09468075576583945,
        0.01 - 0.009183565540343254,
        0.4798896504144996 - 0.4877705284247616,
        1.379008574103742 - 1.234297566930479,
        -3.290069515436081 + 2.7077123499835256,
        2.324710524099774 - 1.866628418170587,
        # the slope at the end is in the embedded step alone
        -1.0 / 66.0,
    ),
    error_order=5,
    interpolant=_tsit5_interpolant(),
)
DOPRI8 = Tableau(
    "dopri8",
    8,
    _rows(DOP853.A),
    _row(DOP853.B),
    _row(DOP853.C),
    error=_row(DOP853.E5),
    second_error=_row(DOP853.E3),
    error_order=8,
    interpolant=_dopri8_interpolant(),
    extra_a=tuple(_row(row[: DOP853.n_stages + 1 + stage]) for stage, row in enumerate(DOP853.A_EXTRA)),
    extra_c=_row(DOP853.C_EXTRA),
)

TABLEAUX: dict[str, Tableau] = {
    table.name: table for table in (EULER, MIDPOINT, HEUN, BOSH3, RK4, DOPRI5, TSIT5, DOPRI8)
}
