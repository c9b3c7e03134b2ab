"""A formula computes, prints and reads itself, and refuses what it cannot."""

import pickle

import numpy as np
import pytest
import sympy
import torch

from limitlab.discovery.symbolic import Expr
from limitlab.errors import InvalidArgument, UnknownName


def nested(times):
    expression = sympy.Symbol("x")
    for _ in range(times):
        expression = sympy.sin(expression)
    return expression


X = np.random.default_rng(0).uniform(0.5, 2, (7, 2))
SWING = Expr.parse("-g*sin(x) - 0.3*v", ("x", "v"), parameters={"g": 9.81})


def test_values_are_those_of_the_formula():
    assert np.abs(SWING(X) - (-9.81 * np.sin(X[:, 0]) - 0.3 * X[:, 1])).max() < 1e-14


def test_many_sets_of_constants_are_one_call_and_differentiable():
    g = torch.tensor([[1.0], [2.0], [-3.0]], dtype=torch.float64, requires_grad=True)
    values = SWING.torch(torch.from_numpy(X), g)
    assert values.shape == (3, 7)
    assert torch.allclose(values[2], SWING.with_parameters([-3.0]).torch(torch.from_numpy(X)))
    values[1].sum().backward()
    assert torch.allclose(g.grad[:, 0], torch.tensor([0, -np.sin(X[:, 0]).sum(), 0]))


@pytest.mark.parametrize(
    "text", ["2", "x - v", "1/x", "x^2.5", "exp(-x^2/2)/sqrt(2*pi)", "abs(x)", "x^(1/3)", "tanh(v)/x"]
)
def test_text_gives_the_same_formula_back(text):
    expr = Expr.parse(text, ("x", "v"))
    again = Expr.parse(expr.text, ("x", "v"))
    assert again == expr
    assert hash(again) == hash(expr)
    assert pickle.loads(pickle.dumps(expr)) == expr
    assert np.allclose(again(X), expr(X), rtol=1e-15)


def test_numbers_of_an_engine_become_constants_and_exponents_do_not():
    expr = Expr.of(sympy.sympify("2.5*x**2.0 + 0.5*sin(1.5*y)"), ("x", "y"))
    assert sorted(expr.values) == [0.5, 1.5, 2.5]
    assert expr.sympy.has(sympy.Symbol("x", real=True) ** 2)
    assert np.allclose(expr(X), 2.5 * X[:, 0] ** 2 + 0.5 * np.sin(1.5 * X[:, 1]))


def test_names_of_constants_leave_variables_alone():
    assert Expr.of(sympy.Float(2.5) * sympy.Symbol("c0"), ("c0",)).parameters == {"c1": 2.5}


@pytest.mark.parametrize(
    ("text", "complexity"),
    [
        ("x", 1), ("2.5", 1), ("x + v", 3), ("x - v", 3), ("-x - v", 4), ("x*v", 3), ("x/v", 4), ("1/x", 4), ("x^2", 3),
        ("x^3", 5), ("sqrt(x)", 4), ("sin(2*x)", 6), ("x*v/(x + v)", 8), ("x/(v*x^2 + 1)", 10),
    ],
)  # fmt: skip
def test_complexity_is_the_cost_of_the_nodes(text, complexity):
    assert Expr.parse(text, ("x", "v")).complexity() == complexity


def test_costs_can_be_changed_and_are_checked():
    assert Expr.parse("sin(x)", ("x",)).complexity({"sin": 7}) == 8
    with pytest.raises(UnknownName, match="did you mean 'sin'"):
        SWING.complexity({"sine": 1})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Expr.parse("q*x", ("x",)), "unknown name 'q'"),
        (lambda: Expr.parse("x.__class__", ("x",)), "unexpected '.'"),
        (lambda: Expr.parse("x", ("sin",)), "taken already"),
        (lambda: Expr.parse("x", ("x", "x")), "must differ"),
        (lambda: Expr.parse("x", "x"), "sequence of names"),
        (lambda: Expr.parse("g*x", ("x",), parameters={"g": float("nan")}), "must be a number"),
        (lambda: Expr.of("x + 1", ("x",)), "Expr.parse"),
        (lambda: Expr.of(sympy.zoo, ("x",)), "must be real and finite; got zoo"),
        (lambda: Expr.of(sympy.I, ("x",)), "must be real and finite; got I"),
        (lambda: Expr.of(sympy.sqrt(1 - sympy.sqrt(3)) * sympy.Symbol("x"), ("x",)), "must be real and finite"),
        (lambda: Expr.of(sympy.exp(1000) * sympy.Symbol("x"), ("x",)), "must be real and finite"),
        (lambda: Expr.of(sympy.gamma(sympy.Symbol("x")), ("x",)), "a formula holds"),
        (lambda: Expr.of(sympy.Symbol("w"), ("x",)), "unknown name 'w'"),
        (lambda: Expr.of(2.5 ** sympy.Symbol("x"), ("x",)), "a formula holds"),
        (lambda: Expr.of(sympy.Symbol("x") ** 40, ("x",)), "powers up to 16"),
        (lambda: Expr.of(nested(40), ("x",)), "24 deep; got 40"),
        (lambda: SWING(X[:, :1]), r"shape \(n, 2\)"),
        (lambda: SWING.torch(torch.ones(3, 2), [1.0, 2.0]), r"shape \(..., 1\)"),
        (lambda: SWING.with_parameters([1.0, 2.0]), "1 numbers; got 2"),
        (lambda: SWING.with_parameters({"h": 1.0}), "unknown constant 'h'"),
    ],
)
def test_what_is_no_formula_is_refused_by_name(make, message):
    with pytest.raises(InvalidArgument, match=message):
        make()


def test_it_shows_itself_with_four_digits():
    expr = Expr.parse("a*x", ("x",), parameters={"a": 1 / 3})
    assert repr(expr) == "Expr(0.3333*x)"
    assert expr._repr_latex_() == "$$0.3333 x$$"
    assert "0.3333*x" in expr._repr_html_()


def test_points_without_a_value_are_nan():
    assert np.isnan(Expr.parse("log(x)", ("x",))([[-1.0]])).all()


def test_one_variable_needs_no_columns():
    assert Expr.parse("x^2", ("x",))([1.0, 2.0]).tolist() == [1.0, 4.0]
