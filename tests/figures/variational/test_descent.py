"""Figures of variational problems draw what they were given: lines by resolution, costs by dimension, energies."""

import numpy as np
import pytest

from limitlab import figures
from limitlab.errors import InvalidArgument
from limitlab.labels import labelled


def test_a_line_ends_where_its_descent_did():
    error = np.full((2, 2, 5), np.nan)
    error[0, :, :3], error[1] = [1, 0.1, 0.0], 0.5
    named = labelled(
        error=("scheme resolution iteration", error, "error"),
        scheme=("scheme", ["preconditioned", "plain"], "scheme"),
        resolution=("resolution", [16, 32], "modes"),
    )
    figure = figures.mesh_independence(named["error"])
    assert [len(trace.x) for trace in figure.data] == [2, 2, 5, 5]
    assert figure.data[0].line.dash != figure.data[2].line.dash
    assert figure.layout.yaxis.type == "log"


def test_the_grid_costs_sixteen_to_the_dimension():
    costs = labelled(
        numbers=("dimension", [30, 400], "numbers"),
        error=("dimension iteration", [[1.0, 0.1], [1.0, np.nan]], "error"),
        dimension=("dimension", [2, 20], "dimension"),
    )
    figure = figures.dimension_costs(costs)
    assert list(figure.data[0].y) == [16.0**2, 16.0**20]
    assert [len(trace.x) for trace in figure.data[2:]] == [2, 1]


def test_energies_are_beside_the_solution():
    energies = labelled(
        train=("step", [5.0, 1.0, -1.0], "training"),
        test=("step", [5.0, np.nan, 1.0], "fresh"),
        step=("step", [1, 2, 3], "step"),
    )
    figure = figures.sample_energies(energies)
    assert list(figure.data[2].y) == [0, 0]
    assert list(figure.data[1].x) == [1, 3]


def test_other_dims_are_refused():
    with pytest.raises(InvalidArgument, match="needs the dims"):
        figures.mesh_independence(labelled(error=("a b", [[1.0]], "error"))["error"])
