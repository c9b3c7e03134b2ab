"""Arrays of a reader's own become the same batches as those of a problem of the library."""

import numpy as np
import pytest
import torch

from limitlab import problems
from limitlab.data import batches, from_arrays, pairs
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.spaces import Grid


@pytest.fixture(scope="module")
def burgers():
    problem = problems.get("burgers")
    return problem, problem.simulate(6, resolution=32)


def test_arrays_give_the_batches_of_the_problem_that_made_them(burgers):
    problem, dataset = burgers
    view = problem.operator_view(dataset)
    own = from_arrays(view["input"].values[:, 0], view["target"].values, {"x": dataset["x"].values}, kind="periodic")
    ours, theirs = (batches(each, size=4, seed=3) for each in (own, view))
    assert ours.grid.shape == theirs.grid.shape
    assert ours.grid.lengths == pytest.approx(theirs.grid.lengths)
    for step in range(3):
        assert all(torch.equal(ours.batch(step)[role], theirs.batch(step)[role]) for role in ("input", "target"))


def test_a_plain_dataset_gives_the_operator_of_its_problem(burgers):
    problem, dataset = burgers
    view, plain = problem.operator_view(dataset), pairs(dataset.drop_attrs(deep=False), kind="periodic")
    np.testing.assert_array_equal(plain["input"], view["input"])
    np.testing.assert_array_equal(plain["target"], view["target"])


def test_several_fields_are_channels():
    brusselator = problems.get("gray_scott", frames=2)
    dataset = brusselator.simulate(2, resolution=32)
    stacked = pairs(dataset)
    names = list(dataset.data_vars)
    assert stacked["input"].sizes["input_channel"] == len(names) == 2
    for channel, name in enumerate(names):
        np.testing.assert_array_equal(stacked["target"][:, channel], dataset[name].isel(time=-1))


def test_ends_of_an_axis_are_those_of_the_box():
    values = torch.rand(5, 8, 6)
    for kind in ("periodic", "cells", "nodes"):
        own = from_arrays(values, values, {"x": (0.0, 2.0), "y": (-1.0, 1.0)}, kind=kind)
        assert batches(own, size=2).grid == Grid.uniform((8, 6), lengths=(2.0, 2.0), starts=(0.0, -1.0), kind=kind)


VALUES = np.random.default_rng(0).random((5, 8))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": VALUES[0]}, "inputs must be real numbers"),
        ({"inputs": VALUES[None, None, None]}, r"inputs must be \(sample, x\) or \(sample, channel, x\)"),
        ({"targets": VALUES[:4]}, r"targets must be \(5, 8\)"),
        ({"targets": VALUES[:, :7]}, r"targets must be \(5, 8\).*got shape \(5, 7\)"),
        ({"inputs": VALUES + 1j}, "inputs must be real numbers"),
        ({"inputs": [["a"]]}, "inputs must be numbers"),
        ({"inputs": np.where(VALUES[3, 2] == VALUES, np.nan, VALUES)}, "inputs must be finite; sample 3 is not"),
        ({"axes": {}}, "axes must map x, y, z"),
        ({"axes": {"lon": np.arange(8)}}, "axes must map x, y, z"),
        ({"axes": {"x": np.arange(9.0)}}, "axis 'x' must have 8 points, as inputs have, or two ends; got shape .9"),
        ({"axes": {"x": np.arange(8.0) ** 2}}, "must increase with one spacing"),
        ({"axes": {"x": (1.0, 0.0)}}, "must end after it starts"),
        ({"axes": {"x": 1.0}}, "axis 'x' must"),
        ({"kind": ("cells", "cells")}, "kind must be one for all axes or 1"),
        ({"units": {"inputs": "m"}}, "did you mean 'input'"),
    ],
)
def test_what_is_no_pair_of_functions_is_refused_in_one_sentence(change, message):
    given = {"inputs": VALUES, "targets": VALUES, "axes": {"x": (0.0, 1.0)}} | change
    with pytest.raises(InvalidArgument, match=message):
        from_arrays(given.pop("inputs"), given.pop("targets"), given.pop("axes"), **given)


def test_axes_of_different_units_are_refused():
    square = np.ones((2, 4, 4))
    with pytest.raises(InvalidArgument, match="one unit; got x in m, y in km"):
        from_arrays(square, square, {"x": (0, 1), "y": (0, 1)}, units={"x": "m", "y": "km", "input": "K"})


def test_fields_without_time_must_be_named():
    own = from_arrays(VALUES, VALUES, {"x": (0, 1)}).rename(input="a", target="u")
    with pytest.raises(InvalidArgument, match=r"inputs must be named.*there are a, u"):
        pairs(own)
    with pytest.raises(UnknownName, match="unknown field 'b'"):
        pairs(own, "b", "u")
    assert set(pairs(own, "a", "u").data_vars) == {"input", "target"}
