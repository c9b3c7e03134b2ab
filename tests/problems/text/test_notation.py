"""Equations as LaTeX and as text: what is printed is read back with its meaning."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limitlab import problems
from limitlab.errors import InvalidArgument
from limitlab.problems.compiled.periodic_terms import torch_function
from limitlab.problems.text.functions import FUNCTIONS
from limitlab.problems.text.grammar import parse_equation, parse_expression
from limitlab.problems.text.notation import equation_latex, equation_text


def read(text):
    return parse_expression(text, fields=["u"], parameters=["nu"])


def test_latex_shows_subscripts_and_other_names():
    equation = parse_equation("u_t = -dx(u^2/2) + nu*u_xx", parameters=["nu"])
    assert equation_latex(equation, {"u": "v"}) == (r"v_{t} = \nu v_{xx} - \partial_{x} \left(\frac{v^{2}}{2}\right)")


@st.composite
def expressions(draw, depth=3):
    """Texts of the grammar, parenthesised throughout."""
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from(["u", "u_x", "u_xx", "nu", "x", "pi", "2", "0.5", "3", "1e-3", "7/3"]))
    inner = draw(expressions(depth=depth - 1))
    form = draw(st.sampled_from(["operator", "power", "function"]))
    if form == "operator":
        return f"({inner}){draw(st.sampled_from('+-*/'))}({draw(expressions(depth=depth - 1))})"
    if form == "power":
        return f"({inner})^{draw(st.sampled_from(['2', '3', '-1', '0.5', '(-1/2)']))}"
    return f"{draw(st.sampled_from([*FUNCTIONS, 'dx']))}({inner})"


def value(tree):
    """The tree at three points, with a stand-in for the derivative: equal trees give equal values."""
    point = torch.tensor([0.3, 1.1, 2.7], dtype=torch.float64)
    values = {"u": 1 + point.sin() ** 2, "x": point, "nu": torch.tensor(0.7, dtype=torch.float64)}
    result = torch_function(tree)(values, lambda inner, axis, order: torch.as_tensor(inner) * 1.3 + order)
    return torch.as_tensor(result, dtype=torch.float64).expand(3)


@settings(max_examples=150, deadline=None)
@given(expressions())
def test_printed_expressions_are_read_back(text):
    try:
        tree = read(text)
    except InvalidArgument:
        return
    # sympy distributes numbers over sums in some orders and not in others: the meaning is what must survive
    assert torch.allclose(value(read(equation_text(tree))), value(tree), rtol=1e-9, equal_nan=True)


@pytest.mark.parametrize("text", ["u_t = -dx(u^2/2) + nu*u_xx", "u_t = sqrt(2)*sin(2*pi*x)*u_xx/3 - abs(u)^0.5"])
def test_printed_equations_are_read_back_as_the_same_tree(text):
    equation = parse_equation(text, parameters=["nu"])
    assert parse_equation(equation_text(equation), parameters=["nu"]) == equation


def test_a_state_without_drift_and_noise_has_a_zero_on_its_right():
    latex = problems.parse("dX = 0*dt + 0*dW1; dY = dW1 - Y*dt").latex()
    assert r"\mathrm{d} X &=& \displaystyle 0 \\" in latex
    assert r"\mathrm{d} Y &=& \displaystyle - Y\, \mathrm{d}t + \mathrm{d}W_{1}" in latex


def test_parameters_stand_before_states_and_positive_terms_first():
    latex = problems.parse("x' = -x + b*x*a", {"a": 1.0, "b": 2.0}).latex()
    assert r"a b x - x" in latex
