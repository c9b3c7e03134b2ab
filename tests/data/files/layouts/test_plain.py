"""Arrays without names of dims: read where sizes leave one reading, told by `dims` where they do not."""

import numpy as np
import pytest

from limitlab import data
from limitlab.errors import InvalidArgument

X, Y, T = np.linspace(0, 1, 8), np.linspace(0, 1, 6), np.linspace(0, 1, 5)


def opened(folder, dims=None, kind=None, **arrays):
    np.savez(folder / "own.npz", **arrays)
    return data.open(folder / "own.npz", dims=dims, kind=kind)


@pytest.mark.parametrize(
    ("shape", "coordinates", "dims"),
    [
        ((3, 8), {}, "sample x"),
        ((3, 8, 8), {}, "sample x y"),
        ((3, 2, 8, 8), {}, "sample channel x y"),
        ((3, 8), {"x": X}, "sample x"),
        ((3, 2, 8), {"x": X}, "sample channel x"),
        ((3, 5, 8), {"x": X, "t": T}, None),
        ((3, 8, 6), {"x": X, "y": Y}, "sample x y"),
        ((3, 8, 6, 5), {"x": X, "y": Y, "t": T}, "sample x y time"),
        ((3, 5, 2, 8, 6), {"x": X, "y": Y, "time": T}, "sample time channel x y"),
    ],
)
def test_dims_are_read_from_sizes_that_allow_one_reading(shape, coordinates, dims, tmp_path):
    if dims is None:
        # five channels or five times
        with pytest.raises(InvalidArgument, match=r"dims of u in own.npz.*several readings fit"):
            opened(tmp_path, u=np.ones(shape), **coordinates)
        dims = "sample time x"
    assert opened(tmp_path, dims, u=np.ones(shape), **coordinates)["u"].dims == tuple(dims.split())
    if shape[1:] != (5, 8):
        assert opened(tmp_path, u=np.ones(shape), **coordinates)["u"].dims == tuple(dims.split())


@pytest.mark.parametrize("shape", [(3, 4, 8), (3, 8, 8, 8), (3, 2, 8, 6), (2, 3, 4, 5, 6)])
def test_shapes_that_allow_several_are_asked_for(shape, tmp_path):
    with pytest.raises(InvalidArgument, match=r"dims of u in own.npz, of shape .* must be told"):
        opened(tmp_path, u=np.ones(shape))


@pytest.mark.parametrize(
    ("dims", "message"),
    [
        ("sample x", "must be 3 of sample, time, channel, x, y, z"),
        ("batch x y", "sample among them"),
        ("sample x x", "got 'sample x x'"),
        ("sample y x", "u in own.npz has 6 along x, whose coordinates are 8"),
    ],
)
def test_dims_that_do_not_fit_are_refused(dims, message, tmp_path):
    with pytest.raises(InvalidArgument, match=message):
        opened(tmp_path, dims, u=np.ones((3, 8, 6)), x=X)


def test_fields_of_different_samples_are_refused(tmp_path):
    with pytest.raises(InvalidArgument, match="one size along sample; a has 3, u has 4"):
        opened(tmp_path, a=np.ones((3, 8)), u=np.ones((4, 8)))


def test_dims_by_name_choose_the_fields(tmp_path):
    arrays = {"a": np.ones((3, 8, 6)), "u": np.ones((3, 8, 6, 5)), "weights": np.ones((7, 7))}
    own = opened(tmp_path, {"a": "sample x y", "u": "sample x y time"}, kind="periodic", **arrays)
    assert set(own.data_vars) == {"a", "u"}
    view = data.pairs(own, "a", "u")
    assert data.batches(view, size=2).grid.is_periodic
    assert data.batches(view, size=2).batch(0)["target"].shape == (2, 1, 8, 6)


def test_a_field_without_coordinates_lacks_a_grid_until_a_kind_is_said(tmp_path):
    own = opened(tmp_path, a=np.ones((3, 8)), u=np.ones((3, 8)))
    with pytest.raises(InvalidArgument, match=r"'a' of dims \('sample', 'x'\) needs coordinates"):
        data.batches(data.pairs(own, "a", "u"), size=2)
    unit = opened(tmp_path, kind="nodes", a=np.ones((3, 8)), u=np.ones((3, 8)))
    np.testing.assert_allclose(unit["x"], X)


def test_named_dims_of_a_dataset_are_renamed(tmp_path):
    import xarray as xr

    flow = xr.Dataset({"u": (("member", "lat"), np.ones((3, 8)))}, coords={"lat": X})
    flow.to_netcdf(tmp_path / "own.nc")
    with pytest.raises(InvalidArgument, match=r"own.nc must have real fields with a dim 'sample'.*\('member', 'lat'\)"):
        data.open(tmp_path / "own.nc")
    own = data.open(tmp_path / "own.nc", dims="sample x")
    assert data.batches(data.pairs(own, "u", "u"), size=2).grid.names == ("x",)
