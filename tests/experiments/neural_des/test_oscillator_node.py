"""The oscillator at smoke size: its data, its measures on the truth, and that training learns."""

import numpy as np
import pytest
import torch
from torch import nn

from limitlab import experiments, problems
from limitlab.errors import InvalidArgument
from limitlab.experiments.neural_des.oscillator_node import TRAININGS, UNSEEN, build, measure, series_of
from limitlab.neural_des.ode import NeuralODE


@pytest.fixture(scope="module")
def result():
    experiment = experiments.get("oscillator_node")
    return experiment.train(experiment.configure("smoke", seeds=1)).finish()


def test_every_training_has_its_errors_and_figures(result):
    grid = result.grid("training")
    assert grid["training"].values.tolist() == list(TRAININGS)
    for name in ("mse", "mse_unseen", "mse_ahead", "field_calls"):
        assert np.isfinite(grid[name]).all(), name
    assert set(result.figures()) == {"training", "series"}


def test_training_lowers_the_loss_of_each_phase(result):
    steps = result.settings.first_steps
    loss = result.curves["mse"].sel(model="beginning first").isel(seed=0)
    assert float(loss.sel(step=steps)) < float(loss.sel(step=1))
    assert float(loss.sel(step=steps + result.settings.steps)) < float(loss.sel(step=steps + 1))


def test_the_true_field_has_no_error(result):
    truth = problems.get("saturating_oscillator").field()

    class Truth(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, t, y):
            return truth(t, y)

    model = NeuralODE(Truth(), rtol=1e-5, atol=1e-6)
    measures = measure(result.data, model, model)
    for name in ("mse", "mse_unseen", "mse_ahead"):
        assert float(measures[name]) < 1e-7, name


def test_series_conserve_the_energy_of_the_problem_and_come_from_the_seed():
    experiment = experiments.get("oscillator_node")
    data = series_of(experiment.configure("smoke"))
    y = data.unseen.double()
    energy = (y - (1 + y).log()).sum(-1)
    assert ((energy - energy[:, :1]).abs() < 1e-5).all()
    assert data.unseen.shape == (UNSEEN, 40, 2)
    assert torch.allclose(data.times.diff(), data.times[1], atol=1e-5)
    assert data.seen.equal(series_of(experiment.configure("smoke")).seen)
    assert not data.seen.equal(series_of(experiment.configure("smoke", seed=1)).seen)


def test_a_hamiltonian_model_has_no_divergence_and_the_other_has():
    settings = experiments.get("oscillator_node").configure("smoke")
    y = torch.randn(5, 2)
    for hamiltonian in (True, False):
        field = build(hamiltonian, settings, 0).field
        jacobian = torch.func.vmap(torch.func.jacrev(lambda one, f=field: f(torch.zeros(1, 1), one[None])[0]))(y)
        divergence = jacobian.diagonal(dim1=1, dim2=2).sum(-1).abs().max()
        assert (divergence < 1e-6) is not (divergence > 1e-3)
        assert bool(divergence < 1e-6) is hamiltonian


def test_bad_settings_get_one_clear_error():
    with pytest.raises(InvalidArgument, match="trainings must hold different entries"):
        experiments.get("oscillator_node").configure("smoke", trainings=())
