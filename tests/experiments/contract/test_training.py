"""What an experiment trains is a file that is enough to have it back, without its data: it answers as before."""

from contextlib import closing

import numpy as np
import pytest
import torch

from limitlab import experiments, saved
from limitlab.training import fit


@pytest.fixture
def own(tmp_path):
    """Settings of experiments that learn from a reader's file, and nothing without one."""
    x, values = np.arange(16) / 16, np.random.default_rng(0).standard_normal((24, 8, 16)).astype(np.float32)
    np.savez(tmp_path / "functions.npz", a=values[:, 0], s=values[:, 1], x=x)
    np.savez(tmp_path / "frames.npz", u=values, x=x, t=0.5 * np.arange(8))
    functions, frames = (
        {"data": str(tmp_path / f"{name}.npz"), "kind": "periodic"} for name in ("functions", "frames")
    )
    return {
        "operator_learning": {**functions, "dims": "sample x", "inputs": ("a",), "targets": ("s",)},
        "trajectory_learning": {**frames, "dims": "sample time x"},
    }


def loss_of(recipe, model):
    """The terms of a batch, on the same noise for every model."""
    batches = recipe.batches if hasattr(recipe.batches, "batch") else recipe.batches(model)
    torch.manual_seed(0)
    return {name: float(term.detach()) for name, term in recipe.loss(model.train(), batches.batch(3)).items()}


@pytest.mark.parametrize("name", experiments.names())
def test_every_model_that_is_trained_is_saved_and_answers_as_before(name, own, tmp_path, monkeypatch):
    monkeypatch.setenv("LIMITLAB_HOME", str(tmp_path / "home"))
    experiment = experiments.get(name)
    settings = experiment.configure("smoke", **own.get(name, {}))
    for trial in experiment.prepare(settings, False).trials:
        if trial.recipe is None:
            continue
        model = trial.build(settings.seed_range[0])
        with closing(fit(model, trial.recipe, device="cpu")) as steps:
            next(steps)
        again = saved.load(saved.save(model, tmp_path))
        assert type(again) is type(model)
        assert loss_of(trial.recipe, again) == loss_of(trial.recipe, model), trial.name
