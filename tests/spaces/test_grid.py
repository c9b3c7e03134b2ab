import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.spaces import Grid

KINDS = st.sampled_from(["periodic", "cells", "nodes"])


@given(sizes=st.lists(st.integers(2, 9), min_size=1, max_size=3), length=st.floats(0.1, 10), kind=KINDS)
def test_weights_sum_to_the_volume(sizes, length, kind):
    grid = Grid.uniform(sizes, lengths=length, kind=kind)
    assert float(grid.weights().sum()) == pytest.approx(length ** len(sizes), rel=1e-12)
    assert grid.points().shape == (*sizes, len(sizes))


@given(sizes=st.lists(st.integers(2, 9), min_size=1, max_size=3), kind=KINDS)
def test_json_round_trip_is_the_same_grid(sizes, kind):
    grid = Grid.uniform(sizes, lengths=2.5, starts=-1.0, kind=kind)
    assert Grid.from_json(grid.to_json()) == grid


def test_points_follow_the_three_conventions():
    assert np.allclose(Grid.uniform(4).axes[0].points(), [0, 0.25, 0.5, 0.75])
    assert np.allclose(Grid.uniform(4, kind="cells").axes[0].points(), [0.125, 0.375, 0.625, 0.875])
    assert np.allclose(Grid.uniform(5, kind="nodes", starts=-1, lengths=2).axes[0].points(), [-1, -0.5, 0, 0.5, 1])


@pytest.mark.parametrize(("kind", "order"), [("cells", 2), ("nodes", 2)])
def test_quadrature_has_its_order(kind, order):
    errors = []
    for size in (33, 66):
        grid = Grid.uniform(size, kind=kind)
        value = (grid.points()[..., 0].exp() * grid.weights()).sum()
        errors.append(abs(float(value) - (np.e - 1)))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.1)


def test_periodic_quadrature_is_spectrally_accurate():
    grid = Grid.uniform(24)
    value = (torch.cos(2 * np.pi * grid.points()[..., 0]).exp() * grid.weights()).sum()
    assert float(value) == pytest.approx(1.2660658777520084, rel=1e-13)  # the Bessel function I_0(1)


def test_bad_grids_are_refused_by_name():
    with pytest.raises(UnknownName, match="did you mean 'periodic'"):
        Grid.uniform(8, kind="periodical")
    with pytest.raises(InvalidArgument, match="size of axis 'x'"):
        Grid.uniform(1)
    with pytest.raises(InvalidArgument, match="1 to 3 axes"):
        Grid.uniform((2, 2, 2, 2))
    with pytest.raises(InvalidArgument, match="grid's shape"):
        Grid.uniform((4, 4)).require("u", torch.zeros(3, 4, 5))
    with pytest.raises(InvalidArgument, match="resolution must hold 2 whole numbers, or be one for all"):
        Grid.uniform((4, 4)).at((4, 4, 4))
    with pytest.raises(InvalidArgument, match="lengths must be a number; got inf"):
        Grid.uniform(4, lengths=np.inf)


def test_sizes_and_lengths_of_numpy_make_the_same_grid():
    grid = Grid.uniform(np.array([4, 8]), lengths=np.float64(2.0), starts=np.array([0.0, 1.0]))
    assert grid == Grid.uniform((4, 8), lengths=2.0, starts=(0.0, 1.0))
    assert Grid.from_json(grid.to_json()) == grid
    assert grid.at(np.int64(16)).shape == (16, 16)
