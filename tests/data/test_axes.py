"""Coordinates are read as the uniform grid whose points they are."""

import numpy as np
import pytest
import xarray as xr

from limitlab.data.axes import grid_from, grid_of
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.spaces import Grid


@pytest.mark.parametrize("kind", ["cells", "nodes"])
@pytest.mark.parametrize(("start", "length", "size"), [(0.0, 1.0, 64), (-1.0, 2.0, 1024), (3.5, 0.25, 17)])
def test_points_tell_cells_from_nodes_even_in_single_precision(kind, start, length, size):
    length = length * (size - 1) / size if kind == "nodes" else length
    # nodes at multiples of their spacing, cells half a spacing off
    grid = Grid.uniform(size, lengths=length, starts=round(start * size / length) * length / size, kind=kind)
    if kind == "nodes":
        grid = Grid.uniform(size, lengths=length, starts=start, kind=kind)
    read = grid_from({"x": grid.axes[0].points().astype(np.float32)})
    assert read.kinds == (kind,)
    np.testing.assert_allclose(read.axes[0].points(), grid.axes[0].points(), atol=2e-6)


@pytest.mark.parametrize("kind", ["periodic", "cells", "nodes"])
def test_a_kind_that_is_told_decides_where_the_box_ends(kind):
    axis = Grid.uniform(50, lengths=2 * np.pi, kind=kind).axes[0]
    read = grid_from({"x": axis.points()}, kind).axes[0]
    assert read.kind == kind
    assert read.length == pytest.approx(2 * np.pi, rel=1e-5)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([0.0, 1.0, 3.0], "'x' must increase with one spacing; its steps go from 1 to 2"),
        ([1.0, 0.5, 0.0], "'x' must increase"),
        ([0.0, 0.0, 0.0], "'x' must increase"),
        ([0.0, np.nan, 2.0], "finite"),
        ([0.0], "two or more"),
        (["a", "b"], "axis 'x' must be numbers"),
    ],
)
def test_points_of_no_uniform_axis_are_refused(points, message):
    with pytest.raises(InvalidArgument, match=message):
        grid_from({"x": points})


def test_kinds_are_one_or_one_for_each_axis():
    points = {"x": np.arange(4.0), "y": np.arange(6.0)}
    assert grid_from(points, ("periodic", "nodes")).kinds == ("periodic", "nodes")
    with pytest.raises(InvalidArgument, match="one for all axes or 2"):
        grid_from(points, ("periodic",))
    with pytest.raises(UnknownName, match="did you mean 'cells'"):
        grid_from(points, "cell")


def test_axes_of_different_units_are_refused():
    field = xr.DataArray(np.ones((3, 4, 4)), dims=("sample", "x", "y"))
    flow = field.to_dataset(name="u").assign_coords(x=np.arange(4.0), y=np.arange(4.0))
    assert grid_of(flow, "u").shape == (4, 4)
    flow["x"].attrs["units"], flow["y"].attrs["units"] = "km", "m"
    with pytest.raises(InvalidArgument, match="axes must have one unit; got x in km, y in m"):
        grid_of(flow, "u")


def test_an_attribute_that_is_no_grid_is_named():
    dataset = xr.Dataset({"u": (("sample", "x"), np.ones((2, 4)))}, attrs={"grid": "uniform"})
    with pytest.raises(InvalidArgument, match="attribute 'grid' must be"):
        grid_of(dataset, "u")
