"""Twins of the multigrid network differ in what their names say, and only in that."""

import pytest
import torch

from limitlab import experiments


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMITLAB_HOME", str(tmp_path_factory.mktemp("home")))
        experiment = experiments.get("darcy_mgno")
        return experiment.train(experiment.configure("smoke", device="cpu")).finish()


def test_every_twin_is_trained_and_tested_on_both_grids(result):
    assert list(result.metrics["model"].values) == ["fno", "mean", "multigrid", "source", "wrapped", "one_grid"]
    assert bool(result.metrics["relative_l2"].notnull().all())
    assert list(result.metrics["resolution"].values) == [16, 32]


def test_twins_with_the_same_cycle_have_the_same_weights_and_another_map(result):
    size = result.metrics["parameters"].isel(seed=0)
    assert int(size.sel(model="wrapped")) == int(size.sel(model="multigrid")) < int(size.sel(model="source"))
    a = torch.rand(1, 1, 16, 16)
    (seed,) = result.settings.seed_range
    trials = {trial.name: trial.build(seed).eval() for trial in result.prepared.trials}
    with torch.no_grad():
        plain, wrapped = trials["multigrid"](a), trials["wrapped"](a)
    assert not torch.allclose(plain, wrapped, rtol=1e-2)


def test_a_cycle_has_the_grids_that_there_are(result):
    (seed,) = result.settings.seed_range
    cycles = {
        trial.name: trial.build(seed).model
        for trial in result.prepared.trials
        if trial.name in ("multigrid", "one_grid")
    }
    assert cycles["multigrid"].cycles[0].cycle.grids == 4
    assert cycles["one_grid"].cycles[0].cycle.smoothing == ((8, 0),)
