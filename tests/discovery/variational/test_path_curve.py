"""The curve of the smallest path norm that reaches an error."""

import math

import numpy as np
import pytest

from limitlab.discovery import variational as v
from limitlab.errors import InvalidArgument

ENERGY = v.Energy((v.conduction(), v.reaction(math.pi**2)))


@pytest.fixture(scope="module")
def curve():
    return v.path_curve(ENERGY, v.cosines(1), (0.0, 0.3), width=16, steps=300, batch_size=100)


def test_a_smaller_norm_is_paid_for_with_a_larger_error(curve):
    assert (np.diff(curve["path_norm"]) < 0).all()
    assert curve["l2"][-1] > 1.5 * curve["l2"][0]


def test_the_smallest_norm_never_rises_with_the_error_allowed(curve):
    in_order = curve.sortby("l2")
    assert (np.diff(in_order["smallest"]) <= 0).all()
    assert (curve["smallest"] <= curve["path_norm"]).all()


def test_the_norm_is_above_what_the_slope_of_the_solution_asks_for(curve):
    """|u'| <= sum |a||w| <= the path norm for tanh, and the solution's largest slope is sqrt(2) pi."""
    best = curve.isel(penalty=0)
    assert float(best["path_norm"]) > (1 - float(best["gradient"])) * math.pi


def test_penalties_below_zero_are_refused():
    with pytest.raises(InvalidArgument, match="penalties"):
        v.path_curve(ENERGY, v.cosines(1), (-1.0,))
