"""Files of PDEBench's layouts, made small: what its loaders would read is what is read here."""

import h5py
import numpy as np
import pytest

from limitlab import data
from limitlab.errors import InvalidArgument

DRAWS = np.random.default_rng(0)


def centres(size, low=0.0, high=1.0):
    return (low + (high - low) * (np.arange(size) + 0.5) / size).astype(np.float32)


def write(path, arrays):
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = np.asarray(array, dtype=np.float32)
    return path


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def test_scalar_fields_on_a_line_lose_the_time_after_the_last_frame(folder):
    tensor = DRAWS.random((5, 7, 16))
    arrays = {"tensor": tensor, "x-coordinate": centres(16), "t-coordinate": np.linspace(0, 2, 8)}
    own = data.open(write(folder / "burgers.hdf5", arrays))
    assert own.attrs["layout"] == "PDEBench"
    assert own["tensor"].dims == ("sample", "time", "x")
    np.testing.assert_allclose(own["time"], np.linspace(0, 2, 8)[:7], rtol=1e-6)
    view = data.pairs(own)
    np.testing.assert_array_equal(view["input"][:, 0], tensor[:, 0].astype(np.float32))
    np.testing.assert_array_equal(view["target"][:, 0], tensor[:, -1].astype(np.float32))
    assert data.batches(view, size=2).grid.kinds == ("cells",)
    assert data.batches(data.pairs(own, kind="periodic"), size=2).grid.is_periodic


def test_darcy_maps_the_coefficient_to_the_pressure(folder):
    nu, pressure = DRAWS.random((5, 8, 8)), DRAWS.random((5, 1, 8, 8))
    arrays = {"nu": nu, "tensor": pressure, "x-coordinate": centres(8), "y-coordinate": centres(8)}
    own = data.open(write(folder / "darcy.hdf5", arrays))
    batch = data.batches(data.pairs(own), size=5, shuffle=False).batch(0)
    np.testing.assert_array_equal(batch["input"][:, 0], nu.astype(np.float32))
    np.testing.assert_array_equal(batch["target"], pressure.astype(np.float32))


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_compressible_flows_are_fields_by_name(folder, dimension):
    axes = "xyz"[:dimension]
    sizes = (4, 6, 5)[:dimension]
    names = ["density", "pressure", *(f"V{axis}" for axis in axes)]
    arrays = {name: DRAWS.random((3, 2, *sizes)) for name in names}
    coordinates = {f"{axis}-coordinate": centres(size, -1.0) for axis, size in zip(axes, sizes, strict=True)}
    path = write(folder / "flow.hdf5", {**arrays, **coordinates, "t-coordinate": [0.0, 0.1, 0.2]})
    view = data.pairs(data.open(path), inputs=names, targets="density")
    for channel, name in enumerate(names):
        np.testing.assert_array_equal(view["input"][:, channel], arrays[name][:, 0].astype(np.float32))
    assert data.batches(view, size=2).grid.shape == sizes


@pytest.mark.parametrize(("axes", "channels"), [("x", 1), ("xy", 2)])
def test_groups_of_seeds_are_samples(folder, axes, channels):
    sizes = (6, 4)[: len(axes)]
    parts = {f"{seed:04d}": DRAWS.random((3, *sizes, channels)) for seed in (2, 0, 1)}
    arrays = {f"{seed}/data": part for seed, part in parts.items()}
    for seed in parts:
        arrays |= {f"{seed}/grid/{axis}": centres(size) for axis, size in zip(axes, sizes, strict=True)}
        arrays[f"{seed}/grid/t"] = [0.0, 0.5, 1.0]
    own = data.open(write(folder / "sorption.h5", arrays))
    view = data.pairs(own)
    assert view["input"].shape == (3, channels, *sizes)
    for sample, seed in enumerate(sorted(parts)):
        last = np.moveaxis(parts[seed][-1], -1, 0).astype(np.float32)
        np.testing.assert_array_equal(view["target"][sample], last)
    np.testing.assert_array_equal(own["time"], [0.0, 0.5, 1.0])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"tensor": np.ones((5, 7, 15))}, "one size along x; tensor has 15, x has 16"),
        ({"tensor": np.ones((5, 2, 7, 2, 16))}, r"tensor in bad.h5 must be \(sample, time, x\)"),
        ({"tensor": np.ones(16)}, "must hold fields beside coordinates"),
        ({"tensor": np.ones((5, 3, 16)), "nu": np.ones((4, 16))}, "one size along sample; nu has 4, tensor has 5"),
    ],
)
def test_fields_that_do_not_fit_their_coordinates_are_refused(folder, arrays, message):
    path = write(folder / "bad.h5", {**arrays, "x-coordinate": centres(16)})
    with pytest.raises(InvalidArgument, match=message):
        data.open(path)


def test_seeds_of_different_sizes_are_refused(folder):
    arrays = {
        "0/data": np.ones((3, 6, 1)),
        "1/data": np.ones((2, 6, 1)),
        "0/grid/x": centres(6),
        "1/grid/x": centres(6),
    }
    with pytest.raises(InvalidArgument, match=r"1/data in bad.h5 must be \(time, x, channel\).*got shape \(2, 6, 1\)"):
        data.open(write(folder / "bad.h5", arrays))


def test_dims_that_the_layout_says_are_not_told_again(folder):
    path = write(folder / "own.h5", {"tensor": np.ones((5, 7, 16)), "x-coordinate": centres(16)})
    with pytest.raises(InvalidArgument, match=r"dims of own.h5 must be left out"):
        data.open(path, dims="sample time x")
