import numpy as np
import pytest

from limitlab import experiments, operators, problems
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.experiments.operators._learning import operator_learning, problem_at


@pytest.fixture(scope="module", autouse=True)
def _home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMITLAB_HOME", str(tmp_path_factory.mktemp("home")))
        yield


def smoke(name, **options):
    experiment = experiments.get(name)
    return experiment, experiment.configure("smoke", **options)


@pytest.mark.parametrize("name", [experiment.name for experiment in experiments.of(system="mg-tfno")])
def test_smoke_size_trains_measures_and_draws(name):
    experiment, settings = smoke(name)
    result = experiment.train(settings).finish()
    assert result.metrics["relative_l2"].dims == ("model", "seed", "resolution", "sample")
    # an experiment may have models of its own besides
    assert list(result.metrics["model"].values)[: len(settings.models)] == list(settings.models)
    assert bool(np.isfinite(result.metrics["relative_l2"]).all())
    assert {"training", "resolution", "distribution", "spectrum", "sample"} <= set(result.figures())
    assert result.curves["relative_l2"].sizes["step"] == settings.steps


def test_figures_of_another_seed_show_its_first_network():
    experiment, settings = smoke("burgers_fno", seed=7, models=("fno",))
    result = experiment.train(settings).finish()
    assert ("fno", 7000) in result.models
    assert result.figures()["sample"].data


def test_baselines_have_as_many_parameters_as_the_operator():
    experiment, settings = smoke("darcy_fno", width=24, modes=8, layers=4)
    prepared = experiment.prepare(settings)
    fno, unet = (operators.count_parameters(prepared.trial(operator=name).build(0)) for name in ("fno", "unet"))
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
    assert loaded.settings == settings
    assert loaded.metrics.equals(result.metrics)
    assert loaded.curves.equals(result.curves)
    model = loaded.models["fno", 0]
    measured = loaded.prepared.measure(model, model)["relative_l2"]
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
    experiment = operator_learning(system="mg-tfno", title="my equation", problem=own, sizes={"smoke": settings})
    result = experiment.train(settings).finish()
    assert bool(np.isfinite(result.metrics["relative_l2"]).all())


def test_a_fixed_operator_is_measured_on_its_own_grid_and_the_others_on_all():
    experiment, settings = smoke("burgers_fno", models=("lordnet", "fno"))
    result = experiment.train(settings).finish()
    answered = result.metrics["relative_l2"].notnull().all(("seed", "sample"))
    own = answered["resolution"] == settings.resolution
    assert bool((answered.sel(model="lordnet") == own).all())
    assert bool(answered.sel(model="fno").all())
    assert len(result.figures()) == 5
    with pytest.raises(InvalidArgument, match=f"training resolution {settings.resolution}, the only one of lordnet"):
        smoke("burgers_fno", models=("lordnet",), test_resolutions=(2 * settings.resolution,))


def test_parameters_of_the_problem_are_settings():
    _, settings = smoke("burgers_fno", parameters="nu=0.05")
    assert problem_at("burgers", settings).values["nu"] == 0.05
    for text, error in [("nu", InvalidArgument), ("nu=abc", InvalidArgument), ("viscosity=1", UnknownName)]:
        with pytest.raises(error):
            problem_at("burgers", smoke("burgers_fno", parameters=text)[1])


def test_rates_of_single_models_are_a_setting():
    experiment, settings = smoke("burgers_fno", rates="unet=1e-4")
    rates = {t.at["operator"]: t.recipe.learning_rate for t in experiment.prepare(settings).trials if t.recipe}
    assert rates == {"fno": settings.learning_rate, "unet": 1e-4}
    for text, error in [("unet", InvalidArgument), ("unnet=1", UnknownName), ("unet=2", InvalidArgument)]:
        with pytest.raises(error):
            smoke("burgers_fno", rates=text)
