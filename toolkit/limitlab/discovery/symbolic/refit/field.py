"""A periodic equation with a hole, u_t = K(u) + G, whose candidates are formulas in u and its derivatives in x.

Every fill of the hole, at every set of constants and from every start, is one row of a single solve. A start is a
sum of waves, or known on the grid; the field is compared with measurements wherever they are, by its own waves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from limitlab.discovery.evolution import Completion, Features, Part, evolve, order_of
from limitlab.discovery.symbolic.expression import Expr
from limitlab.discovery.symbolic.refit.forward import Fills
from limitlab.problems.compiled.program import Program
from limitlab.problems.pde.periodic import PeriodicProblem
from limitlab.spaces.grid import Grid
from limitlab.spaces.transforms import fourier

if TYPE_CHECKING:
    import sympy

Array = np.ndarray
HOLE = "G"
FROZEN_AT = 1e3
"""Sizes of what was measured at which a field has left for good."""
LARGEST_BLOCK = 2**22
"""Numbers of a product of waves that are made at once."""


@dataclass(frozen=True)
class HoledField:
    """What is known of the equation of a periodic problem; its hole is one more summand of the right side.

    >>> from limitlab.discovery.symbolic import Expr
    >>> from limitlab.discovery.symbolic.refit.field import HoledField
    >>> heat = ll.problems.get("heat", nu=0.1)
    >>> HoledField(heat).filled([Expr.parse("-u*u_x", ("u", "u_x"))])
    'u_t = -u*u_x + 0.1*u_xx'
    """

    known: PeriodicProblem
    holes: tuple[str, ...] = (HOLE,)
    free: tuple[str, ...] = ()

    @property
    def values(self) -> Mapping[str, float]:
        """Of the known part's parameters."""
        return self.known.values

    def filled(self, formulas: Sequence[Expr], free: Sequence[float] = ()) -> str:
        """Text of the equation with a formula in its hole, parameters at their values."""
        import sympy

        from limitlab.problems.text.notation import equation_text

        (formula,) = formulas
        parsed = self.known.expression()
        numbers = {sympy.Symbol(name, real=True): sympy.Float(value) for name, value in self.values.items()}
        (time, x), field = (sympy.Symbol(name, real=True) for name in ("t", "x")), parsed.lhs.args[0]
        derivatives = {
            sympy.Symbol(name, real=True): sympy.Derivative(field, x, n) if (n := order_of(name)) else field
            for name in formula.variables
        }
        whole = parsed.rhs.xreplace(numbers) + formula.numeric.xreplace(derivatives)
        return equation_text(sympy.Eq(sympy.Derivative(field, time), whole, evaluate=False))


class Places(NamedTuple):
    """Where a field is compared: its times (time,), which of them each point has, and where the points are in x."""

    times: Float[Array, " time"]
    moment: Int[Tensor, " point"]
    x: Float[Tensor, " point"]

    @classmethod
    def of(cls, points: Float[Array, "point 2"]) -> Places:
        """Of points (t, x)."""
        times, moment = np.unique(points[:, 0], return_inverse=True)
        return cls(times, torch.from_numpy(moment.reshape(-1)), torch.from_numpy(points[:, 1].copy()))

    def waves(self, grid: Grid) -> Complex[Tensor, "point mode"]:
        """What the coefficients of a field on the grid are multiplied by and summed."""
        (axis,) = grid.axes
        modes = torch.arange(axis.size // 2 + 1)
        weights = torch.where((modes == 0) | (2 * modes == axis.size), 1.0, 2.0)
        angles = 2 * math.pi / axis.length * (self.x - axis.start)[:, None] * modes
        return weights * torch.polar(torch.ones_like(angles), angles)


@dataclass(frozen=True, eq=False)
class FieldSimulator:
    """Fields of fills at places: `simulate(fill, constants, starts)` as `fitting` asks it.

    basis: (start, x), the functions whose sum a start is; the grid's own points where it is known.
    """

    fills: Fills
    known: PeriodicProblem
    places: Places
    basis: Float[Tensor, "start x"] | None
    size: float
    grid: Grid

    def __call__(
        self,
        fill: Int[Array, " row"],
        constants: Float[Array, "row constant"],
        starts: Float[Array, "row one start"],
    ) -> Float[Array, "row one point field"]:
        initial = torch.from_numpy(starts[:, 0].copy())
        initial = initial if self.basis is None else initial @ self.basis
        completion = completion_of(self.fills, fill, constants)
        u = evolve(self.known, completion, initial, self.places.times, reach=FROZEN_AT * self.size)
        return sampled(u, self.places, self._waves, self.grid)[:, None, :, None].numpy()

    @cached_property
    def _waves(self) -> Complex[Tensor, "point mode"]:
        return self.places.waves(self.grid)


def sampled(
    u: Float[Tensor, "row time x"], places: Places, waves: Complex[Tensor, "point mode"], grid: Grid
) -> Float[Tensor, "row point"]:
    """The fields at the places, by trigonometric interpolation."""
    block = max(1, LARGEST_BLOCK // waves.numel())
    parts = [torch.einsum("rpm,pm->rp", fourier(part, grid)[:, places.moment], waves).real for part in u.split(block)]
    return torch.cat(parts)


def completion_of(fills: Fills, fill: Int[Array, " row"], constants: Float[Array, "row constant"]) -> Completion:
    """What the rows put into the hole: linear terms by their coefficients, the rest as programs."""
    numbers, chosen = torch.from_numpy(constants), fills.chosen[fill, 0]
    splits = {int(number): _split(_bare(fills.formulas[0][number])) for number in np.unique(chosen)}
    orders = sorted({order for split in splits.values() for order in split.orders})
    linear = {order: torch.zeros(len(fill), dtype=torch.float64) for order in orders}
    for number, split in splits.items():
        rows = torch.from_numpy(np.flatnonzero(chosen == number))
        values = split.coefficients.bind(split.named(numbers[rows]))()
        for order, value in zip(split.orders, values, strict=True):
            linear[order][rows] = torch.as_tensor(value, dtype=torch.float64)
    inputs = tuple(sorted({name for split in splits.values() for name in split.variables}))

    def part(rows: Int[Tensor, " row"]) -> Part:
        groups = []
        for number, split in splits.items():
            mine = torch.from_numpy(np.flatnonzero(chosen[rows.numpy()] == number))
            if len(mine):
                groups.append((mine, split.rest.bind(split.named(numbers[rows[mine], :, None])), split.variables))

        def values(features: Features) -> Tensor:
            like = next(iter(features.values()), torch.zeros(1))
            total = torch.zeros(len(rows), like.shape[-1], dtype=torch.float64)
            for mine, run, names in groups:
                # one formula for all rows needs no selection
                asked = [features[name] if len(mine) == len(rows) else features[name][mine] for name in names]
                total[mine] = torch.as_tensor(run(*asked)[0], dtype=torch.float64).expand(len(mine), like.shape[-1])
            return total

        return values

    return Completion(inputs, part, linear)


class _Split(NamedTuple):
    """A formula as a sum of derivatives with coefficients, and the rest, a function of `variables`."""

    orders: tuple[int, ...]
    coefficients: Program
    variables: tuple[str, ...]
    rest: Program
    names: tuple[str, ...]

    def named(self, numbers: Float[Tensor, "row *constant"]) -> dict[str, Tensor]:
        """Constants by name from the columns of a block."""
        return {name: numbers[:, column] for column, name in enumerate(self.names)}


def _bare(formula: Expr) -> tuple[sympy.Expr, tuple[str, ...], tuple[str, ...]]:
    return formula.sympy, formula.variables, formula.names


@lru_cache(maxsize=1024)
def _split(formula: tuple[Any, tuple[str, ...], tuple[str, ...]]) -> _Split:
    import sympy

    expression, variables, names = formula
    symbols = [sympy.Symbol(name, real=True) for name in variables]
    coefficients: dict[int, sympy.Expr] = {}
    rest = sympy.Integer(0)
    for part in sympy.Add.make_args(sympy.expand_mul(expression)):
        coefficient, factor = part.as_independent(*symbols, as_Add=False)
        if factor in symbols:
            order = order_of(factor.name)
            coefficients[order] = coefficients.get(order, sympy.Integer(0)) + coefficient
        else:
            rest += part
    used = {symbol.name for symbol in rest.free_symbols}
    inputs = tuple(name for name in variables if name in used)
    return _Split(
        tuple(coefficients),
        Program(list(coefficients.values()), (), names),
        inputs,
        Program([rest], inputs, names),
        names,
    )
