"""Sparse regression against pysindy, against least squares written out, and on terms that cannot be told apart."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from limitlab import problems
from limitlab.discovery.symbolic.sparse.library import Library
from limitlab.discovery.symbolic.sparse.regression import (
    conditioning,
    eliminations,
    inclusion,
    least_squares,
    standard_errors,
    thresholded,
)

LIBRARY = Library(("x", "y", "z"), 3)
TRUE = {(0, 1): -10.0, (0, 2): 10.0, (1, 1): 28.0, (1, 2): -1.0, (1, 6): -1.0, (2, 3): -8 / 3, (2, 5): 1.0}


@pytest.fixture(scope="module")
def lorenz():
    """Columns and derivatives along a clean trajectory."""
    problem = problems.get("lorenz")
    y = problem.solve(times=np.linspace(0, 10, 1001).tolist(), rtol=1e-9).y[0]
    slopes = problem.field()(torch.zeros(len(y), 1, dtype=y.dtype), y)
    return LIBRARY.columns(y.numpy()), slopes.numpy()


# importing pysindy takes longer than all tests of this file
@pytest.mark.slow
@pytest.mark.parametrize("ridge", [0.05, 1e-3])
def test_thresholds_agree_with_pysindy_on_lorenz(lorenz, ridge):
    sindy = pytest.importorskip("pysindy").STLSQ(threshold=0.1, alpha=ridge).fit(*lorenz)
    ours = thresholded(*lorenz, threshold=0.1, ridge=ridge)
    assert abs(ours - sindy.coef_).max() < 1e-8
    assert {index: pytest.approx(value, abs=1e-6) for index, value in TRUE.items()} == {
        index: ours[index] for index in zip(*map(list, np.nonzero(ours)), strict=True)
    }


@pytest.mark.slow
def test_thresholds_agree_with_pysindy_where_noise_leaves_many_terms(lorenz):
    columns, slopes = lorenz
    noisy = slopes + 5 * np.random.default_rng(0).normal(size=slopes.shape)
    sindy = pytest.importorskip("pysindy").STLSQ(threshold=0.05, alpha=0.05).fit(columns, noisy)
    ours = thresholded(columns, noisy, threshold=0.05, ridge=0.05)
    assert np.count_nonzero(ours) > 7
    assert abs(ours - sindy.coef_).max() < 1e-8


def test_shares_are_those_of_resamples_one_by_one(lorenz):
    columns, slopes = lorenz
    noisy = slopes + 5 * np.random.default_rng(0).normal(size=slopes.shape)
    shares = inclusion(columns, noisy, resamples=5, seed=3, threshold=0.2)
    count = len(columns)
    weights = np.random.default_rng(3).multinomial(count, np.full(count, 1 / count), size=5)
    rows = [np.repeat(np.arange(count), weight) for weight in weights]
    one_by_one = [thresholded(columns[row], noisy[row], threshold=0.2) != 0 for row in rows]
    np.testing.assert_array_equal(shares, np.mean(one_by_one, axis=0))
    assert all(shares[index] == 1 for index in TRUE)


def test_elimination_drops_the_term_whose_loss_costs_least(lorenz):
    columns, slopes = lorenz
    target = slopes[:, 0] + np.random.default_rng(0).normal(size=len(slopes))
    path = eliminations(columns, target)
    assert [len(terms) for terms, _ in path] == list(range(20, 0, -1))
    assert path[-2][0] == (1, 2)

    def square(terms):
        return np.linalg.lstsq(columns[:, terms], target, rcond=None)[1][0]

    for (terms, xi), (fewer, _) in pairwise(path):
        np.testing.assert_allclose(xi, np.linalg.lstsq(columns[:, terms], target, rcond=None)[0], rtol=1e-6, atol=1e-8)
        cheapest = min(square([t for t in terms if t != out]) for out in terms)
        assert square(list(fewer)) == pytest.approx(cheapest, rel=1e-9)


def test_standard_errors_cover_the_truth():
    random = np.random.default_rng(0)
    columns = random.normal(size=(50, 3))
    truth = np.array([[1.0, -2.0, 0.0]])
    scores = []
    for _ in range(400):
        targets = columns @ truth.T + 0.3 * random.normal(size=(50, 1))
        xi = least_squares(columns, targets, truth != 0)
        scores.append(((xi - truth) / np.where(truth, standard_errors(columns, targets, xi), 1))[0, :2])
    # 800 scores of a t distribution: the standard deviation of their spread is 0.026
    assert np.std(scores) == pytest.approx(1.02, abs=0.1)


def test_condition_and_collinear_terms():
    x = np.linspace(0, 1, 30)
    columns = np.stack([x, x**2, 3 * x + 1e-12 * x**3, np.ones(30)], axis=1)
    state = conditioning(columns)
    assert state.number > 1e8
    assert state.collinear == (0, 2)
    fine = conditioning(columns[:, [0, 1, 3]])
    scaled = columns[:, [0, 1, 3]] / np.linalg.norm(columns[:, [0, 1, 3]], axis=0)
    assert fine.number == pytest.approx(np.linalg.cond(scaled))
    assert fine.collinear == ()
    assert conditioning(columns[:2]).number == float("inf")
