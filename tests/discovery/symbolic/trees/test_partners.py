"""A partner is the best of all pairs, as a regression of each pair by itself says."""

import numpy as np
import pytest
import torch

from limitlab.discovery.symbolic.trees.evaluation import fits, plan_of, values_of
from limitlab.discovery.symbolic.trees.mutations import Alphabet
from limitlab.discovery.symbolic.trees.partners import JOINS, completed
from limitlab.discovery.symbolic.trees.population import OPS, Population, require_codes

GENERATOR = torch.Generator().manual_seed(0)
X = 1 + torch.rand(3, 40, dtype=torch.float64, generator=GENERATOR)
WEIGHTS = torch.rand(40, dtype=torch.float64, generator=GENERATOR)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
TREES = Population.of([[("x", 0)], [("x", 0), ("x", 2), "*"]], width=12)
OTHERS = Population.of([[("x", 1)], [("x", 1), "sin"], [("x", 2), "exp"], [2.0]], width=12)


def alphabet(*names, limit=30.0):
    return Alphabet(require_codes(names), 3, tuple(1.0 for _ in OPS), limit)


def losses(trees, y):
    return fits(trees, X, y, WEIGHTS).loss


def test_a_law_in_two_parts_is_found_from_its_parts():
    y = 28 * X[0] * X[2] - 3 * X[1] + 1
    children = completed(TREES, OTHERS, X, y, WEIGHTS, alphabet=alphabet("+", "*"))
    best = int(losses(children, y).argmin())
    assert float(losses(children, y)[best]) < 1e-20
    assert str(children.expr(best, ("x", "y", "z"))) == "x*z - 0.1071*y"


@pytest.mark.parametrize(
    ("names", "target"),
    [(("*",), lambda x, y, z: x * z * y.sin()), (("/",), lambda x, y, z: z.exp() / x), (("/",), lambda x, y, z: x / y)],
)
def test_products_and_quotients_are_found(names, target):
    children = completed(TREES, OTHERS, X, 2 - 5 * target(*X), WEIGHTS, alphabet=alphabet(*names))
    assert float(losses(children, 2 - 5 * target(*X)).min()) < 1e-20


def test_a_sum_leaves_what_the_regression_of_numpy_leaves():
    y = X[0].square() + X[1]
    f, g = (values_of(part, X, plan_of(part, 3)).roots for part in (TREES, OTHERS[:3]))
    got, factors = JOINS[0].price(f, g, y, WEIGHTS)
    root = WEIGHTS.sqrt().numpy()
    for row in range(2):
        for column in range(3):
            design = np.stack([np.ones(40), f[row].numpy(), g[column].numpy()], 1)
            values, left, *_ = np.linalg.lstsq(design * root[:, None], y.numpy() * root)
            assert float(got[row, column]) == pytest.approx(float(left[0]), rel=1e-9)
            assert float(factors[row, column]) == pytest.approx(values[2] / values[1], rel=1e-8)


def test_nothing_is_joined_where_it_would_be_too_long_or_has_no_value():
    y = X[0] + X[1]
    assert completed(TREES, OTHERS, X, y, WEIGHTS, alphabet=alphabet("+", "*", limit=3.0)) is None
    assert completed(TREES, OTHERS[3:], X, y, WEIGHTS, alphabet=alphabet("*")) is None
    assert completed(TREES, OTHERS, X, y, WEIGHTS, alphabet=alphabet("sin")) is None
    children = completed(TREES, OTHERS, X, y, WEIGHTS, alphabet=alphabet("*", limit=5.0))
    assert (alphabet("*").complexity(children) <= 5).all()
