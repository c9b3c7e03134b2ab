import numpy as np
import pytest

from limitlab import experiments
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.experiments.infinite_width import abc_regimes, coordinate_check, learning_rate_transfer

MODULES = (abc_regimes, coordinate_check, learning_rate_transfer)


@pytest.fixture(scope="module")
def results():
    return {
        module.EXPERIMENT.name: module.EXPERIMENT.train(module.EXPERIMENT.configure("smoke", device="cpu")).finish()
        for module in MODULES
    }


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.EXPERIMENT.name)
def test_smoke_size_trains_and_draws(module, results):
    result = results[module.EXPERIMENT.name]
    assert experiments.get(module.EXPERIMENT.name) is module.EXPERIMENT
    assert all(np.isfinite(result.metrics[name]).all() for name in result.metrics)
    assert all(len(figure.data) for figure in result.figures().values())


def test_regimes_of_the_trained_points_are_those_of_the_theory(results):
    found = abc_regimes.exponents(results["abc_regimes"])
    assert dict(zip(found["parametrization"].values, found["regime"].values, strict=True)) == {
        "sp": "unstable",
        "sp-lazy": "kernel",
        "ntp": "kernel",
        "mup": "feature",
    }
    # three narrow widths leave the exponents their signs and their order
    last = found["last"].sel(module="h2")
    assert float(last.sel(parametrization="sp")) > 0.5 > -0.2 > float(last.sel(parametrization="ntp"))
    np.testing.assert_allclose(found["predicted_last"].sel(module="h2"), -found["r"])


def test_changes_of_the_last_step_are_the_metrics(results):
    result = results["coordinate_check"]
    fan = coordinate_check.fan(result)["change"]
    assert set(fan.dims) == {"parametrization", "module", "width", "step", "seed"}
    measured = coordinate_check.gridded(result.metrics, result.prepared.data, "parametrization", "width")["change"]
    np.testing.assert_allclose(fan.isel(step=-1).transpose(*measured.dims), measured, rtol=1e-6)


def test_both_parametrisations_change_alike_at_the_base_width(results):
    at_base = coordinate_check.fan(results["coordinate_check"])["change"].sel(width=64)
    np.testing.assert_array_equal(at_base.sel(parametrization="sp"), at_base.sel(parametrization="mup"))


def test_sp_fails_the_coordinate_check_where_the_layers_are_wide_on_both_sides(results):
    found = coordinate_check.exponents(results["coordinate_check"])
    assert float(found["change"].sel(parametrization="sp", module="h2")) >= 0.3
    assert abs(float(found["change"].sel(parametrization="mup", module="h2"))) <= 0.1


def test_best_rate_of_sp_falls_and_that_of_mup_stays(results):
    shift = learning_rate_transfer.shifts(results["learning_rate_transfer"])["loss"]
    assert float(shift.sel(parametrization="sp")) > 1.0  # two octaves of width
    assert abs(float(shift.sel(parametrization="mup"))) < 0.5


def test_a_stored_run_gives_the_same_metrics(tmp_path):
    experiment = coordinate_check.EXPERIMENT
    settings = experiment.configure("smoke", widths=(64, 96), seeds=1, device="cpu")
    trained = experiment.train(settings, tmp_path / "run").finish()
    loaded = experiment.load(tmp_path / "run")
    np.testing.assert_allclose(coordinate_check.fan(loaded)["change"], coordinate_check.fan(trained)["change"])
    np.testing.assert_allclose(loaded.metrics["change"], trained.metrics["change"])


@pytest.mark.parametrize(
    ("module", "options", "message"),
    [
        (abc_regimes, {"widths": (64,)}, "widths need two or more"),
        (abc_regimes, {"widths": (0, 64)}, "widths must be a whole number >= 1"),
        (coordinate_check, {"parametrizations": ()}, "parametrizations must not be empty"),
        (coordinate_check, {"widths": "64"}, "widths need two or more"),
        (learning_rate_transfer, {"octaves": (-4, -5)}, "octaves need three or more"),
        (learning_rate_transfer, {"batch_size": 2000}, "batch_size must be"),
    ],
)
def test_settings_that_mean_nothing_are_refused(module, options, message):
    with pytest.raises(InvalidArgument, match=message):
        module.EXPERIMENT.configure("smoke", **options)


def test_unknown_choices_get_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'mup'"):
        abc_regimes.EXPERIMENT.configure("smoke", parametrizations="mupp")
