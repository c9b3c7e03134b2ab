"""Equations of motion from trajectories: exact where they are clean, by majority where they are not."""

import numpy as np
import pytest

from limitlab import problems
from limitlab.discovery.symbolic.sparse.dynamics import CollinearTerms, sparse_dynamics
from limitlab.discovery.symbolic.sparse.library import Library
from limitlab.errors import InvalidArgument, UnknownName


def trajectories(name, times, *starts, **values):
    import torch

    problem = problems.get(name, **values)
    y0 = torch.tensor(starts, dtype=torch.float64) if starts else problem.initial_value[None]
    return problem.solve(y0, times.tolist(), rtol=1e-10, atol=1e-12).y.numpy()


TIMES = np.linspace(0, 6, 121)


@pytest.mark.parametrize(("form", "bound"), [("spline", 2e-3), ("weak", 2e-3), ("differences", 0.05)])
def test_lotka_and_volterra_from_one_clean_orbit(form, bound):
    (y,) = trajectories("lotka_volterra", TIMES)
    model = sparse_dynamics(TIMES, y, form=form, sigma=0.0)
    assert [expr.structure for expr in model.expressions] == ["c0*x + c1*x*y", "c0*y + c1*x*y"]
    assert model.expressions[0].values == pytest.approx((1.3, -0.9), rel=bound)
    assert model.expressions[1].values == pytest.approx((-1.8, 0.8), rel=bound)


def test_errors_stand_beside_the_constants():
    (y,) = trajectories("lotka_volterra", TIMES)
    noisy = y + 0.01 * np.random.default_rng(0).normal(size=y.shape)
    model = sparse_dynamics(TIMES, noisy, library=Library(("x", "y"), 2), sigma=0.01)
    for expr, errors in zip(model.expressions, model.errors, strict=True):
        assert len(expr.values) == len(errors)
        assert all(0 < error < 0.3 for error in errors)


def test_the_majority_of_resamples_keeps_the_true_terms():
    y = trajectories("lotka_volterra", TIMES, (0.44, 4.6), (1.0, 1.0), (3.0, 0.5))
    noisy = y + 0.02 * np.random.default_rng(0).normal(size=y.shape)
    options = {"library": Library(("x", "y"), 2), "sigma": 0.02, "resamples": 20}
    model = sparse_dynamics(TIMES, noisy, **options)
    assert [expr.structure for expr in model.expressions] == ["c0*x + c1*x*y", "c0*y + c1*x*y"]
    assert model.shares.shape == (2, 6)
    again = sparse_dynamics(TIMES, noisy, **options)
    np.testing.assert_array_equal(model.shares, again.shares)


def test_a_sine_is_a_term_that_the_pendulum_needs():
    times = np.linspace(0, 8, 401)
    (y,) = trajectories("pendulum", times, c=0.3)
    model = sparse_dynamics(times, y, library=Library(("theta", "v"), 3, (1.0,)), sigma=0.0)
    assert model.expressions[1].structure == "c0*v + c1*sin(theta)"
    assert model.expressions[1].values == pytest.approx((-0.3, -9.81), rel=1e-3)


def test_a_quotient_from_its_implicit_form():
    times = np.linspace(0, 20, 201)
    y = trajectories("saturable_elimination", times, (20.0,), vmax=2.0, km=5.0)
    (expr,) = sparse_dynamics(
        times, y, library=Library(("C",), 1, rational=True), threshold=0.05, sigma=0.0
    ).expressions
    c = np.linspace(0.5, 19.0, 20)[:, None]
    np.testing.assert_allclose(expr(c), -2 * c[:, 0] / (5 + c[:, 0]), rtol=1e-3)


def test_terms_that_an_orbit_cannot_tell_apart_are_named():
    circle = np.stack([np.cos(TIMES), np.sin(TIMES)], axis=1)
    with pytest.warns(CollinearTerms, match=r"1, x\^2, y\^2"):
        model = sparse_dynamics(TIMES, circle, library=Library(("x", "y"), 2), sigma=0.0)
    assert model.collinear == ("1", "x^2", "y^2")
    assert model.condition > 1e8


def test_the_equations_are_a_problem_that_can_be_solved():
    (y,) = trajectories("lotka_volterra", TIMES)
    model = sparse_dynamics(TIMES, y, sigma=0.0)
    problem = problems.parse(model.equation, initial=y[0].tolist())
    assert problem.solve(times=TIMES.tolist()).y[0].numpy() == pytest.approx(y, abs=0.02)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"form": "weka"}, UnknownName, "weak"),
        ({"library": ("x",)}, InvalidArgument, "2 states"),
        ({"library": Library(("x", "y"), rational=True), "form": "weak"}, InvalidArgument, "rational"),
        ({"threshold": -1.0}, InvalidArgument, "threshold"),
    ],
)
def test_what_cannot_be_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        sparse_dynamics(TIMES, np.stack([np.cos(TIMES), np.sin(TIMES)], axis=1), **options)
