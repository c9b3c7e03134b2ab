"""Every engine is found by its module's row, and keeps the protocol."""

import pytest

from limitlab.discovery.symbolic import Expr, Settings, engines
from limitlab.discovery.symbolic.testbed import CASES


def test_rows_are_found_by_their_names():
    assert {"brute", "evolve"} <= set(engines())
    assert all(name == row.name and row.title for name, row in engines().items())


@pytest.mark.parametrize("name", ["brute", "evolve"])
def test_an_engine_yields_formulas_of_the_variables_and_counts(name):
    data = CASES["lotka"].data()
    counts = []
    for progress in engines()[name].search(data, Settings(("+", "*"), evaluations=2500), 0):
        counts.append(progress.evaluations)
        assert all(isinstance(formula, Expr) and formula.variables == ("x", "y") for formula in progress.formulas)
    assert counts == sorted(counts)
    assert counts[-1] >= 2500
