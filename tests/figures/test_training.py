import json

import numpy as np
import pytest
import xarray as xr

from limitlab import figures
from limitlab.errors import InvalidArgument, UnknownName


def named(figure, name):
    return next(trace for trace in figure.data if trace.name == name)


def test_training_curve_is_the_mean_over_seeds_on_a_log_axis(log):
    figure = figures.training_curves(log)
    np.testing.assert_allclose(named(figure, "unet").y, log["l2"].sel(model="unet").mean("seed"), rtol=1e-6)
    assert figure.layout.yaxis.type == "log"
    assert figure.layout.xaxis.title.text == "training step"


def test_band_of_a_training_curve_is_the_range_over_seeds(log):
    band = named(figures.training_curves(log), "fno, range over seeds")
    values = log["l2"].sel(model="fno")
    np.testing.assert_allclose(band.y[:50], values.max("seed"), rtol=1e-6)
    np.testing.assert_allclose(band.y[50:][::-1], values.min("seed"), rtol=1e-6)


def test_one_seed_has_no_band(log):
    assert [trace.name for trace in figures.training_curves(log.isel(seed=0)).data] == ["fno", "unet"]
    assert [trace.name for trace in figures.training_curves(log.isel(seed=[0])).data] == ["fno", "unet"]


def test_steps_that_a_model_did_not_make_are_left_out(log):
    shorter = log.copy(deep=True)
    shorter["l2"][1, :, 30:] = np.nan
    assert len(named(figures.training_curves(shorter), "unet").x) == 30
    assert len(named(figures.training_curves(shorter), "fno").x) == 50


def test_the_loss_is_the_sum_of_its_terms(log):
    both = log.assign(residual=2 * log["l2"])
    np.testing.assert_allclose(named(figures.training_curves(both), "fno").y, 3 * log["l2"][0].mean("seed"), rtol=1e-6)
    only = figures.training_curves(both, "residual")
    np.testing.assert_allclose(named(only, "fno").y, 2 * log["l2"][0].mean("seed"), rtol=1e-6)


def test_model_without_a_term_has_the_sum_of_its_others(log):
    other = log["l2"].copy(data=np.full(log["l2"].shape, 0.5))
    other[0] = np.nan
    both = log.assign(penalty=other)
    figure = figures.training_curves(both)
    np.testing.assert_allclose(named(figure, "fno").y, log["l2"].sel(model="fno").mean("seed"), rtol=1e-6)
    np.testing.assert_allclose(named(figure, "unet").y, log["l2"].sel(model="unet").mean("seed") + 0.5, rtol=1e-6)


def test_training_curves_of_nothing_trained_are_labelled_axes():
    figure = figures.training_curves(xr.Dataset())
    assert len(figure.data) == 0
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("training step", "loss")


def test_training_curves_of_nothing_say_so_and_have_no_numbers_of_plotlys(log):
    figure = figures.training_curves(xr.Dataset())
    assert [note.text for note in figure.layout.annotations] == ["no loss yet"]
    assert (figure.layout.xaxis.showticklabels, figure.layout.yaxis.showticklabels) == (False, False)
    full = figures.training_curves(log).layout
    assert (full.annotations, full.xaxis.showticklabels, full.yaxis.showticklabels) == ((), None, None)


def test_long_trainings_are_thinned(log):
    steps = np.arange(20_000)
    long = xr.Dataset({"l2": (("model", "step"), 1 / (1.0 + steps[None]))}, coords={"model": ["fno"], "step": steps})
    line = figures.training_curves(long).data[0]
    assert len(line.x) == 1000
    assert line.x[-1] == 19_999


def test_error_against_resolution_is_the_mean_over_samples_and_seeds(metrics):
    figure = figures.error_against_resolution(metrics)
    expected = metrics["relative_l2"].sel(model="fno").mean(("sample", "seed"))
    np.testing.assert_allclose(named(figure, "fno").y, expected, rtol=1e-6)
    assert list(named(figure, "fno").x) == [16, 32, 64]
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"
    assert figure.layout.yaxis.title.text == "relative L2 error"
    assert figure.layout.xaxis.title.text == "points per axis in the test"


def test_bars_reach_the_best_and_the_worst_seed(metrics):
    trace = named(figures.error_against_resolution(metrics), "unet")
    of_seed = metrics["relative_l2"].sel(model="unet").mean("sample")
    np.testing.assert_allclose(trace.y + trace.error_y.array, of_seed.max("seed"), rtol=1e-5)
    np.testing.assert_allclose(trace.y - trace.error_y.arrayminus, of_seed.min("seed"), rtol=1e-5)


def test_training_resolution_is_marked(metrics):
    (mark,) = figures.error_against_resolution(metrics, train_resolution=32).layout.shapes
    assert mark.x0 == mark.x1 == 32
    (mark,) = figures.error_against_resolution(metrics).layout.shapes
    assert mark.x0 == 16


def test_one_colour_a_model_in_every_figure(metrics, log):
    against = figures.error_against_resolution(metrics)
    trained = figures.training_curves(log)
    spread = figures.error_distribution(metrics)
    for name in ("fno", "unet"):
        assert named(against, name).line.color == named(trained, name).line.color == named(spread, name).marker.color


@pytest.mark.parametrize("kind", ["box", "violin", "strip"])
def test_distribution_holds_every_sample_of_every_seed(metrics, kind):
    figure = figures.error_distribution(metrics, kind=kind)
    assert len(figure.data) == 6
    trace = next(t for t in figure.data if t.name == "unet" and t.x0 == "64")
    expected = metrics["relative_l2"].sel(model="unet", resolution=64).values.ravel()
    np.testing.assert_allclose(np.sort(trace.y), np.sort(expected), rtol=1e-6)
    assert len(json.loads(figure.to_json())["data"]) == 6


def test_distribution_without_resolution(metrics):
    assert len(figures.error_distribution(metrics.isel(resolution=0, drop=True)).data) == 2


def test_each_model_is_in_the_legend_once(metrics):
    shown = [trace.name for trace in figures.error_distribution(metrics).data if trace.showlegend]
    assert shown == ["fno", "unet"]


def test_unknown_kinds_and_variables_are_named(metrics):
    with pytest.raises(UnknownName, match="did you mean 'violin'"):
        figures.error_distribution(metrics, kind="violins")
    with pytest.raises(UnknownName, match="did you mean 'relative_l2'"):
        figures.error_against_resolution(metrics, "relative_l1")


def test_missing_dims_are_named(metrics, log):
    with pytest.raises(InvalidArgument, match=r"needs the dims .*'resolution'"):
        figures.error_against_resolution(metrics.isel(resolution=0))
    with pytest.raises(InvalidArgument, match=r"needs the dims .*'sample'"):
        figures.error_distribution(metrics.isel(sample=0))
    with pytest.raises(InvalidArgument, match=r"needs the dims .*'model'"):
        figures.training_curves(log.isel(model=0))
    with pytest.raises(InvalidArgument, match=r"xarray\.Dataset; got DataArray"):
        figures.error_distribution(metrics["relative_l2"])
