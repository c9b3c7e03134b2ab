"""Libraries: their terms, their columns against the terms' own formulas, and formulas from coefficients."""

import numpy as np
import pytest

from limitlab.discovery.symbolic.expression import Expr
from limitlab.discovery.symbolic.sparse.library import Library
from limitlab.errors import InvalidArgument, UnknownName

POINTS = np.random.default_rng(0).uniform(0.2, 2.0, size=(40, 3))


@pytest.mark.parametrize("constant", [True, False])
def test_columns_are_the_terms_at_the_points(constant):
    library = Library(("x", "y", "z"), 4, (1.0, 0.5), ("exp(-x)/(1 + y)",), constant=constant)
    columns = library.columns(POINTS)
    assert columns.shape == (40, len(library.names)) == (40, 34 + constant + 12 + 1)
    for name, column in zip(library.names, columns.T, strict=True):
        np.testing.assert_allclose(column, Expr.parse(name, library.variables)(POINTS), rtol=1e-13)


def test_a_formula_holds_the_terms_of_its_coefficients():
    library = Library(("x", "y", "z"), 2, (2.0,))
    coefficients = np.where(np.arange(len(library.names)) % 3 == 0, 0.0, np.linspace(-2, 2, len(library.names)))
    formula = library.formula(coefficients)
    assert formula.values == tuple(coefficients[coefficients != 0])
    np.testing.assert_allclose(formula(POINTS), library.columns(POINTS) @ coefficients, rtol=1e-12)
    assert str(library.formula(0 * coefficients)) == "0"


def test_the_implicit_form_of_a_quotient_is_linear():
    library = Library(("x", "y", "z"), 1, rational=True)
    coefficients = np.array([0.5, 1.0, 0.0, -2.0, 0.0, 0.3, 0.1])
    values = library.formula(coefficients)(POINTS)
    x, y, z = POINTS.T
    np.testing.assert_allclose(values, (0.5 + x - 2 * z) / (1 + 0.3 * y + 0.1 * z), rtol=1e-12)
    np.testing.assert_allclose(
        library.implicit_columns(library.columns(POINTS), values) @ coefficients, values, rtol=1e-12
    )


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((("x",), 2, (), ("sin(u)",)), UnknownName, "'u'"),
        ((("x",), 2, (), ("x^2",)), InvalidArgument, "already"),
        (((), 2), InvalidArgument, "variables"),
        ((("x",), 0, (), (), False), InvalidArgument, "needs a term"),
        ((("a", "b", "c", "d", "f", "g", "h"), 9), InvalidArgument, "more than"),
    ],
)
def test_a_library_that_cannot_be_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        Library(*arguments).columns(POINTS[:, : len(arguments[0])])


def test_a_term_that_is_not_finite_is_named():
    with pytest.raises(InvalidArgument, match=r"'log\(x\)'"):
        Library(("x", "y", "z"), 1, terms=("log(x)",)).columns(-POINTS)
