"""An equation taken apart: linear symbol, fluxes, degree of the rest, and what cannot be computed."""

import pytest
import sympy
import torch

from limitlab.errors import InvalidArgument
from limitlab.problems.compiled.periodic_terms import (
    degree,
    fluxes,
    fourier_symbol,
    linear_split,
    powers_of,
    require_well_posed,
    torch_function,
)
from limitlab.problems.text.grammar import parse_expression
from limitlab.spaces.grid import Grid
from limitlab.spaces.transforms import fourier, inverse_fourier

U = sympy.Function("u", real=True)(sympy.Symbol("t", real=True), sympy.Symbol("x", real=True))


def read(text):
    return parse_expression(text, fields=("u",), parameters=("nu",))


def test_an_equation_is_its_linear_terms_and_the_rest():
    linear, rest = linear_split(read("nu*(u_xx + 2*u) - dx(u^2/2 + 3*u) + sin(x)*u"), (U,))
    nu = sympy.Symbol("nu", real=True)
    assert {key: c for key, c in linear.items() if c != 0} == {("u", (2,)): nu, ("u", (0,)): 2 * nu, ("u", (1,)): -3}
    assert sympy.simplify((rest - read("sin(x)*u - dx(u^2/2)")).doit()) == 0


def test_conservative_terms_are_fluxes_of_their_order():
    parts = fluxes(read("-dx(u^2/2) + nu*dx(dx(u^3)) + u*u_x"))
    assert parts == {(1,): read("-u^2/2"), (2,): read("nu*u^3"), (0,): read("u*u_x")}


def test_a_polynomial_flux_is_its_coefficients_and_nothing_else_is():
    nu = sympy.Symbol("nu", real=True)
    assert powers_of(read("-u^2/2"), U) == [0, 0, -sympy.Rational(1, 2)]
    assert powers_of(read("(1 - u)*u*(u - nu)"), U) == [0, -nu, 1 + nu, -1]
    for text in ("u*u_x", "sin(u)", "x*u^2", "u^2/(1 + u)", "abs(u)"):
        assert powers_of(read(text), U) is None


def test_in_the_plane_terms_go_by_field_and_by_the_orders_along_both_axes():
    fields = tuple(sympy.Function(name, real=True)(*sympy.symbols("t x y", real=True)) for name in "uv")
    text = "nu*(u_xx + u_yy) + 3*v_xxy - dy(u*v) + dx(dy(u^2)) + u*v_y"
    linear, rest = linear_split(
        parse_expression(text, fields=("u", "v"), parameters=("nu",), dimension=2), fields, "xy"
    )
    nu = sympy.Symbol("nu", real=True)
    assert {key: c for key, c in linear.items() if c != 0} == {
        ("u", (2, 0)): nu,
        ("u", (0, 2)): nu,
        ("v", (2, 1)): 3,
    }
    u, v = fields
    y = sympy.Symbol("y", real=True)
    assert fluxes(rest, "xy") == {(0, 1): -u * v, (1, 1): u**2, (0, 0): u * sympy.Derivative(v, y)}


@pytest.mark.parametrize(("text", "power"), [("x", 0), ("u_xx", 1), ("u*u_x + u", 2), ("u^4", 4), ("erf(u)", 3)])
def test_degree_is_that_of_the_polynomial_and_three_for_others(text, power):
    assert degree(read(text)) == power


def test_the_symbol_differentiates_a_wave():
    grid = Grid.uniform(32, lengths=2 * torch.pi)
    x = grid.points()[:, 0]
    symbol = fourier_symbol({1: 2.0, 2: 0.5, 3: -1.0}, grid)
    applied = inverse_fourier(fourier(torch.sin(3 * x)[None], grid) * symbol, grid)[0]
    expected = 6 * torch.cos(3 * x) - 4.5 * torch.sin(3 * x) + 27 * torch.cos(3 * x)
    assert torch.allclose(applied, expected, atol=1e-11)


def test_the_highest_even_derivative_decides_whether_short_waves_grow():
    require_well_posed({2: -1.0, 4: -1.0})
    with pytest.raises(InvalidArgument, match="ill-posed"):
        require_well_posed({2: 1.0, 4: 1.0})


def test_a_function_outside_the_table_is_refused_by_name():
    with pytest.raises(InvalidArgument, match="gamma"):
        torch_function(sympy.gamma(U))
