"""All short formulas are tried, each once."""

import numpy as np

from limitlab.discovery.symbolic import Data, Settings
from limitlab.discovery.symbolic.brute import Enumeration, brute
from limitlab.discovery.symbolic.testbed import CASES

X = np.random.default_rng(0).uniform(0.5, 2.0, (30, 2))


def test_sums_of_two_variables_up_to_five_nodes_are_counted():
    """Of x, y, 1 and +: 3 leaves, 6 sums of two, 10 of three, as multisets; n nodes are (n + 1)/2 leaves."""
    enumeration = Enumeration(Data.of(X, X.sum(1)), Settings(("+",), max_complexity=5), 0)
    for complexity in range(1, 6):
        list(enumeration.level(complexity))
    assert {c: len(level.trees) for c, level in enumeration._levels.items()} == {1: 3, 3: 6, 5: 10}


def test_formulas_that_agree_are_kept_once():
    enumeration = Enumeration(Data.of(X, X.sum(1)), Settings(("-", "*", "/"), max_complexity=5), 0)
    for complexity in range(1, 6):
        list(enumeration.level(complexity))
    values = np.concatenate([level.values.numpy() for level in enumeration._levels.values()])
    distance = np.abs(values[:, None] - values[None]).max(2) + np.eye(len(values))
    assert distance.min() > 1e-8


def test_a_formula_of_the_physics_of_light_is_found():
    case = CASES["I.12.2"]
    settings = Settings(("*", "/", "square"), max_complexity=13, evaluations=10**6)
    steps = brute(case.data(), settings, 0)
    assert any(case.error(formula) < 1e-9 for step in steps for formula in step.formulas)


def test_a_budget_of_evaluations_ends_it():
    data = Data.of(X, np.sin(3 * X[:, 0]) * X[:, 1])
    *_, last = brute(data, Settings(("+", "*", "sin", "exp"), evaluations=2000), 0)
    assert 2000 <= last.evaluations < 60000
