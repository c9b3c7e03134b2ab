"""Failures in words: the time shown has the digits that matter."""

import pytest

from limitlab.solvers.failures import failed
from limitlab.solvers.solution import Failure


@pytest.mark.parametrize(
    ("time", "step", "shown"),
    [
        (0.3333333333, 1e-17, "0.333333"),
        (0.0, 0.1, "0"),
        (1.0000000002, 1e-9, "1"),
        (12.75, 0.25, "12.75"),
        (1.7e9 + 2.5, 1e-3, "1700000002.5"),
        (1.7e9 + 2.25, 1e-17, "1700000002.25"),
        (-1.7e9 - 3600.0, 60.0, "-1700003600"),
    ],
)
def test_a_late_time_is_shown_to_its_step(time, step, shown):
    assert f" at t = {shown} with step size " in str(failed([Failure(0, time, step, "blow-up")]))
