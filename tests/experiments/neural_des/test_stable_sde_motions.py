"""Classes on series with gaps at smoke size: what is measured, what is shared, and that divergence is not hidden."""

import math

import numpy as np
import pytest
import torch

from limitlab import experiments
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.experiments.neural_des.stable_sde_motions import MODELS, ControlledRival, measure
from limitlab.neural_des.stable_sde import classification
from limitlab.spaces import control_path


@pytest.fixture(scope="module")
def result():
    experiment = experiments.get("stable_sde_motions")
    return experiment.train(experiment.configure("smoke")).finish()


def test_every_model_has_its_measures(result):
    grid = result.grid("kind", "rate")
    assert grid["kind"].values.tolist() == list(result.settings.models)
    assert grid["accuracy"].dims == ("kind", "rate", "seed", "test_rate")
    assert ((grid["accuracy"] >= 0) & (grid["accuracy"] <= 1)).all()
    assert set(result.figures()) == {"training", "shift"}
    parameters = grid["parameters"].isel(rate=0, seed=0)
    for name, count in zip(grid["kind"].values, parameters.values, strict=True):
        assert count == sum(p.numel() for p in result.models[f"{name}/rate-0.0", 0].parameters())


def test_a_model_that_sees_the_path_learns_faster_than_one_that_does_not(result):
    curves = result.curves["cross_entropy"].isel(seed=0)
    last = {name: float(curves.sel(model=f"{name}/rate-0.0").values[-1]) for name in ("naive", "gsde")}
    assert last["gsde"] < last["naive"]


def test_trials_share_data_steps_and_rate(result):
    recipes = [trial.recipe for trial in result.prepared.trials]
    assert len({id(recipe.batches) for recipe in recipes}) == 1
    assert len({(recipe.steps, recipe.learning_rate, recipe.clip) for recipe in recipes}) == 1


def test_what_is_missing_depends_on_the_seed_and_the_share_alone():
    experiment = experiments.get("stable_sde_motions")
    first, second = (
        experiment.prepare(experiment.configure("smoke", models=models)).data.test_path(0.5)
        for models in (("gsde",), ("lsde", "cde"))
    )
    other = experiment.prepare(experiment.configure("smoke", seed=1)).data.test_path(0.5)
    assert first.coefficients.equal(second.coefficients)
    assert not first.coefficients.equal(other.coefficients)


def test_a_model_that_diverged_is_marked_and_its_series_count_as_wrong(result):
    model = MODELS["gsde_unbounded"](result.settings, 7, 4, 0)
    with torch.no_grad():
        model.dynamics.gamma[-1].bias.fill_(300.0)
    model.divergence.copy_(torch.tensor([3, 0.25, 0.05]))
    measured = measure(result.settings, result.data, {0.0: result.data.test_path(0.0)}, model, model)
    assert (float(measured["diverged"]), float(measured["diverged_at"])) == (1.0, 0.25)
    assert float(measured["accuracy"][0]) == 0.0
    assert float(measured["largest"]) == math.inf


@pytest.mark.parametrize("linear", [True, False])
def test_the_rival_is_a_controlled_equation_by_euler_s_steps(linear):
    """On a straight path both are z + F(z) (X_k+1 - X_k), step by step."""
    path = control_path([0.0, 0.25, 0.5, 0.75, 1.0], torch.linspace(0, 2, 5)[None, :, None].repeat(3, 1, 1), "hermite")
    rival = ControlledRival(2, 3, width=4, depth=1, linear=linear, seed=0)
    z = rival.start(path.evaluate(0.0))
    for _ in range(4):
        z = z + rival.field(None, z) @ torch.tensor([0.25, 0.5])
    assert torch.allclose(rival(path), rival.head(z), atol=1e-5)


def test_series_of_different_lengths_are_classified_too():
    experiment = experiments.get("stable_sde_motions")
    settings = experiment.configure("smoke", data="japanese_vowels", batch=16, steps=1, models=("lsde", "cde_linear"))
    prepared = experiment.prepare(settings)
    batch = prepared.data.training_batches(0.3, 16).batch(0)
    for trial in prepared.trials:
        loss = classification(trial.build(0), batch)["cross_entropy"]
        # before any training: near the loss of a guess among nine
        assert 0.5 * math.log(9) < float(loss.detach()) < 2 * math.log(9)


def test_a_stored_result_is_read_again(result, tmp_path):
    experiment = experiments.get("stable_sde_motions")
    settings = experiment.configure("smoke", models=("gsde",), steps=3)
    trained = experiment.train(settings, tmp_path / "run").finish()
    loaded = experiment.load(tmp_path / "run")
    np.testing.assert_array_equal(loaded.metrics["accuracy"], trained.metrics["accuracy"])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"models": ()}, InvalidArgument, "models must hold different entries"),
        ({"rates": (0.5, 0.5)}, InvalidArgument, "rates must hold different entries"),
        ({"models": ("lstm",)}, UnknownName, "models"),
    ],
)
def test_bad_settings_get_one_clear_error(options, error, message):
    with pytest.raises(error, match=message):
        experiments.get("stable_sde_motions").configure("smoke", **options)
