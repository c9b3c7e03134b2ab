"""Least squares on trajectories against SciPy's, with starts that are known and with starts that are fitted."""

from functools import partial

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

from limitlab.discovery.symbolic.expression import Expr
from limitlab.discovery.symbolic.refit.fitting import Measured, fitted
from limitlab.discovery.symbolic.refit.forward import Fills, Holed, Samples, trajectories

TIMES = np.linspace(0, 3, 16)
TRUE = (-0.9, 0.8)
STARTS = np.array([[0.5, 4.0], [2.0, 1.0]])


def lotka_volterra(constants, start):
    def field(t, y):
        return [1.3 * y[0] + constants[0] * y[0] * y[1], constants[1] * y[0] * y[1] - 1.8 * y[1]]

    return solve_ivp(field, (0, 3), start, t_eval=TIMES, rtol=1e-10, atol=1e-12).y.T


@pytest.fixture(scope="module")
def noisy():
    random = np.random.default_rng(0)
    return np.stack([lotka_volterra(TRUE, start) for start in STARTS]) + 0.05 * random.normal(size=(2, 16, 2))


def ours(measured):
    product = Expr.parse("c*x*y", ("x", "y"), parameters={"c": 1.0})
    blow = Expr.parse("c*y^3", ("x", "y"), parameters={"c": 50.0})
    formulas = ((product.with_parameters([-0.7]), blow), (product.with_parameters([0.6]),))
    fills = Fills(Holed("x' = 1.3*x + F; y' = G - 1.8*y", ("F", "G")), formulas, np.array([[0, 0], [1, 0]]))
    samples = Samples(np.stack([TIMES] * 2), np.full(2, 2.0), np.full(2, 4.0), "dopri8", 2000)
    return fitted(fills, partial(trajectories, fills, samples), measured)


def test_constants_errors_and_starts_are_those_of_scipy(noisy):
    holes = noisy.copy()
    holes[0, 3:6, 0] = np.nan
    fit = ours(Measured(holes, np.array([0.05, 0.1]), holes[:, 0], starts_known=False))

    def residual(unknowns):
        states = np.stack([lotka_volterra(unknowns[:2], start) for start in unknowns[2:].reshape(2, 2)])
        difference = (holes - states) / [0.05, 0.1]
        return difference[np.isfinite(difference)]

    best = least_squares(residual, [-0.7, 0.6, *holes[:, 0].ravel()], xtol=1e-12, ftol=1e-12, gtol=1e-12)
    errors = np.sqrt(np.diag(np.linalg.inv(best.jac.T @ best.jac)))
    assert fit.squares[0] == pytest.approx(2 * best.cost, rel=1e-6)
    np.testing.assert_allclose(fit.constants[0], best.x[:2], rtol=1e-4)
    np.testing.assert_allclose(fit.starts[0].ravel(), best.x[2:], atol=1e-3)
    np.testing.assert_allclose(fit.errors[0], errors[:2], rtol=1e-2)


def test_known_starts_stay(noisy):
    rest = noisy.copy()
    rest[:, 0] = np.nan
    measured = Measured(rest, np.ones(2), STARTS, starts_known=True)
    fit = ours(measured)
    np.testing.assert_array_equal(fit.starts[0], STARTS)
    assert measured.seen.sum() == 60

    def residual(unknowns):
        return (noisy - np.stack([lotka_volterra(unknowns, start) for start in STARTS]))[:, 1:].ravel()

    np.testing.assert_allclose(fit.constants[0], least_squares(residual, [-0.7, 0.6]).x, rtol=1e-4)


def test_an_equation_that_cannot_be_solved_has_the_loss_infinity(noisy):
    fit = ours(Measured(noisy, np.ones(2), STARTS, starts_known=True))
    assert np.isfinite(fit.squares).tolist() == [True, False]
