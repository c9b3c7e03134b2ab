"""Interpolation at smoke size: what is hidden, rivals that answer the same questions, measures of every class."""

import pytest
import torch

from limitlab import experiments
from limitlab.errors import UnknownName
from limitlab.experiments.neural_des.series_interpolation import series_of


@pytest.fixture(scope="module")
def result():
    experiment = experiments.get("series_interpolation")
    return experiment.train(experiment.configure("smoke")).finish()


def test_every_class_has_its_errors_beside_the_same_rivals(result):
    grid = result.grid("kind").isel(seed=0)
    assert grid["kind"].values.tolist() == ["lsde", "gsde"]
    assert (grid["error"] > 0).all()
    assert (grid["rival_error"].isel(kind=0) == grid["rival_error"].isel(kind=1)).all()
    # standardised values: the mean has an error of about one
    assert float(grid["rival_error"].sel(rival="mean").mean()) == pytest.approx(1, abs=0.5)
    assert set(result.figures()) == {"series", "training"}


def test_what_is_hidden_depends_on_the_seed_and_the_share_alone():
    experiment = experiments.get("series_interpolation")
    one, same, other = (series_of(experiment.configure("smoke", seed=seed)) for seed in (0, 0, 1))
    assert torch.equal(one.shown(one.test, 0.5).observed, same.shown(same.test, 0.5).observed)
    assert not torch.equal(one.shown(one.test, 0.5).observed, other.shown(other.test, 0.5).observed)
    assert not torch.equal(one.shown(one.test, 0.5).observed, one.shown(one.train, 0.5).observed)
    # what is seen of less is seen of more
    assert (one.shown(one.test, 0.5).observed <= one.shown(one.test, 0.9).observed).all()


def test_train_and_test_have_the_scales_of_the_training_series():
    data = series_of(experiments.get("series_interpolation").configure("smoke", samples=200, times=40))
    assert data.train.values.mean((0, 1)).abs().max() < 1e-5
    assert data.test.values.std() == pytest.approx(1, abs=0.1)
    assert 0.005 < data.floor < 0.05


def test_a_class_without_a_path_is_refused():
    with pytest.raises(UnknownName, match="naive"):
        experiments.get("series_interpolation").configure("smoke", kinds=("naive",))
