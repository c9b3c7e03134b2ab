"""Digits at smoke size: a split without overlap that the seed decides, and twins that learn."""

import torch

from limitlab import experiments
from limitlab.experiments.neural_des.regularization.digits_ernode import split


def test_twins_have_their_costs_and_their_curves():
    experiment = experiments.get("digits_ernode")
    result = experiment.train(experiment.configure("smoke")).finish()
    grid = result.grid("way").isel(seed=0)
    assert grid["way"].values.tolist() == ["plain", "ernode", "biased"]
    assert (grid["nfe"] > 7).all()
    # a biased step costs seven calls a training step more than its solve
    assert float(grid["training_calls"].sel(way="biased")) >= 4 * (8 + 7)
    losses = result.curves["cross_entropy"].isel(seed=0)
    assert (losses.isel(step=-1) < losses.isel(step=0)).all()
    assert set(result.figures()) == {"nfe", "accuracy"}


def test_nothing_is_tested_on_what_was_learned():
    experiment = experiments.get("digits_ernode")
    one, other = (split(experiment.configure("course", seed=seed)) for seed in (0, 1))
    assert one.train.shape == (1437, 64)
    assert one.test.shape == (360, 64)
    assert 0 <= one.train.min() < one.train.max() == 1
    whole = torch.cat([one.train, one.test]).sum(0)
    assert torch.allclose(whole, torch.cat([other.train, other.test]).sum(0))
    assert not torch.equal(one.test_label, other.test_label)
