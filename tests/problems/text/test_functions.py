"""One table of functions: of numbers, tensors and sympy alike, with their slopes, LaTeX and texts."""

import math

import pytest
import sympy
import torch

from limitlab.errors import InvalidArgument
from limitlab.problems.compiled.periodic_terms import torch_function
from limitlab.problems.compiled.program import Program
from limitlab.problems.text.functions import BY_SYMBOL, DERIVED, FUNCTIONS, exprel, exprel2, symbolic
from limitlab.problems.text.grammar import parse_expression
from limitlab.problems.text.notation import equation_latex, equation_text

X = sympy.Symbol("x", real=True)
POINTS = (-1.3, -0.4, 0.2, 0.9, 2.5)
POSITIVE = {"log", "sqrt"}
# what ours mean, in sympy's own functions
MEANING = {
    "exprel": (sympy.exp(X) - 1) / X,
    "exprel2": (sympy.exp(X) - 1 - X) / X**2,
    "pos": sympy.Max(X, 0),
    "step": sympy.Heaviside(X),
}


def points_of(symbol):
    return tuple(point for point in POINTS if point > 0 or symbol not in POSITIVE)


def exact(expression, point):
    return float(sympy.N(expression.subs(X, sympy.Rational(str(point))), 30))


@pytest.mark.parametrize("symbol", BY_SYMBOL)
def test_number_tensor_and_sympy_agree(symbol):
    row, points = BY_SYMBOL[symbol], points_of(symbol)
    expected = [exact(MEANING.get(symbol, symbolic(symbol)(X)), point) for point in points]
    assert [row.number(point) for point in points] == pytest.approx(expected, rel=1e-14)
    assert row.tensor(torch.tensor(points, dtype=torch.float64)).tolist() == pytest.approx(expected, rel=1e-14)
    assert [exact(symbolic(symbol)(X), point) for point in points] == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_slopes_of_sympy_in_both_compilers_are_those_of_autograd(name):
    """At points where the function is smooth: kinks are at zero."""
    tree = parse_expression(f"{name}(x)")
    slope = sympy.diff(tree, X)
    x = torch.tensor(points_of(name), dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(FUNCTIONS[name].tensor(x).sum(), x)
    (program,) = Program((slope,), ("x",), ()).bind({})(x)
    assert torch.allclose(program, expected, rtol=1e-12)
    assert torch.allclose(torch_function(slope)({"x": x}, None), expected, rtol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_read_printed_and_shown(name):
    tree = parse_expression(f"{name}(x)^3 + {name}(2*x)")
    again = parse_expression(equation_text(tree))
    assert again == tree
    latex = equation_latex(tree)
    assert latex.count("{") == latex.count("}")
    assert "x" in latex
    assert "#" not in latex
    number = parse_expression(f"{name}(0.7)")
    assert float(number) == FUNCTIONS[name].number(0.7)


def test_latex_of_the_functions_that_sympy_lacks():
    shown = {text: equation_latex(parse_expression(text)) for text in ("exprel(x)^2", "pos(x)", "pos(2*x)^2", "erf(x)")}
    assert shown == {
        "exprel(x)^2": r"\left(\frac{e^{x} - 1}{x}\right)^{2}",
        "pos(x)": "x^{+}",
        "pos(2*x)^2": r"\left(\left(2 x\right)^{+}\right)^{2}",
        "erf(x)": r"\operatorname{erf}{\left(x \right)}",
    }
    step, phi = (equation_latex(symbolic(symbol)(X) ** 2) for symbol in ("step", "exprel2"))
    assert step == r"\mathbb{1}_{>0}\left(x\right)^{2}"
    assert phi == r"\varphi_{2}\left(x\right)^{2}"


@pytest.mark.parametrize("row", DERIVED, ids=lambda row: row.symbol)
def test_what_stands_in_derivatives_alone_is_no_word_of_the_language(row):
    with pytest.raises(InvalidArgument, match="unknown function"):
        parse_expression(f"{row.symbol}(x)")


@pytest.mark.parametrize("argument", ["log(x)", "sqrt(x)", "1/x", "exp(sqrt(x))"])
def test_an_absolute_value_has_a_slope_where_its_argument_is_real_in_part(argument):
    tree = parse_expression(f"abs({argument})")
    inside = parse_expression(argument)
    for point in (0.3, 2.0):
        sign = math.copysign(1.0, exact(inside, point))
        assert exact(sympy.diff(tree, X), point) == pytest.approx(sign * exact(sympy.diff(inside, X), point))


def test_a_shifted_tangent_is_read_back():
    tree = parse_expression("tan(x + pi/2)^2")
    again = parse_expression(equation_text(tree))
    assert exact(again, 0.4) == pytest.approx(math.tan(0.4 + math.pi / 2) ** 2)


def test_removable_singularities_are_finite_with_their_derivatives():
    around = torch.tensor([-1e-3, -1e-9, -1e-18, 0.0, 1e-14, 1e-5, 1e-3], dtype=torch.float64, requires_grad=True)
    value = exprel(around)
    assert torch.allclose(value, 1 + around / 2 + around**2 / 6, atol=1e-10)
    (slope,) = torch.autograd.grad(value.sum(), around)
    assert torch.allclose(slope, torch.full_like(slope, 0.5), atol=1e-3)
    wide = torch.linspace(-3, 3, 200, dtype=torch.float64)
    assert torch.allclose(exprel(wide) - 1, wide * exprel2(wide), atol=1e-15)
