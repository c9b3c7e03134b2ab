"""Measurements are checked where they come in, with one error for each fault."""

import numpy as np
import pytest
import torch

from limitlab.discovery.symbolic import Data, Units
from limitlab.errors import InvalidArgument

GOOD = np.random.default_rng(0).standard_normal((12, 2))
Y = GOOD.sum(1)


def with_(array, index, value):
    array = array.copy()
    array[index] = value
    return array


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((GOOD, Y[:-1], {}), r"X must be \(n, k\) and y \(n,\); got \(12, 2\) and \(11,\)"),
        ((GOOD, Y[:, None], {}), r"got \(12, 2\) and \(12, 1\)"),
        ((with_(GOOD, (3, 1), np.nan), Y, {}), r"X\[3, 1\] is nan"),
        ((GOOD, with_(Y, 5, np.inf), {}), r"y\[5\] is inf"),
        ((GOOD[:3], Y[:3], {}), "at least 4 points for 2 variables; got 3"),
        ((GOOD, 0 * Y, {}), "y must vary"),
        ((with_(GOOD, (slice(None), 1), 2.0), Y, {}), "'x2' is 2 throughout"),
        ((GOOD, Y, {"weights": -np.ones(12)}), "weights must be 12 numbers >= 0"),
        ((GOOD, Y, {"weights": np.zeros(12)}), "not all zero"),
        ((GOOD, Y, {"sigma": -1.0}), "sigma must be a number >= 0"),
        ((GOOD, Y, {"names": ("a",)}), "names must be 2 names"),
        ((GOOD, Y, {"names": ("a", "sin")}), "taken already"),
        ((GOOD, Y, {"names": "ab"}), "names must be 2 names"),
        ((GOOD, Y, {"validation": 0.9}), "leaves 1 of 12 points"),
        ((GOOD, Y, {"validation": 1.5}), "validation must be"),
        ((GOOD, Y, {"units": Units.of({"x1": "m"}, "m")}), "x2 missing"),
        (([["a"]], Y, {}), "X must be numbers"),
    ],
)
def test_a_fault_in_the_measurements_ends_in_its_own_error(arguments, message):
    X, y, options = arguments  # noqa: N806
    with pytest.raises(InvalidArgument, match=message):
        Data.of(X, y, **options)


def test_held_out_points_are_the_rest_and_are_drawn_by_the_seed():
    data = Data.of(GOOD, Y, validation=0.25, seed=3)
    X, y = data.held_out  # noqa: N806
    assert len(y) == 3
    assert sorted([*data.y, *y]) == sorted(Y)
    assert np.allclose(X.sum(1), y)
    assert (Data.of(GOOD, Y, validation=0.25, seed=3).y == data.y).all()


def test_tensors_and_single_columns_are_taken():
    data = Data.of(torch.linspace(0, 1, 9, requires_grad=True), torch.linspace(0, 1, 9) ** 2)
    assert data.names == ("x",)
    assert data.X.shape == (9, 1)
    assert data.X.dtype == np.float64
