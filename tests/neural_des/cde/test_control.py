"""Paths of series: blind to their own speed, with counts of what was measured, and as log-signatures of windows."""

import pytest
import torch

from limitlab import spaces
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.neural_des.cde import Control, MatrixField, with_unit_knots
from limitlab.solvers import solve_cde, solve_ode

NAN = float("nan")


def irregular(batch=5, rows=12, channels=2, seed=0, own=True):
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, rows) if own else (rows,)
    times = torch.rand(shape, generator=generator, dtype=torch.float64).add(0.1).cumsum(-1)
    return times, torch.randn(batch, rows, channels, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("interpolation", ["linear", "hermite", "natural"])
@pytest.mark.parametrize("own", [True, False])
def test_unit_knots_leave_the_curve_as_it_is(interpolation, own):
    times, values = irregular(own=own)
    path = spaces.control_path(times, values, interpolation)
    unit = with_unit_knots(path)
    for share in (0.0, 0.3, 0.9):
        moments = times[..., :-1] + share * times.diff(dim=-1)
        places = torch.arange(11, dtype=torch.float64) + share
        assert torch.allclose(unit.evaluate(places), path.evaluate(moments), atol=1e-12)


@pytest.mark.parametrize("interpolation", ["linear", "hermite", "natural"])
@torch.no_grad()
def test_unit_knots_leave_the_solution_as_it_is(interpolation):
    times, values = irregular(rows=6)
    path, field = spaces.control_path(times, values, interpolation), MatrixField(4, 3, width=8).double()
    z0 = torch.randn(5, 4, dtype=torch.float64)
    ends = [solve_cde(field, z0, p, rtol=1e-7, atol=1e-7).y[:, -1] for p in (path, with_unit_knots(path))]
    assert torch.allclose(*ends, atol=1e-5)


@torch.no_grad()
def test_a_path_run_through_at_another_speed_has_the_same_solution():
    """Card 02, (C): t -> t^2 moves z(T) by less than 1e-3, with 1000 steps of rk4."""
    values = irregular()[1]
    field, z0 = MatrixField(4, 2, width=8).double(), torch.randn(5, 4, dtype=torch.float64)
    path = spaces.control_path(torch.linspace(0, 1, 12, dtype=torch.float64), values, "hermite", include_time=False)

    def of_the_square(s, z):
        """d/ds X(s^2), by the chain rule."""
        return (field(s, z) * 2 * s[..., None] * path.derivative(s**2)).sum(-1)

    plain = solve_cde(field, z0, path, method="rk4", step_size=1e-3).y[:, -1]
    warped = solve_ode(of_the_square, z0, [0.0, 1.0], method="rk4", step_size=1e-3).y[:, -1]
    assert (plain - warped).abs().max() < 1e-3
    assert (plain - z0).abs().max() > 0.1


def test_counts_are_those_of_the_measurements_so_far():
    values = torch.tensor([[[1.0, NAN], [NAN, NAN], [2.0, 3.0]]])
    path = Control(intensity=2, include_time=False).path(torch.arange(3.0), values)
    assert path.coefficients[0, :, 0, 2:].tolist() == [[0.5, 0.0], [0.5, 0.0], [1.0, 0.5]]


@pytest.mark.parametrize("interpolation", ["linear", "rectilinear"])
def test_depth_one_with_a_window_of_one_piece_is_the_path_itself(interpolation):
    times, values = irregular()
    plain = Control(interpolation).path(times, values)
    windowed = Control(interpolation, window=1, log_depth=1).path(times, values)
    assert torch.allclose(plain.coefficients, windowed.coefficients, atol=1e-12)


def test_a_rectilinear_path_knows_nothing_of_later_rows():
    times, values = irregular()
    other = values.clone()
    other[:, 6:] += 5.0
    control, field = Control("rectilinear"), MatrixField(4, 3, width=8).double()
    z0 = torch.randn(5, 4, dtype=torch.float64)
    first, second = (
        solve_cde(field, z0, path, control.rows(path), method="midpoint", step_size=1.0).y
        for path in (control.path(times, v) for v in (values, other))
    )
    assert first.shape == (5, 12, 4)
    assert torch.equal(first[:, :6], second[:, :6])
    assert not torch.allclose(first[:, 6], second[:, 6])


def test_sizes_count_time_counts_and_areas():
    assert Control().size(2) == 3
    assert Control(include_time=False).size(2) == 2
    assert Control(intensity=10).size(2) == 5
    assert Control(window=4).size(2) == 6
    assert Control(window=4, log_depth=1).size(2) == 3
    assert Control(window=4).start_size(2) == 3


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"interpolation": "lineer"}, UnknownName, "linear"),
        ({"interpolation": "rectilinear", "include_time": False}, InvalidArgument, "include_time must be True"),
        ({"interpolation": "hermite", "window": 3}, InvalidArgument, "piecewise linear"),
        ({"window": 0}, InvalidArgument, "window"),
        ({"window": 2, "log_depth": 3}, InvalidArgument, "log_depth"),
        ({"intensity": 0}, InvalidArgument, "intensity"),
    ],
)
def test_bad_controls_get_one_clear_error(options, error, message):
    with pytest.raises(error, match=message):
        Control(**options)


def test_a_window_longer_than_the_series_is_refused():
    times, values = irregular(rows=5)
    with pytest.raises(InvalidArgument, match="window must be at most the 4 pieces"):
        Control(window=5).path(times, values)
