"""Files of The Well's layout, made small: fields of every tensor order, what does not vary repeated."""

import h5py
import numpy as np
import pytest

from limitlab import data
from limitlab.errors import InvalidArgument

DRAWS = np.random.default_rng(0)
SAMPLES, TIMES, WIDTH, HEIGHT = 3, 4, 8, 6
ARRAYS = {
    "density": DRAWS.random((SAMPLES, TIMES, WIDTH, HEIGHT)).astype(np.float32),
    "mask": DRAWS.random((WIDTH, HEIGHT)).astype(np.float32),
    "forcing": DRAWS.random((SAMPLES, TIMES, WIDTH)).astype(np.float32),
    "velocity": DRAWS.random((SAMPLES, TIMES, WIDTH, HEIGHT, 2)).astype(np.float32),
    "stress": DRAWS.random((SAMPLES, TIMES, WIDTH, HEIGHT, 2, 2)).astype(np.float32),
}


def write(path, change=lambda file: None, x=None):
    with h5py.File(path, "w") as file:
        file.attrs.update(
            simulation_parameters=["viscosity"], viscosity=0.1, dataset_name="toy", grid_type="cartesian",
            n_spatial_dims=2, n_trajectories=SAMPLES,
        )  # fmt: skip
        dimensions = file.create_group("dimensions")
        dimensions.attrs["spatial_dims"] = ["x", "y"]
        dimensions["time"] = np.linspace(0, 1, TIMES, dtype=np.float32)
        dimensions["x"] = np.linspace(0, 1, WIDTH, endpoint=False, dtype=np.float32) if x is None else x
        dimensions["y"] = np.linspace(0, 2, HEIGHT, dtype=np.float32)
        for axis, kind in (("x", "PERIODIC"), ("y", "WALL")):
            boundary = file.create_group(f"boundary_conditions/{axis}_boundary")
            boundary.attrs.update(associated_dims=[axis], bc_type=kind)
        scalars = file.create_group("scalars")
        scalars.attrs["field_names"] = ["viscosity"]
        scalars["viscosity"] = np.float32(0.1)
        for group, names in {
            "t0_fields": ["density", "mask", "forcing"], "t1_fields": ["velocity"], "t2_fields": ["stress"],
        }.items():  # fmt: skip
            fields = file.create_group(group)
            fields.attrs["field_names"] = names
            for name in names:
                fields[name] = ARRAYS[name]
                fields[name].attrs.update(
                    sample_varying=name != "mask", time_varying=name != "mask", dim_varying=[True, name != "forcing"]
                )
        change(file)
    return path


def test_fields_of_every_order_lie_on_their_axes(tmp_path):
    own = data.open(write(tmp_path / "toy.hdf5"))
    assert own.attrs["layout"] == "The Well"
    assert (own.attrs["dataset_name"], own.attrs["viscosity"]) == ("toy", pytest.approx(0.1))
    np.testing.assert_array_equal(own["density"], ARRAYS["density"])
    assert own["velocity"].dims == ("sample", "time", "velocity_channel", "x", "y")
    np.testing.assert_array_equal(own["velocity"][:, :, 1], ARRAYS["velocity"][..., 1])
    np.testing.assert_array_equal(own["stress"][:, :, 2], ARRAYS["stress"][..., 1, 0])
    np.testing.assert_array_equal(own["mask"][1, 2], ARRAYS["mask"])
    np.testing.assert_array_equal(own["forcing"][..., 5], ARRAYS["forcing"])


def test_boundary_conditions_say_which_axes_are_periodic(tmp_path):
    own = data.open(write(tmp_path / "toy.hdf5"))
    grid = data.batches(data.pairs(own, "density", "density"), size=2).grid
    assert grid.kinds == ("periodic", "nodes")
    assert grid.lengths == pytest.approx((1.0, 2.0))


def test_channels_of_several_fields_follow_each_other(tmp_path):
    own = data.open(write(tmp_path / "toy.hdf5"))
    view = data.pairs(own, ["velocity", "mask"], ["density", "velocity"])
    batch = data.batches(view, size=SAMPLES, shuffle=False).batch(0)
    assert batch["input"].shape == batch["target"].shape == (SAMPLES, 3, WIDTH, HEIGHT)
    np.testing.assert_array_equal(batch["input"][:, 1], ARRAYS["velocity"][:, 0, ..., 1])
    np.testing.assert_array_equal(batch["input"][0, 2], ARRAYS["mask"])
    np.testing.assert_array_equal(batch["target"][:, 2], ARRAYS["velocity"][:, -1, ..., 1])


def test_a_flat_tensor_is_read_too(tmp_path):
    def flatten(file):
        attrs = dict(file["t2_fields/stress"].attrs)
        del file["t2_fields/stress"]
        file["t2_fields/stress"] = ARRAYS["stress"].reshape(SAMPLES, TIMES, WIDTH, HEIGHT, 4)
        file["t2_fields/stress"].attrs.update(attrs)

    own = data.open(write(tmp_path / "toy.hdf5", flatten))
    np.testing.assert_array_equal(own["stress"][:, :, 2], ARRAYS["stress"][..., 1, 0])


def drop(path):
    def change(file):
        del file[path]

    return change


def say(path, **attrs):
    return lambda file: file[path].attrs.update(attrs)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("dimensions/x"), "dimensions/x in toy.h5 must be one array of coordinates; got nothing"),
        (drop("t0_fields/density"), "names the field t0_fields/density, and does not hold it"),
        (say("/", grid_type="spherical"), "must be on a cartesian grid; got 'spherical'"),
        (say("t0_fields/density", time_varying=False), r"t0_fields/density in toy.h5 must be \(sample 3, x 8, y 6\)"),
        (say("dimensions", spatial_dims=["x", "q"]), "dimensions/q in toy.h5"),
        (lambda file: file.attrs.__delitem__("n_trajectories"), "must have the attribute 'n_trajectories' at its root"),
        (lambda file: file.attrs.modify("n_trajectories", 2), r"t0_fields/density in toy.h5 must be \(sample 2"),
    ],
    ids=["no axis", "no field", "sphere", "no time", "strange axis", "no count", "another count"],
)
def test_what_contradicts_itself_is_refused(change, message, tmp_path):
    path = write(tmp_path / "toy.h5", change)
    with pytest.raises(InvalidArgument, match=message):
        data.open(path)


def test_points_that_are_not_uniform_name_the_file(tmp_path):
    path = write(tmp_path / "toy.h5", x=np.linspace(0, 1, WIDTH) ** 2)
    with pytest.raises(InvalidArgument, match=r"toy.h5: axis 'x' must increase with one spacing"):
        data.open(path)
