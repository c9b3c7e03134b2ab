"""The tables of explicit methods: consistency, and stability functions."""

import numpy as np
import pytest

from limitlab.solvers.methods.tableaux import TABLEAUX


@pytest.mark.parametrize("table", TABLEAUX.values(), ids=TABLEAUX)
def test_tables_are_consistent(table):
    """Rows sum to the nodes, weights to one, error weights to zero, and the extension ends in the step."""
    assert np.allclose([sum(row) for row in ((), *table.a)], table.c, atol=1e-13)
    assert sum(table.b) == pytest.approx(1.0, abs=1e-13)
    for error in (table.error, table.second_error):
        assert sum(error) == pytest.approx(0.0, abs=1e-13)
    ends = table.polynomials.sum(1)
    assert np.allclose(ends[: table.stages], table.b, atol=1e-12)
    assert np.allclose(ends[table.stages :], 0.0, atol=1e-12)


def test_amplification_is_the_exponential_up_to_the_order():
    z = np.array([0.01 + 0.02j])
    for table in TABLEAUX.values():
        defect = np.abs(table.amplification(z) - np.exp(z))[0]
        assert defect < 2 * np.abs(z[0]) ** (table.order + 1)
    assert abs(TABLEAUX["tsit5"].amplification(np.array([-3.50 + 0j]))[0]) < 1
    assert abs(TABLEAUX["tsit5"].amplification(np.array([-3.52 + 0j]))[0]) > 1
