"""Units as vectors of exponents of (m, kg, s, A, K, mol, cd): which sums make sense, and which products have none.

    + and -: equal units      x: exponents add      /: subtract      x^r: r times      sin, exp, log, ...: none

A free constant may carry any unit, and takes with it whatever it multiplies. Groups without a unit are the integer null
space of the matrix of exponents. Source: Buckingham 1914; Szirtes, Applied Dimensional Analysis and Modeling.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from limitlab.errors import InvalidArgument, unknown_name
from limitlab.problems.text.grammar import Parser

if TYPE_CHECKING:
    import sympy

    from limitlab.discovery.symbolic.expression import Expr

BASE = ("m", "kg", "s", "A", "K", "mol", "cd")
Unit = tuple[Fraction, ...]
NONE: Unit = (Fraction(0),) * len(BASE)
KEEPING = ("Abs", "pos")
"""Functions that have the unit of their argument."""
BLIND = ("sign", "step")
"""Functions that have none, whatever their argument's."""


class UnitMismatch(InvalidArgument):
    """A formula adds what cannot be added, or takes a function of what has a unit."""


@dataclass(frozen=True)
class Units:
    """Units of variables and of y, as text or as seven exponents; free: constants may carry any unit.

    >>> from limitlab.discovery.symbolic import Expr, Units
    >>> units = Units.of({"m": "kg", "a": "m/s^2"}, "kg*m/s^2")
    >>> [units.allow(Expr.parse(text, ("m", "a"))) for text in ("m*a", "m + a")]
    [True, False]
    """

    variables: Mapping[str, Unit]
    target: Unit
    free: bool = True

    @classmethod
    def of(
        cls, variables: Mapping[str, str | Sequence[float]], target: str | Sequence[float], *, free: bool = True
    ) -> Units:
        """Units from texts such as "kg*m/s^2", or "1". Raises InvalidArgument, UnknownName."""
        return cls({name: unit(text) for name, text in variables.items()}, unit(target), free)

    def require(self, names: Sequence[str]) -> None:
        """Raise InvalidArgument where one of these variables has no unit."""
        missing = [name for name in names if name not in self.variables]
        if missing:
            raise InvalidArgument(f'units must name every variable; {", ".join(missing)} missing: write "1" for none')

    def allow(self, expr: Expr) -> bool:
        """Whether the formula makes sense, and has the unit of y."""
        try:
            result = unit_of(expr, self, free=self.free)
        except UnitMismatch:
            return False
        return result is None or result == self.target


def unit(text: str | Sequence[float]) -> Unit:
    """The exponents that a text says, or that seven numbers are.

    >>> from limitlab.discovery.symbolic.units import unit
    >>> [int(exponent) for exponent in unit("kg*m/s^2")]
    [1, 1, -2, 0, 0, 0, 0]
    """
    if not isinstance(text, str):
        exponents = tuple(Fraction(number).limit_denominator(60) for number in text)
        if len(exponents) != len(BASE):
            raise InvalidArgument(f"a unit must be {len(BASE)} exponents of {', '.join(BASE)}; got {len(exponents)}")
        return exponents
    parser = Parser(text, (), BASE, -1)
    product = parser.sum()
    parser.expect_end()
    powers = product.as_powers_dict()
    for factor in powers:
        if not factor.is_Symbol and factor != 1:
            raise InvalidArgument(f"a unit is a product of powers of {', '.join(BASE)}; got {text!r:.60}")
    named = {factor.name: exponent for factor, exponent in powers.items() if factor.is_Symbol}
    return tuple(Fraction(str(named.get(name, 0))).limit_denominator(60) for name in BASE)


def unit_of(expr: Expr, units: Units, *, free: bool = True) -> Unit | None:
    """The unit of a formula, None where a free constant gives it whichever is wanted; raises UnitMismatch.

    >>> from limitlab.discovery.symbolic import Expr, Units
    >>> units = Units.of({"v": "m/s", "t": "s"}, "m")
    >>> [int(exponent) for exponent in Expr.parse("v*t", ("v", "t")).units(units)][:3]
    [1, 0, 0]
    """
    for name in expr.variables:
        if name not in units.variables:
            raise unknown_name("variable with a unit", name, units.variables)
    constant = None if free else NONE
    return _unit(expr.sympy, {**units.variables, **dict.fromkeys(expr.names, constant)})


def dimensionless_groups(units: Units, names: Sequence[str] | None = None) -> list[dict[str, int]]:
    """Products of powers of the variables that have no unit: a basis, as whole exponents by name.

    >>> from limitlab.discovery.symbolic import Units
    >>> from limitlab.discovery.symbolic.units import dimensionless_groups
    >>> flow = Units.of({"v": "m/s", "L": "m", "rho": "kg/m^3", "mu": "kg/(m*s)"}, "1")
    >>> dimensionless_groups(flow)
    [{'v': 1, 'L': 1, 'rho': 1, 'mu': -1}]
    """
    import sympy

    names = tuple(units.variables if names is None else names)
    units.require(names)
    exponents = sympy.Matrix([[sympy.Rational(e.numerator, e.denominator) for e in units.variables[n]] for n in names])
    groups = []
    for vector in exponents.T.nullspace():
        whole = [int(entry) for entry in vector * sympy.ilcm(1, *(entry.q for entry in vector))]
        # the first variable stands above the line
        sign = next(1 if entry > 0 else -1 for entry in whole if entry)
        divisor = sign * math.gcd(*whole)
        groups.append({name: entry // divisor for name, entry in zip(names, whole, strict=True)})
    return groups


def _unit(node: sympy.Expr, known: Mapping[str, Unit | None]) -> Unit | None:
    if node.is_Symbol:
        return known[node.name]
    if node.is_number:
        return NONE
    if node.is_Pow:
        base, ratio = _unit(node.base, known), Fraction(float(node.exp)).limit_denominator(60)
        return None if base is None else tuple(ratio * part for part in base)
    parts = [_unit(argument, known) for argument in node.args]
    if node.is_Add:
        return _common(node, parts)
    if node.is_Mul:
        fixed = [part for part in parts if part is not None]
        return tuple(map(sum, zip(*fixed, strict=True))) if len(fixed) == len(parts) else None  # type: ignore[arg-type]
    if type(node).__name__ in KEEPING:
        return parts[0]
    if parts[0] not in (None, NONE) and type(node).__name__ not in BLIND:
        raise UnitMismatch(f"{node!s:.60} is a function of something with a unit")
    return NONE


def _common(node: sympy.Expr, parts: Sequence[Unit | None]) -> Unit | None:
    fixed = {part for part in parts if part is not None}
    if len(fixed) > 1:
        raise UnitMismatch(f"{node!s:.60} adds things of different units")
    return next(iter(fixed), None)
