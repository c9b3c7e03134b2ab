"""Constants and their standard errors are those of SciPy, and what cannot be fitted stays."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

from limitlab.discovery.symbolic import Data, Expr
from limitlab.discovery.symbolic.rewriting.least_squares import fitted

X = np.linspace(0.1, 3, 40)
NOISE = 0.05 * np.random.default_rng(0).standard_normal(40)


def test_constants_and_errors_are_those_of_curve_fit():
    expr = Expr.parse("a*sin(b*x) + c", ("x",), parameters={"a": 1.0, "b": 1.7, "c": 0.0})
    y = 2 * np.sin(2 * X) + 0.5 + NOISE
    result = fitted(expr, Data.of(X, y))
    values, covariance = curve_fit(lambda x, a, b, c: a * np.sin(b * x) + c, X, y, p0=expr.values)
    assert np.allclose(result.expr.values, values, rtol=1e-6)
    assert np.allclose(result.errors, np.sqrt(np.diag(covariance)), rtol=1e-5)
    assert np.isclose(result.loss, np.mean((y - result.expr(X)) ** 2))


def test_weights_count():
    y, weights = np.where(X < 1, X, 5.0), np.where(X < 1, 1.0, 0.0)
    result = fitted(Expr.parse("c", ("x",), parameters={"c": 3.0}), Data.of(X, y, weights=weights))
    assert np.isclose(result.expr.values[0], X[X < 1].mean())


def test_clean_data_are_fitted_to_rounding():
    expr = Expr.parse("a*exp(-b*x) + c/x", ("x",), parameters={"a": 1.0, "b": 1.0, "c": 1.0})
    result = fitted(expr, Data.of(X, 3 * np.exp(-0.7 * X) - 0.2 / X))
    assert np.allclose(result.expr.values, [3, 0.7, -0.2], rtol=1e-9)


@pytest.mark.parametrize("text", ["log(-a*x)", "a/(x - x + 0*a)*0 + sqrt(-x)"])
def test_a_formula_without_values_has_an_infinite_loss(text):
    expr = Expr.parse("log(-a*x)", ("x",), parameters={"a": 1.0})
    result = fitted(expr, Data.of(X, X))
    assert result.loss == np.inf
    assert result.expr == expr


def test_constants_that_the_data_do_not_tell_apart_have_no_error():
    expr = Expr.parse("a*x + b*x", ("x",), parameters={"a": 1.0, "b": 1.0})
    result = fitted(expr, Data.of(X, 3 * X + NOISE))
    assert np.isnan(result.errors).all()
    assert np.isclose(sum(result.expr.values), np.sum(X * (3 * X + NOISE)) / np.sum(X**2))
