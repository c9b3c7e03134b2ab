"""Finite differences: second order, and what a budget of memory leaves of them in many dimensions."""

import pytest

from limitlab.discovery import variational as v
from limitlab.errors import InvalidArgument


def test_differences_have_order_two():
    few, more = v.grid_rival(2, 256), v.grid_rival(2, 1024)
    assert (few.resolution, more.resolution) == (16, 32)
    assert few.error / more.error == pytest.approx(4, rel=0.1)


def test_a_budget_dies_with_the_dimension():
    errors = [v.grid_rival(d, 10_000).error for d in (1, 2, 3, 5)]
    assert errors == sorted(errors)
    assert errors[0] < 1e-6
    assert errors[-1] > 0.05


def test_ten_dimensions_have_two_points_an_axis():
    solve = v.grid_rival(10, 2000)
    assert (solve.resolution, solve.points) == (2, 2**10)
    assert solve.error > 0.1


def test_a_budget_below_two_points_an_axis_is_refused():
    with pytest.raises(InvalidArgument, match="budget must be a whole number >= 1024"):
        v.grid_rival(10, 1000)
