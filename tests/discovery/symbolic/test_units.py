"""Sums need equal units, functions none; the groups without a unit are Buckingham's."""

import pytest

from limitlab.discovery.symbolic import Expr, Units
from limitlab.discovery.symbolic.units import UnitMismatch, dimensionless_groups, unit, unit_of
from limitlab.errors import InvalidArgument, UnknownName

FORCE = Units.of({"m": "kg", "a": "m/s^2", "v": "m/s"}, "kg*m/s^2")


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("m*a", True),
        ("2*m*a", True), ("m + a", False), ("m*a + m", False), ("sin(m)*a", False), ("m*a*sin(a/a)", True),
        ("m*a*exp(v)", False), ("m*v", False), ("m*sqrt(a^2)", True), ("abs(m*a)", True), ("m*a + 1", False),
        ("m*a*v^2/v^2", True), ("m^2*a^2/(m*a + m*a)", True),
    ],
)  # fmt: skip
def test_only_formulas_with_the_right_unit_are_allowed(text, allowed):
    assert FORCE.allow(Expr.parse(text, ("m", "a", "v"))) is allowed


def test_a_free_constant_takes_any_unit_and_may_be_forbidden_to():
    expr = Expr.parse("c*m + d*a", ("m", "a", "v"), parameters={"c": 1.0, "d": 2.0})
    assert FORCE.allow(expr)
    assert not Units(FORCE.variables, FORCE.target, free=False).allow(expr)
    with pytest.raises(UnitMismatch, match="different units"):
        unit_of(expr, FORCE, free=False)


def test_reynolds_is_the_group_of_velocity_length_density_and_viscosity():
    flow = Units.of({"v": "m/s", "L": "m", "rho": "kg/m^3", "mu": "kg/(m*s)"}, "1")
    assert dimensionless_groups(flow) == [{"v": 1, "L": 1, "rho": 1, "mu": -1}]


def test_a_group_is_of_whole_powers_without_a_common_factor():
    pendulum = Units.of({"T": "s", "l": "m", "g": "m/s^2", "m": "kg"}, "1")
    assert dimensionless_groups(pendulum) == [{"T": 2, "l": -1, "g": 1, "m": 0}]
    expr = Expr.parse("T^2*g/l", ("T", "l", "g", "m"))
    assert not any(expr.units(pendulum))


@pytest.mark.parametrize(
    ("text", "message"), [("kg + m", "product of powers"), ("furlong", "unknown name"), ((1, 2), "7 exponents")]
)
def test_a_text_that_is_no_unit_is_refused(text, message):
    with pytest.raises(InvalidArgument, match=message):
        unit(text)


def test_a_variable_without_a_unit_is_refused():
    with pytest.raises(UnknownName, match="variable with a unit"):
        Expr.parse("w", ("w",)).units(FORCE)
