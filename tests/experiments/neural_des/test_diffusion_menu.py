"""The menu of diffusions at smoke size: same drift for all, and a cube that diverges where others learn."""

import numpy as np
import pytest

from limitlab import experiments
from limitlab.errors import InvalidArgument


@pytest.fixture(scope="module")
def result():
    experiment = experiments.get("diffusion_menu")
    return experiment.train(experiment.configure("smoke")).finish()


def test_every_diffusion_has_its_measures(result):
    grid = result.grid("diffusion")
    assert grid["diffusion"].values.tolist() == list(result.settings.diffusions)
    assert float(grid["diffusion_size"].sel(diffusion="zero").isel(seed=0)) == 0.0
    assert set(result.figures()) == {"training"}


def test_all_drifts_begin_with_the_same_weights(result):
    drifts = [trial.build(3).dynamics.gamma[-1].weight for trial in result.prepared.trials]
    assert all(drift.equal(drifts[0]) for drift in drifts)


def test_without_noise_the_loss_falls(result):
    losses = result.curves["cross_entropy"].isel(seed=0).sel(model="zero").values
    assert losses[-1] < losses[0] - 0.05


def test_a_cubic_diffusion_diverges_where_states_are_large():
    experiment = experiments.get("diffusion_menu")
    settings = experiment.configure("smoke", diffusions=("cube",), steps=2, scale=50.0)
    metrics = experiment.train(settings).finish().metrics
    assert metrics["diverged"].item() == 1.0
    assert 0 <= metrics["diverged_at"].item() <= 1
    assert metrics["accuracy"].item() < 0.5
    assert np.isinf(metrics["largest"].item())


def test_no_diffusion_is_refused():
    with pytest.raises(InvalidArgument, match="diffusions must hold different entries"):
        experiments.get("diffusion_menu").configure("smoke", diffusions=())
