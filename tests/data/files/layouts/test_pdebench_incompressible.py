"""Incompressible flows of PDEBench's layout, made small: three fields, and no coordinates."""

import h5py
import numpy as np
import pytest

from limitlab import data
from limitlab.errors import InvalidArgument

DRAWS = np.random.default_rng(0)


def flow(**changed):
    arrays = {
        "velocity": DRAWS.random((3, 4, 8, 6, 2)),
        "force": DRAWS.random((3, 8, 6, 2)),
        "particles": DRAWS.random((3, 4, 8, 6, 1)),
        "t": np.tile([0.0, 0.1, 0.2, 0.3], (3, 1)),
    }
    arrays = {name: np.asarray(array, dtype=np.float32) for name, array in arrays.items()}
    return {name: array for name, array in {**arrays, **changed}.items() if array is not None}


def write(path, arrays):
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return path


def test_the_fields_are_told_by_their_names_and_lie_on_cells_of_the_unit_square(tmp_path):
    arrays = flow()
    own = data.open(write(tmp_path / "flow.h5", arrays))
    assert own.attrs["layout"] == "PDEBench"
    assert own["velocity"].dims == ("sample", "time", "velocity_channel", "x", "y")
    assert own["particles"].dims == ("sample", "time", "x", "y")
    assert own["force"].dims == ("sample", "force_channel", "x", "y")
    np.testing.assert_allclose(own["time"], [0.0, 0.1, 0.2, 0.3], rtol=1e-6)
    np.testing.assert_allclose(own["x"], (np.arange(8) + 0.5) / 8)
    np.testing.assert_array_equal(own["velocity"][1, 2, 1], arrays["velocity"][1, 2, :, :, 1])


def test_the_map_from_the_force_to_the_last_velocity_can_be_learned(tmp_path):
    arrays = flow()
    view = data.pairs(data.open(write(tmp_path / "flow.h5", arrays)), "force", "velocity")
    np.testing.assert_array_equal(view["input"], np.moveaxis(arrays["force"], -1, 1))
    np.testing.assert_array_equal(view["target"], np.moveaxis(arrays["velocity"][:, -1], -1, 1))
    batch = data.batches(view, size=2)
    assert batch.grid.shape == (8, 6)
    assert batch.grid.kinds == ("cells", "cells")


@pytest.mark.parametrize("t", [None, np.float32([0.0, 0.5, 1.0, 1.5, 2.0])], ids=["no times", "one more time"])
def test_times_may_be_missing_or_go_on_after_the_last_frame(tmp_path, t):
    own = data.open(write(tmp_path / "flow.h5", flow(t=t)))
    assert own.sizes["time"] == 4
    if t is not None:
        np.testing.assert_array_equal(own["time"], t[:4])


def test_a_kind_that_is_told_is_that_of_the_axes(tmp_path):
    own = data.open(write(tmp_path / "flow.h5", flow()), kind="periodic")
    assert data.batches(data.pairs(own, "force", "velocity"), size=2).grid.is_periodic


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"force": np.ones((3, 8, 6))}, r"force in flow.h5 must be \(sample, x, y, channel\); got shape \(3, 8, 6\)"),
        ({"particles": np.ones((2, 4, 8, 6, 1))}, "one size along sample; velocity has 3, particles has 2"),
        ({"force": np.ones((3, 6, 6, 2))}, "one size along x; velocity has 8, force has 6"),
        ({"t": np.ones(2)}, "must hold the times of 4 frames"),
        ({"t": np.arange(12.0).reshape(3, 4)}, "must be the same for all samples"),
    ],
)
def test_fields_that_do_not_fit_are_refused(tmp_path, changed, message):
    with pytest.raises(InvalidArgument, match=message):
        data.open(write(tmp_path / "flow.h5", flow(**changed)))


def test_dims_that_the_layout_says_are_not_told_again(tmp_path):
    with pytest.raises(InvalidArgument, match=r"dims of flow.h5 must be left out"):
        data.open(write(tmp_path / "flow.h5", flow()), dims="sample x y")


def test_two_of_the_three_fields_are_no_such_flow(tmp_path):
    path = write(tmp_path / "flow.h5", {"u": np.ones((3, 8, 8)), "force": np.ones((3, 8, 8))})
    assert data.open(path).attrs["layout"] == "plain"
