"""Every formula of few terms: how many there are, that each is fitted, and what is refused."""

from math import comb

import numpy as np
import pytest

from limitlab.discovery.symbolic import Holed, Library, refit, subsets
from limitlab.errors import InvalidArgument
from limitlab.problems import get

PLANE = Library(("x", "y"), degree=2)


@pytest.fixture
def points():
    return np.random.default_rng(0).uniform(0.5, 2.0, (60, 2))


def test_there_is_one_formula_a_subset_and_the_exact_one_comes_first(points):
    formulas = subsets(points, 3 * points[:, 0] * points[:, 1] - points[:, 1], PLANE)
    assert len(formulas) == 6 + comb(6, 2)
    assert {str(term) for term in formulas[0].sympy.free_symbols} == {"x", "y", "c0", "c1"}
    np.testing.assert_allclose(formulas[0](points), 3 * points[:, 0] * points[:, 1] - points[:, 1], rtol=1e-10)
    losses = [np.mean((f(points) - formulas[0](points)) ** 2) for f in formulas]
    assert losses == sorted(losses)


def test_each_is_the_least_squares_fit_of_its_terms(points):
    target = np.exp(points[:, 0]) * points[:, 1]
    for formula in subsets(points, target, PLANE, most_terms=1):
        (value,), (column,) = formula.values, (formula.with_parameters([1.0])(points),)
        assert value == pytest.approx(column @ target / (column @ column), rel=1e-9)


def test_a_term_that_looks_like_another_on_one_trajectory_is_told_apart_by_the_refit():
    problem = get("lotka_volterra", span=3.0)
    times = np.linspace(0, 3, 21)
    states = problem.solve(problem.initial_value[None], times=times).y[0].numpy()
    inner = states[2:-2]
    # a few percent off, as a network is: y^2 fits better than x*y
    wrong = 0.8 * inner[:, 0] * inner[:, 1] * (1 + 0.06 * np.sin(times[2:-2]))
    holes = {"G": subsets(inner, wrong, PLANE, most_terms=2)}
    holed = Holed("x' = 1.3*x - 0.9*x*y; y' = G - 1.8*y", ("G",))
    best = refit(holes, holed, times, states, sigma=0.0, most=100).best
    assert str(best.formulas[0]) == "0.8*x*y"


def test_rational_libraries_and_too_many_formulas_are_refused(points):
    with pytest.raises(InvalidArgument, match="rational"):
        subsets(points, points[:, 0], Library(("x", "y"), 1, rational=True))
    with pytest.raises(InvalidArgument, match="more than 10000"):
        subsets(points, points[:, 0], Library(("x", "y"), 6), most_terms=5)
