import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from limitlab import experiments, operators, problems
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.experiments.operators._learning import operator_learning, problem_at
from limitlab.spaces import Grid
from limitlab.training import operator_loss


@pytest.fixture(scope="module", autouse=True)
def _home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMITLAB_HOME", str(tmp_path_factory.mktemp("home")))
        yield


def smoke(name, **options):
    experiment = experiments.get(name)
    return experiment, experiment.configure("smoke", **options)


@pytest.mark.parametrize("name", [name for name in experiments.names() if experiments.get(name).system == "mg-tfno"])
def test_smoke_size_trains_measures_and_draws(name):
    experiment, settings = smoke(name)
    result = experiment.train(settings).finish()
    assert result.metrics["relative_l2"].dims == ("model", "seed", "resolution", "sample")
    assert list(result.metrics["model"].values) == list(settings.models)
    assert bool(np.isfinite(result.metrics["relative_l2"]).all())
    assert {"training", "resolution", "distribution", "spectrum", "sample"} == set(result.figures())
    assert result.curves["relative_l2"].sizes["step"] == settings.steps


def test_baselines_have_as_many_parameters_as_the_operator():
    experiment, settings = smoke("darcy_fno", width=24, modes=8, layers=4)
    prepared = experiment.prepare(settings)
    fno, unet = (operators.count_parameters(prepared.build(model, 0)) for model in ("fno", "unet"))
    assert unet == pytest.approx(fno, rel=0.1)


def test_training_beats_the_mean_on_darcy():
    experiment, settings = smoke("darcy_fno", models=("fno", "mean"), train_samples=200, epochs=15, width=16)
    error = experiment.train(settings).finish().metrics["relative_l2"].mean(("seed", "resolution", "sample"))
    assert float(error.sel(model="fno")) < 0.8 * float(error.sel(model="mean"))


def test_test_sets_are_the_same_functions_at_every_resolution():
    experiment, settings = smoke("burgers_fno")
    prepared = experiment.prepare(settings)
    coarse, fine = (prepared.data.test[n] for n in settings.test_resolutions)
    restricted = prepared.data.problem.restrict(fine.drop_attrs(deep=False).assign_attrs(fine.attrs), coarse.sizes["x"])
    assert np.allclose(restricted["target"], coarse["target"], atol=1e-5)


def test_a_stored_run_reads_back_the_same(tmp_path):
    experiment, settings = smoke("burgers_fno", models=("fno", "persistence"))
    result = experiment.train(settings, tmp_path / "run").finish()
    loaded = experiment.load(tmp_path / "run")
    assert loaded.prepared.settings == settings
    assert loaded.metrics.equals(result.metrics)
    assert loaded.curves.equals(result.curves)
    measured = loaded.prepared.measure(loaded.models["fno", 0])["relative_l2"]
    assert np.allclose(measured, result.metrics["relative_l2"].sel(model="fno", seed=0))


def test_an_interrupted_training_resumes_to_the_same_result(tmp_path):
    experiment, settings = smoke("burgers_fno", models=("fno", "unet"))
    whole = experiment.train(settings, tmp_path / "whole").finish()
    training = experiment.train(settings, tmp_path / "parted")
    for _ in range(settings.steps + 1):
        next(training)
    training.close()
    resumed = experiment.train(settings, tmp_path / "parted", resume=True).finish()
    assert resumed.metrics.equals(whole.metrics)
    assert resumed.curves.equals(whole.curves)


def test_a_persons_own_equation_is_an_experiment():
    own = problems.parse("u_t = -u*u_x + nu*u_xx", parameters={"nu": 0.05}, span=0.5)
    settings = experiments.get("burgers_fno").configure("smoke", models=("fno", "mean"))
    experiment = operator_learning("own", "my own equation", own, {"smoke": settings})
    result = experiment.train(settings).finish()
    assert bool(np.isfinite(result.metrics["relative_l2"]).all())


def test_parameters_of_the_problem_are_settings():
    _, settings = smoke("burgers_fno", parameters="nu=0.05")
    assert problem_at("burgers", settings).values["nu"] == 0.05
    for text, error in [("nu", InvalidArgument), ("nu=abc", InvalidArgument), ("viscosity=1", UnknownName)]:
        with pytest.raises(error):
            problem_at("burgers", smoke("burgers_fno", parameters=text)[1])


@pytest.mark.parametrize("name", ["fno", "unet"])
def test_model_and_loss_run_on_one_device_only(name):
    with FakeTensorMode(), torch.device("cuda"):
        model = operators.build(name, 1, 1, 2)
        batch = {role: torch.empty(2, 1, 16, 16) for role in ("input", "target")}
        loss = operator_loss("h1", Grid.uniform((16, 16)))(model, batch)
    assert loss["relative_h1"].device.type == "cuda"
