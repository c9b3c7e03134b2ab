"""Uniform grids: the whole span, and every stop."""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from solvers.toys import DOUBLE, rotation

from limitlab.solvers import solve_ode
from limitlab.solvers.times import SLIVER


@given(step=st.floats(0.05, 0.9), stop=st.floats(0.1, 1.9))
# five steps but for the last of ten digits: the fifth takes what is left
@example(step=0.3999999999940942, stop=1.0)
@settings(max_examples=30, deadline=None)
def test_uniform_steps_cover_the_span_and_hit_stops(step, stop):
    log = solve_ode(
        rotation, torch.ones(1, 2, dtype=DOUBLE), [0.0, 2.0], method="rk4", step_size=step, stops=[stop]
    ).log
    size = log.size[log.attempted]
    assert float(size.sum()) == pytest.approx(2.0, abs=1e-12)
    assert float(size[:-1].max()) <= step * (1 + 1e-12)
    assert float(size[-1]) <= step * (1 + SLIVER)
    assert float(size.min()) > 1e-10 * step
    assert float((log.time + log.size - stop).nan_to_num(9.0).abs().min()) < 1e-8 * step


@pytest.mark.parametrize("end", [0.7, 1.0, 14.614643])
def test_uniform_steps_to_an_end_in_single_precision_leave_no_sliver(end):
    times = torch.tensor([0.0, end])
    for steps in (7, 10, 100):
        log = solve_ode(rotation, torch.ones(1, 2), times, method="rk4", step_size=end / steps).log
        assert log.size.shape == (1, steps)
        assert float(log.size.min()) > 0.99 * end / steps


def test_a_step_that_is_much_longer_than_the_span_is_as_long_as_the_span():
    solution = solve_ode(lambda t, y: -y, torch.ones(1, 1, dtype=DOUBLE), [0.0, 0.5], method="rk4", step_size=1e12)
    assert solution.log.size.tolist() == [[0.5]]
    assert float(solution.y[0, -1, 0]) == pytest.approx(0.6065, abs=1e-3)
