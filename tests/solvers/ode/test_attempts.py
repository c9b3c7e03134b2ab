"""One attempt: its scaled error."""

import numpy as np
import pytest
import torch
from solvers.toys import DOUBLE

from limitlab.solvers import solve_ode
from limitlab.solvers.methods.tableaux import TABLEAUX


def test_scaled_error_is_that_of_the_embedded_pair():
    """One Tsit5 step of y' = -y by hand, and its fifth order."""
    table = TABLEAUX["tsit5"]
    found = []
    for h in (0.1, 0.05):
        k, y = [-1.0], 1.0
        for row in table.a:
            k.append(-(1.0 + h * np.dot(row, k)))
        end = y + h * np.dot(table.b, k)
        k.append(-end)
        by_hand = abs(h * np.dot(table.error, k)) / (1e-6 + 1e-6 * max(1.0, abs(end)))
        log = solve_ode(
            lambda t, y: -y, torch.ones(1, 1, dtype=DOUBLE), [0.0, h], step_size=h, rtol=1e-6, atol=1e-6
        ).log
        assert float(log.error) == pytest.approx(by_hand, rel=1e-7)
        found.append(by_hand)
    assert 2**-5.4 < found[1] / found[0] < 2**-4.6
