"""The hidden term of Burgers' equation at smoke size: what is measured, and of what."""

import numpy as np
import pytest
import torch

from limitlab import experiments
from limitlab.discovery.pinn import burgers_from_sine, burgers_solution
from limitlab.discovery.pinn.sparse_rival import SparseTerm
from limitlab.errors import InvalidArgument
from limitlab.experiments.discovery.burgers_upinn import TRAININGS, conditions, measure, measured


@pytest.fixture(scope="module")
def result():
    experiment = experiments.get("burgers_upinn")
    return experiment.train(experiment.configure("smoke", seeds=1)).finish()


def test_every_training_has_its_errors(result):
    grid = result.grid("training")
    assert grid["training"].values.tolist() == list(TRAININGS)
    assert np.isfinite(grid["relative_l2"]).all()
    # a network that knows the whole equation has no hidden term
    assert np.isfinite(grid["term_error"]).values.ravel().tolist() == [True, True, True, False]
    assert set(result.figures()) == {"training", "solution", "last"}


def test_field_keeps_start_and_walls(result):
    grid = result.grid("training").isel(seed=0).drop_sel(training="sparse")
    np.testing.assert_allclose(grid["solution"].isel(time=0), grid["exact"].isel(time=0), atol=1e-14)
    for wall in (0, -1):
        np.testing.assert_allclose(grid["solution"].isel(x=wall), 0, atol=1e-14)


def test_error_is_that_of_the_shown_field(result):
    grid = result.grid("training").isel(seed=0, training=0)
    difference = (grid["solution"] - grid["exact"]).values
    expected = np.linalg.norm(difference) / np.linalg.norm(grid["exact"].values)
    assert float(grid["relative_l2"]) == pytest.approx(expected)


def test_slope_of_the_solution_is_that_of_its_differences(result):
    data = result.data
    inside = data.grid[(data.grid[:, 0] > 0.1) & (data.grid[:, 1].abs() < 0.9)]
    step = torch.tensor([0.0, 1e-5], dtype=torch.float64)
    difference = (burgers_solution(inside + step, 0.05) - burgers_solution(inside - step, 0.05)) / 2e-5
    slope = data.features[(data.grid[:, 0] > 0.1) & (data.grid[:, 1].abs() < 0.9), 1]
    torch.testing.assert_close(slope, difference, rtol=1e-6, atol=1e-6)
    start = data.grid[:, 0] == 0
    torch.testing.assert_close(data.features[start, 1], -torch.pi * torch.cos(torch.pi * data.grid[start, 1]))


def test_true_term_has_no_error_and_its_own_coefficient(result):
    exact = SparseTerm(torch.tensor([[0.0]] * 4 + [[-1.0], [0.0]], dtype=torch.float64), ("u", "u_x"), 2)
    rival = result.models["sparse", 0]
    fitted, rival.term = rival.term, exact
    measures = measure(result.data, rival, rival)
    rival.term = fitted
    assert measures["term_error"] < 1e-12
    np.testing.assert_allclose(measures["coefficient"].sel(candidate="u*u_x"), -1.0, atol=1e-9)


def test_regression_meets_the_conditions_as_the_networks_do(result):
    known = conditions(burgers_from_sine(0.05))
    rival = result.models["sparse", 0]
    torch.testing.assert_close(rival(known.points[0]), known.values[0], atol=1e-6, rtol=0)


def test_measurements_are_the_solution_with_noise_of_its_deviation():
    experiment = experiments.get("burgers_upinn")
    clean = measured(experiment.configure("smoke", points=2000))
    noisy = measured(experiment.configure("smoke", points=2000, noise=0.1))
    exact = burgers_solution(clean.seen.points[0], 0.05)
    assert torch.equal(clean.seen.values[0, :, 0], exact)
    assert (noisy.seen.values - clean.seen.values).std().item() == pytest.approx(0.1 * exact.std().item(), rel=0.05)


def test_second_phase_may_draw_its_points():
    experiment = experiments.get("burgers_upinn")
    settings = experiment.configure("smoke", seeds=1, candidates=200, trainings=("forward",))
    assert np.isfinite(experiment.train(settings).finish().metrics["relative_l2"]).all()


def test_bad_settings_get_one_clear_error():
    with pytest.raises(InvalidArgument, match="trainings must hold different entries"):
        experiments.get("burgers_upinn").configure("smoke", trainings=())
