"""Ornstein-Uhlenbeck at smoke size: the data have their law, the rival is near the floor, figures are drawn."""

import numpy as np
import pytest
import torch

from limitlab import experiments


@pytest.fixture(scope="module")
def result():
    experiment = experiments.get("ou_latent_sde")
    return experiment.train(experiment.configure("smoke", samples=512)).finish()


def test_the_autoregression_is_as_near_as_two_samples_of_the_law(result):
    metrics = result.metrics.sel(model="autoregression").isel(seed=0)
    # about 0.6 (2/n)^(1/2) apart, and some more at the worst of the times
    assert metrics["mean_distance"] < 0.12
    assert abs(metrics["roughness"] - 1) < 0.05
    assert metrics["mean_error"] < 0.1


def test_the_trained_model_is_measured_beside_itself_untrained(result):
    metrics = result.metrics.isel(model=0, seed=0)
    assert np.isfinite(metrics["distance"]).all()
    assert metrics["untrained_distance"] != metrics["mean_distance"]
    assert set(result.figures()) == {"training", "marginals"}


def test_data_have_the_mean_and_the_variance_of_the_process():
    data = (
        experiments.get("ou_latent_sde")
        .prepare(experiments.get("ou_latent_sde").configure("smoke", samples=20_000))
        .data
    )
    end = data.train.values[:, -1, 0].double()
    decay = torch.exp(torch.tensor(-2.0, dtype=torch.float64))
    mean, variance = 1 - 2 * decay, 0.09 * decay**2 + 0.125 * (1 - decay**2)
    assert abs(end.mean() - mean) < 4 * (variance / 20_000) ** 0.5
    assert abs(end.var() - variance) < 4 * variance * (2 / 20_000) ** 0.5
    assert not torch.equal(data.train.values, data.test.values)
