"""Lines of a labelled array show its finite values, under its names, on the axes asked for."""

import numpy as np
import pytest

from limitlab import figures
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.labels import labelled


@pytest.fixture
def energy():
    return labelled(
        drift=("method revolution", [[1e-3, 2e-3, np.nan], [1e-5, 1e-5, 1e-5]], "energy error", "J"),
        method=("method", ["rk4", "leapfrog"], "method"),
        revolution=("revolution", [1, 2, 4], "revolution"),
    )["drift"]


def test_a_line_for_every_name_with_its_finite_points(energy):
    first, second = figures.lines(energy).data
    assert (first.name, second.name) == ("rk4", "leapfrog")
    np.testing.assert_allclose(first.x, [1, 2])
    np.testing.assert_allclose(first.y, [1e-3, 2e-3])
    np.testing.assert_allclose(second.x, [1, 2, 4])


def test_axes_are_labelled_and_logarithmic_where_asked(energy):
    layout = figures.lines(energy, log="y").layout
    assert (layout.xaxis.title.text, layout.yaxis.title.text) == ("revolution", "energy error [J]")
    assert (layout.xaxis.type, layout.yaxis.type) == (None, "log")


def test_one_line_needs_no_name(energy):
    (line,) = figures.lines(energy.isel(method=1), marks=True).data
    assert line.mode == "lines+markers"
    assert line.showlegend is False


def test_arrays_by_name_keep_their_own_grids(energy):
    coarse = energy.isel(method=1, revolution=[0, 2])
    first, second = figures.lines({"coarse": coarse, "fine": energy.isel(method=1)}).data
    assert (first.name, second.name) == ("coarse", "fine")
    np.testing.assert_allclose(first.x, [1, 4])
    np.testing.assert_allclose(second.x, [1, 2, 4])


def test_other_arrays_are_refused(energy):
    with pytest.raises(InvalidArgument, match="lines are of one dim"):
        figures.lines(energy.expand_dims("seed"))
    with pytest.raises(InvalidArgument, match="lines are of one dim"):
        figures.lines({"a": energy})
    with pytest.raises(InvalidArgument, match="got none"):
        figures.lines({})
    with pytest.raises(UnknownName, match="axes"):
        figures.lines(energy, log="z")
