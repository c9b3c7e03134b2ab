"""Functions of a reader's file on coarser grids, and apart for training and tests."""

import numpy as np
import pytest
import xarray as xr

from limitlab import data, problems
from limitlab.errors import InvalidArgument
from limitlab.experiments.operators.own._functions import OwnFunctions, functions_of
from limitlab.spaces import Grid


def own(grid, field):
    values = field(*np.moveaxis(grid.points().numpy(), -1, 0))[None] * np.arange(1.0, 11.0).reshape(
        -1, *[1] * grid.dimension
    )
    axes = dict(grid.coordinates())
    return OwnFunctions("toy", data.pairs(data.from_arrays(values, values, axes, kind=grid.kinds)))


def test_training_and_test_functions_are_disjoint_whatever_the_seed():
    toy = own(Grid.uniform(8), np.sin)
    for seed in range(5):
        parts = [toy.dataset(count, seed, split=split)["sample"].values for count, split in ((7, "train"), (3, "test"))]
        assert sorted([*parts[0], *parts[1]]) == list(range(10))
    again = toy.dataset(7, 0)["sample"].values
    assert (again == toy.dataset(7, 0)["sample"].values).all()
    assert (again != toy.dataset(7, 1)["sample"].values).any()


@pytest.mark.parametrize("kind", ["cells", "periodic"])
def test_coarser_functions_are_those_that_a_problem_makes(kind):
    problem = problems.get("darcy" if kind == "cells" else "burgers")
    made = problem.operator_view(problem.simulate(3, resolution=32))
    theirs = problem.restrict(made, 16)
    ours = OwnFunctions("toy", made).restrict(made, 16)
    for role in ("input", "target"):
        np.testing.assert_allclose(ours[role], theirs[role], rtol=1e-5, atol=1e-6)
    assert ours.attrs["grid"] == theirs.attrs["grid"]


def test_nodes_are_skipped():
    toy = own(Grid.uniform((9, 17), lengths=(1.0, 2.0), kind="nodes"), lambda x, y: x**2 + y)
    coarse = toy.restrict(toy.pairs, 5)
    assert dict(coarse.sizes) | {"sample": 0} == {"sample": 0, "channel": 1, "x": 5, "y": 9}
    np.testing.assert_allclose(coarse["input"][0, 0], coarse["x"] ** 2 + coarse["y"], rtol=1e-6)
    assert Grid.from_json(coarse.attrs["grid"]) == Grid.uniform((5, 9), lengths=(1.0, 2.0), kind="nodes")


def test_axes_of_several_kinds_are_each_reduced_in_its_way():
    mixed = Grid((Grid.uniform(8).axes[0], Grid.uniform((4, 6), kind="cells").axes[1]))
    toy = own(mixed, lambda x, y: np.sin(2 * np.pi * x) + y)
    coarse = toy.restrict(toy.pairs, 4)
    np.testing.assert_allclose(coarse["input"][1, 0], 2 * np.sin(2 * np.pi * coarse["x"]) + 2 * coarse["y"], atol=1e-6)


@pytest.mark.parametrize(("kind", "resolution"), [("cells", 5), ("nodes", 4), ("periodic", 16), ("cells", 2)])
def test_a_grid_that_the_points_do_not_allow_is_refused(kind, resolution):
    grid = Grid.uniform((8, 6) if resolution == 2 else 8, kind=kind)
    toy = own(grid, lambda *x: sum(x))
    with pytest.raises(InvalidArgument, match="a resolution must divide"):
        toy.restrict(toy.pairs, resolution)


def test_a_file_is_read_again_once_it_has_changed(tmp_path):
    path = tmp_path / "own.nc"
    for value in (1.0, 2.0):
        field = xr.Dataset({"u": (("sample", "time", "x"), np.full((4, 2, 8), value))}, {"x": np.arange(8.0)})
        path.unlink(missing_ok=True)
        field.to_netcdf(path)
        assert float(functions_of(str(path)).pairs["input"][0, 0, 0]) == value
    assert functions_of(str(path)) is functions_of(str(path))
