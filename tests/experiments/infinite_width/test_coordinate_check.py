import numpy as np
import pytest
import xarray as xr

from limitlab import experiments
from limitlab.errors import InvalidArgument
from limitlab.experiments.infinite_width import coordinate_check

EXPERIMENT = experiments.get("coordinate_check")


@pytest.fixture(scope="module")
def course():
    return EXPERIMENT.train(EXPERIMENT.configure(device="cpu")).finish()


@pytest.fixture(scope="module")
def smoke():
    return EXPERIMENT.train(EXPERIMENT.configure("smoke", device="cpu")).finish()


def test_smoke_size_trains_and_draws(smoke):
    assert all(np.isfinite(smoke.metrics[name]).all() for name in smoke.metrics)
    assert all(len(figure.data) for figure in smoke.figures().values())


def test_mup_passes_and_sp_explodes_with_the_width(course):
    powers = coordinate_check.exponents(course)
    mup, sp = (powers.sel(parametrization=name) for name in ("mup", "sp"))
    assert mup["passes"].all()
    assert (abs(mup["change"]) <= 0.1).all()
    assert float(sp["change"].sel(module="h2")) >= 0.4
    assert float(sp["change"].sel(module="output")) >= 0.8
    assert sp["passes"].values.tolist() == [True, False, False]


def test_changes_of_the_last_step_are_the_metrics(smoke):
    change = coordinate_check.fan(smoke)["change"]
    assert set(change.dims) == {"parametrization", "module", "width", "step", "seed"}
    measured = smoke.grid("parametrization", "width")["change"]
    np.testing.assert_allclose(change.isel(step=-1).transpose(*measured.dims), measured, rtol=1e-6)


def test_both_parametrisations_change_alike_at_the_base_width(smoke):
    at_base = coordinate_check.fan(smoke)["change"].sel(width=64)
    np.testing.assert_array_equal(at_base.sel(parametrization="sp"), at_base.sel(parametrization="mup"))


def test_a_stored_run_gives_the_same_metrics_and_a_part_of_it_the_same_again(tmp_path):
    settings = EXPERIMENT.configure("smoke", widths=(64, 96), seeds=1, device="cpu")
    trained = EXPERIMENT.train(settings, tmp_path / "run").finish()
    loaded = EXPERIMENT.load(tmp_path / "run")
    np.testing.assert_allclose(coordinate_check.fan(loaded)["change"], coordinate_check.fan(trained)["change"])
    np.testing.assert_allclose(loaded.metrics["change"], trained.metrics["change"])
    part = EXPERIMENT.train(settings, only={"parametrization": "mup", "width": 96}).finish()
    assert part.metrics["model"].values.tolist() == ["mup/width-96"]
    xr.testing.assert_equal(part.metrics["change"], trained.metrics["change"].sel(model=["mup/width-96"]))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"parametrizations": ()}, "parametrizations must not be empty"), ({"widths": "64"}, "widths need two or more")],
)
def test_settings_that_mean_nothing_are_refused(options, message):
    with pytest.raises(InvalidArgument, match=message):
        EXPERIMENT.configure("smoke", **options)
