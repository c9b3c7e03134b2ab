"""The loop: stops, and samples that are given up."""

import pytest
import torch
from solvers.toys import DOUBLE, rotation

from limitlab.solvers import SolutionBlewUp, StepSizeUnderflow, TooManySteps, solve_ode


def test_steps_end_at_stops_and_the_proposal_survives():
    """A jump in the field at a stop costs nothing; and cut steps do not make the following ones small."""

    def jumping(t, y):
        return torch.where(t < 1.0, 1.0, -1.0) + 0 * y

    y0 = torch.zeros(2, 1, dtype=DOUBLE)
    stopped = solve_ode(jumping, y0, [0.0, 2.0], stops=[1.0], rtol=1e-8)
    blind = solve_ode(jumping, y0, [0.0, 2.0], rtol=1e-8)
    assert float(stopped.y[:, -1].abs().max()) < 1e-7
    assert int(stopped.log.rejected.sum()) < int(blind.log.rejected.sum())
    y0 = torch.tensor([[1.0, 0.0]], dtype=DOUBLE)
    free = solve_ode(rotation, y0, [0.0, 20.0], rtol=1e-5)
    many = solve_ode(rotation, y0, [0.0, 20.0], rtol=1e-5, stops=[5.01, 10.01, 15.01])
    assert int(many.log.steps) <= int(free.log.steps) + 9
    ends = many.log.time + many.log.size
    assert all(float((ends - stop).abs().min()) < 1e-12 for stop in (5.01, 10.01, 15.01))


def test_blow_up_is_an_error_that_names_sample_time_and_step():
    y0 = torch.tensor([[0.1], [1.0]], dtype=DOUBLE)
    with pytest.raises(SolutionBlewUp, match=r"sample 1 at t = (1|0\.999\d*) with step size"):
        solve_ode(lambda t, y: y * y, y0, [0.0, 1.5])
    assert float(solve_ode(lambda t, y: y * y, y0, [0.0, 0.99]).y[1, -1, 0]) == pytest.approx(100.0, rel=1e-3)


def test_failures_can_be_masked_and_leave_the_others_alone():
    y0 = torch.tensor([[0.1], [1.0]], dtype=DOUBLE)
    times = torch.linspace(0, 1.5, 7, dtype=DOUBLE)
    masked = solve_ode(lambda t, y: y * y, y0, times, on_failure="mask")
    (failure,) = masked.failures
    assert (failure.sample, failure.kind) == (1, "blow-up")
    assert failure.time == pytest.approx(1.0, abs=1e-6)
    assert masked.y[1, :4, 0].tolist() == pytest.approx([1.0, 4 / 3, 2.0, 4.0], rel=1e-4)
    assert bool(masked.y[1, 5:].isnan().all())
    alone = solve_ode(lambda t, y: y * y, y0[:1], times)
    assert torch.equal(alone.y[0], masked.y[0])
    assert "blow-up" in masked.to_xarray().attrs["failures"]


def test_uniform_steps_that_explode_are_an_error_too():
    with pytest.raises(SolutionBlewUp, match="sample 0"):
        solve_ode(lambda t, y: y**3, torch.full((1, 1), 5.0, dtype=DOUBLE), [0.0, 5.0], method="rk4", step_size=0.1)


def test_too_many_steps_and_underflow_are_errors():
    y0 = torch.tensor([[1.0, 0.0]], dtype=DOUBLE)
    with pytest.raises(TooManySteps, match="max_steps"):
        solve_ode(rotation, y0, [0.0, 1000.0], max_steps=50)
    with pytest.raises(StepSizeUnderflow, match=r"sample 0 at t = 0\.[45]"):
        solve_ode(lambda t, y: -1 / y, torch.ones(1, 1, dtype=DOUBLE), [0.0, 1.0])


def test_a_field_that_turns_nan_on_the_way_is_a_blow_up():
    with pytest.raises(SolutionBlewUp, match=r"t = 0\.[5-9]"):
        solve_ode(
            lambda t, y: torch.where(t > 0.7, torch.nan, 1.0) + 0 * y, torch.zeros(1, 1, dtype=DOUBLE), [0.0, 1.0]
        )
