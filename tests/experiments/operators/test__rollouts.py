import numpy as np
import pytest
import torch
from torch import nn

from limitlab import experiments
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.experiments.operators._rollouts import RolloutSettings, frames_of, rollout_learning, rollouts_of
from limitlab.problems import PDEProblem
from limitlab.training import rollout_loss

SETTINGS = RolloutSettings(
    train_samples=6, test_samples=3, resolution=32, test_resolutions=(32, 64), models=("unet", "persistence"),
    modes=8, width=4, layers=2, epochs=1, batch_size=6, interval=0.02, frames=8, history=2, rollout=4, seeds=1,
    device="cpu",
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMITLAB_HOME", str(tmp_path_factory.mktemp("home")))
        yield


def learning(**options):
    settings = SETTINGS.with_options(**options)
    experiment = rollout_learning(system="sinenet", title="Burgers", problem="burgers", sizes={"course": settings})
    return experiment, settings


@pytest.fixture(scope="module")
def result():
    experiment, settings = learning()
    return experiment.train(settings).finish()


def test_every_model_is_measured_after_one_step_and_in_rollouts_on_every_grid(result):
    metrics = result.metrics
    assert metrics["relative_l2"].dims == ("model", "seed", "resolution", "sample")
    assert metrics["rollout_l2"].dims == ("model", "seed", "resolution", "sample", "start", "step")
    assert list(metrics["start"].values) == pytest.approx([0.0, 0.02, 0.04])
    assert bool(np.isfinite(metrics["rollout_l2"]).all())
    assert {"training", "rollout", "distribution", "spectrum", "sample"} == set(result.figures())
    assert result.curves.sizes["step"] == result.settings.steps == 6 * 6 // 6


def test_persistence_is_as_wrong_as_the_data_moves(result):
    """Of a history of two frames, the second stays: ||u_1 - u_{1+k}|| / ||u_{1+k}|| after k steps."""
    data = result.data.test[64]["u"].values.astype(float)
    errors = result.metrics["rollout_l2"].sel(model="persistence", seed=0, resolution=64)
    for start in range(3):
        moved = data[:, start + 2 : start + 6]
        distance = np.linalg.norm(moved - data[:, start + 1 : start + 2], axis=2) / np.linalg.norm(moved, axis=2)
        assert np.allclose(errors.isel(start=start), distance, rtol=1e-5)
    single = np.linalg.norm(data[:, 2:] - data[:, 1:-1], axis=2) / np.linalg.norm(data[:, 2:], axis=2)
    one_step = result.metrics["relative_l2"].sel(model="persistence", seed=0, resolution=64)
    assert np.allclose(one_step, single.mean(1), rtol=1e-5)


def test_what_persistence_leaves_of_a_wave_is_all_of_it(result):
    """It keeps the energy of the starting frames, which diffusion takes from the later ones, the finer the more."""
    energy = result.metrics["energy"].sel(model="persistence", seed=0)
    assert bool((energy[:5] > 1).all())
    assert float(energy[4]) > float(energy[0])


def test_a_rollout_is_made_of_single_steps(result):
    model = result.models["unet", 0]
    made, true = rollouts_of(model, result.data.test[32], history=2, steps=4)
    assert made.shape == true.shape == (3, 3, 4, 1, 32)
    frames = frames_of(result.data.test[32])[:, :, 0]
    with torch.no_grad():
        first = model(frames[:, 1:3])
        second = model(torch.cat([frames[:, 2:3], first], dim=1))
    assert torch.allclose(made[:, 1, 1], second, atol=1e-6)


@pytest.mark.parametrize(("unrolled", "pushed"), [(3, 0), (1, 2)])
def test_the_training_loss_is_that_of_the_settings(unrolled, pushed):
    experiment, settings = learning(unrolled=unrolled, pushed=pushed, models=("unet",))
    prepared = experiment.prepare(settings)
    trial, data = prepared.trials[0], prepared.data
    model, batch = trial.build(0), data.batches.batch(0)
    assert batch["target"].shape[1] == 3
    expected = rollout_loss("l2", data.task.grid, steps=unrolled, pushed=pushed)(model, batch)
    assert trial.recipe.loss(model, batch) == expected
    assert trial.recipe.steps == 6 * 4 // 6


def test_a_persons_own_model_learns_the_same_time_steps():
    experiment, settings = learning(models=("persistence",))
    own = experiments.with_models(experiment, linear=nn.Conv1d(2, 1, 5, padding=2, padding_mode="circular"))
    trained = own.train(settings.with_options(epochs=40, learning_rate=0.02)).finish()
    error = trained.metrics["relative_l2"].sel(resolution=32).mean(("seed", "sample"))
    assert float(error.sel(model="linear")) < 0.5 * float(error.sel(model="persistence"))


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(InvalidArgument, match="frames must be >= 8"):
        SETTINGS.with_options(frames=7, rollout=6)
    experiment, _ = learning()
    with pytest.raises(UnknownName, match="did you mean 'unet'"):
        experiment.configure("course", rates=("unett=1e-3",))


def test_channels_are_the_same_in_training_and_tests_whatever_order_a_store_gives_fields_back_in(monkeypatch):
    stored = PDEProblem.dataset

    def turned(self, *arguments, split, **options):
        dataset = stored(self, *arguments, split=split, **options)
        return dataset[sorted(dataset.data_vars, reverse=split == "test")]

    monkeypatch.setattr(PDEProblem, "dataset", turned)
    settings = SETTINGS.with_options(models=("persistence",), history=1, test_resolutions=(32,))
    experiment = rollout_learning(system="sinenet", title="Waves", problem="wave", sizes={"course": settings})
    data = experiment.prepare(settings).data
    for dataset in (data.train, data.test[32]):
        fields = torch.stack([torch.as_tensor(dataset[name].values) for name in ("u", "v")], dim=2)
        assert torch.equal(frames_of(dataset), fields)
