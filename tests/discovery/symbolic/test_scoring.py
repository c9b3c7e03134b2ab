"""A score is the weighted mean of squares, on fitted and on held-out points."""

import numpy as np

from limitlab.discovery.symbolic import Data, Expr, Settings, scored
from limitlab.discovery.symbolic.scoring import empty_front

X = np.linspace(-1, 1, 20)
LINE = Expr.parse("2*x", ("x",))


def test_losses_are_means_of_squares():
    data = Data.of(X, X**2, weights=1 + X**2, validation=0.25, seed=1)
    row = scored(LINE, data, engine="toy")
    assert np.isclose(row.loss, np.average((data.y - 2 * data.X[:, 0]) ** 2, weights=data.weights))
    squares = (data.held_out[1] - 2 * data.held_out[0][:, 0]) ** 2
    assert np.isclose(row.validation_loss, squares.mean())
    assert np.isclose(row.validation_error, squares.std(ddof=1) / np.sqrt(5))
    assert (row.n, row.complexity, row.engine) == (15, 3.0, "toy")


def test_a_point_without_a_value_is_an_infinite_loss():
    row = scored(Expr.parse("log(x)", ("x",)), Data.of(X, X, validation=0.25))
    assert row.loss == np.inf
    assert row.validation_loss is None


def test_an_empty_front_knows_the_rounding_and_the_noise_of_its_data():
    front = empty_front(Data.of(X, 10 * X, sigma=0.1), Settings(("+", "*")))
    assert np.isclose(front.floor, 1e-13 * np.mean(100 * X**2))
    assert (front.sigma, front.symbols) == (0.1, 4)
