"""A hidden reaction of apoptosis at smoke size: what is hidden, what is measured, and that the equations still hold."""

import numpy as np
import pytest
import torch

from limitlab import experiments
from limitlab.discovery.pinn import equations_of
from limitlab.experiments.discovery.apoptosis_upinn import REACTIONS, SUMS, TRAININGS, measured, sums
from limitlab.problems import get


@pytest.fixture(scope="module")
def result():
    experiment = experiments.get("apoptosis_upinn")
    return experiment.train(experiment.configure("smoke", seeds=1)).finish()


def test_every_training_has_its_errors(result):
    grid = result.grid("training")
    assert grid["training"].values.tolist() == list(TRAININGS)
    for name in ("state_error", "term_error", "factor"):
        assert np.isfinite(grid[name]).all(), name
    assert grid.sizes["state"] == 8


def test_start_holds_whatever_the_network_is(result):
    start = result.data.starts[0]
    for model in result.models.values():
        torch.testing.assert_close(model(torch.zeros(1, 1, dtype=torch.float64))[0], start, rtol=0, atol=1e-14)


@pytest.mark.parametrize("reaction", REACTIONS)
def test_hidden_reaction_stands_in_one_of_the_sums_alone(reaction):
    """Binding is in three equations or more; in the sums its rate is left in that of the complex."""
    equation, term, _ = REACTIONS[reaction]
    equations = sums(get("apoptosis"), reaction, onset=0.01)
    held = [row.has(*equations.term(reaction).free_symbols) for row in equations.residuals]
    assert [n for n, has in zip(equations.unknowns, held, strict=True) if has] == [equation]
    parts = [row.has(*equations.term(reaction).free_symbols) for row in equations_of(get("apoptosis")).residuals]
    assert sum(parts) == 3
    assert equations.without({equation: term}).residuals != equations.residuals


def test_sums_leave_eight_equations():
    matrix = np.eye(8)
    for name, others in SUMS.items():
        for other in others:
            matrix[int(name[1]) - 1, int(other[1]) - 1] += 1
    assert np.linalg.matrix_rank(matrix) == 8


def test_caspase_3_alone_is_seen_but_for_the_end():
    data = measured(experiments.get("apoptosis_upinn").configure("smoke", observed="x4"))
    seen = torch.isfinite(data.seen.values[0])
    assert seen[:-1].sum(0).tolist() == [0, 0, 0, 19, 0, 0, 0, 0]
    assert bool(seen[-1].all())


def test_true_term_is_the_reaction_along_the_true_states(result):
    data = result.data
    expected = 24.48 * data.states[0, :, 1] * data.states[0, :, 2]
    torch.testing.assert_close(data.terms[0, :, 0], expected)


@pytest.mark.slow
def test_rate_of_the_hidden_reaction_is_found_within_a_tenth():
    experiment = experiments.get("apoptosis_upinn")
    settings = experiment.configure("course", adam=200, quasi_newton=300, trainings=("two_phases",), seed=5)
    measures = experiment.train(settings).finish().metrics
    assert measures["factor"].item() == pytest.approx(1, abs=0.1)
    assert float(measures["state_error"].max()) < 0.03
