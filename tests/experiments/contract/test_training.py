"""What an experiment trains is a file that is enough to have it back, without its data: it answers as before."""

from dataclasses import replace

import pytest
import xarray as xr

from limitlab import experiments, saved

TIMED = ("time", "own_time")
"""Measured by a clock, so that no two measurements are one."""


def shortly(trial):
    """The trial with the first steps of its training alone."""
    if trial.recipe is None:
        return trial
    return replace(trial, recipe=replace(trial.recipe, steps=min(2, trial.recipe.steps), later=()))


@pytest.mark.parametrize("name", experiments.names())
def test_every_model_that_is_trained_is_saved_and_answers_as_before(name, tmp_path, monkeypatch):
    monkeypatch.setenv("LIMITLAB_HOME", str(tmp_path / "home"))
    experiment = experiments.get(name)
    known = {option.name for option in experiment.options()}
    alone = {"seeds": 1, "device": "cpu"}
    settings = experiment.configure("smoke", **{key: alone[key] for key in alone if key in known})
    prepared = experiment.prepare(settings, False)
    trials = tuple(shortly(trial) for trial in prepared.trials if trial.recipe is not None)
    if not trials:
        pytest.skip("nothing of it is trained")
    training = experiment.train(settings, prepared=replace(prepared, trials=trials))
    models = training.finish().models
    for trial in trials:
        ((model, seed),) = [(model, seed) for (of, seed), model in models.items() if of == trial.name]
        again = saved.load(saved.save(model, tmp_path))
        assert type(again) is type(model)
        fresh = trial.build(seed)
        measured, expected = (
            prepared.measure(each, fresh).drop_vars(TIMED, errors="ignore") for each in (again, model)
        )
        xr.testing.assert_equal(measured, expected)
