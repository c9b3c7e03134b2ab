"""The engine `sparse` on formulas that its libraries hold."""

import numpy as np
import pytest

from limitlab.discovery.symbolic import Data, Expr, Settings, search
from limitlab.discovery.symbolic.sparse.paths import eliminated


@pytest.mark.parametrize(
    ("text", "ops"),
    [
        ("x*(28 - z) - y", ("+", "*")),
        ("-x - 0.43*(x^2 - 1)*y", ("+", "*", "square")),
        ("-9.81*sin(x) - 0.3*y", ("+", "*", "sin")),
        ("2*exp(-x) + y", ("+", "*", "exp")),
        ("x*(1 - x) - 0.3*x/(0.2 + x)", ("+", "*", "/")),
    ],
)
def test_what_a_library_holds_is_on_the_front(text, ops):
    names = tuple(name for name in "xyz" if name in text)
    points = np.random.default_rng(0).uniform(0.1, 2.0, size=(200, len(names)))
    truth = Expr.parse(text, names)
    front = search(points, truth(points), names=names, ops=ops, engine="sparse", evaluations=150)
    # the constants of the truth are literals, and cost the same as those that are fitted
    exact = [row for row in front if row.loss < 1e-20 * np.mean(truth(points) ** 2) + 1e-24]
    assert exact
    wider = np.random.default_rng(1).uniform(0.05, 2.2, size=(100, len(names)))
    np.testing.assert_allclose(exact[0].expr(wider), truth(wider), rtol=1e-6, atol=1e-8)


def test_weights_decide_what_is_fitted():
    x = np.linspace(-1, 1, 60)
    y = np.where(x < 0, 2 * x, 5 * x)
    front = search(x, y, engine="sparse", ops=("+",), weights=(x < 0).astype(float), evaluations=20)
    assert front[-1].expr([[3.0]]) == pytest.approx(6.0, abs=1e-9)


def test_a_search_ends_with_its_evaluations_and_libraries_that_need_more_points_are_left_out():
    data = Data.of(np.linspace(0, 1, 12), np.linspace(0, 1, 12) ** 2)
    steps = list(eliminated(data, Settings(("+", "*", "/"), evaluations=5), 0))
    assert [step.evaluations for step in steps][-2:] == [2, 5]
    points = np.random.default_rng(0).uniform(size=(12, 3))
    longest = list(eliminated(Data.of(points, points[:, 0]), Settings(("+", "*")), 0))
    assert max(len(step.formulas) for step in longest) <= 12
