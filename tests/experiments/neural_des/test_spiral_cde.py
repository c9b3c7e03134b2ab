"""Spirals by neural CDEs at smoke size: what is measured, what the time channel is for, and bad settings."""

import numpy as np
import pytest
import torch

from limitlab import experiments
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.experiments.neural_des.spiral_cde import GRU, MODELS, SIGNATURE, GRUClassifier, made


@pytest.fixture(scope="module")
def experiment():
    return experiments.get("spiral_cde")


@pytest.fixture(scope="module")
def result(experiment):
    return experiment.train(experiment.configure("smoke")).finish()


def test_every_network_has_its_accuracies(result):
    grid = result.grid("network")
    assert grid["network"].values.tolist() == ["linear", "no time", GRU, SIGNATURE]
    assert grid["accuracy"].dims == ("network", "seed", "missing")
    assert ((grid["accuracy"] >= 0) & (grid["accuracy"] <= 1)).all()
    assert set(result.figures()) == {"training", "dropped"}


def test_losses_fall(result):
    losses = result.curves["cross_entropy"].isel(seed=0)
    assert (losses.isel(step=-1) < losses.isel(step=0)).all()


def test_without_time_the_pace_is_a_coin_toss(experiment):
    """Exactly: pairs of series with the same values get the same output, and one of the two is wrong."""
    settings = experiment.configure("smoke", task="pace", models=("no time",), steps=5)
    training = experiment.train(settings)
    trained = training.finish().models["no time", 0].eval()
    data = made(settings).test
    values = data.values[:4].repeat_interleave(2, dim=0)
    times = data.times[:2].repeat(4, 1)
    outputs = trained(times, values, torch.full((8,), values.shape[1]))
    assert torch.allclose(outputs[::2], outputs[1::2], atol=1e-5)
    assert not torch.allclose(times[0], times[1])


def test_every_path_can_be_trained(experiment):
    settings = experiment.configure("smoke", models=MODELS, steps=1, samples=8)
    metrics = experiment.train(settings).finish().metrics
    assert np.isfinite(metrics["accuracy"]).all()


def test_train_and_test_are_different_series_of_the_seed(experiment):
    first, again, other = (made(experiment.configure("smoke", seed=seed)) for seed in (0, 0, 1))
    assert torch.equal(first.train.values, again.train.values)
    pairs = (first.train, first.test, other.train, other.test)
    assert all(not torch.equal(a.values, b.values) for k, a in enumerate(pairs) for b in pairs[k + 1 :])


def test_the_rival_reads_the_rows_that_count_alone():
    model = GRUClassifier(2, 2, units=4)
    times, values = torch.linspace(0, 1, 6), torch.randn(3, 6, 2)
    padded = torch.cat([values, torch.full((3, 2, 2), torch.nan)], dim=1)
    whole = model(times, values, torch.full((3,), 6))
    assert torch.allclose(model(torch.linspace(0, 1.4, 8), padded, torch.full((3,), 6)), whole, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"models": ()}, InvalidArgument, "models must hold different entries"),
        ({"task": "colour"}, UnknownName, "task"),
        ({"models": ("lineer",)}, UnknownName, "linear"),
        ({"drop": ()}, InvalidArgument, "drop must hold"),
    ],
)
def test_bad_settings_get_one_clear_error(experiment, options, error, message):
    with pytest.raises(error, match=message):
        experiment.configure("smoke", **options)
