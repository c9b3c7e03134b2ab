"""Metrics and curves by name of the trial, and on the grid of the trials."""

import numpy as np
import pytest
from experiments.contract.toy_experiment import LINES

from limitlab.errors import InvalidArgument


@pytest.fixture(scope="module")
def result():
    return LINES.train(LINES.configure(steps=4)).finish()


def test_metrics_have_the_coordinates_of_their_trials(result):
    """NaN or the empty text where a trial has no such axis."""
    assert result.metrics["output"].dims == ("model", "seed", "x")
    np.testing.assert_array_equal(result.metrics["slope"], [1, 1, 2, 2, np.nan])
    assert result.metrics["rate"].values.tolist() == ["slow", "fast", "slow", "fast", ""]
    assert result.metrics["baseline"].values.tolist() == ["", "", "", "", "mean"]


def test_variables_that_a_trial_lacks_are_nan(result):
    assert bool(result.metrics[["start", "weight", "bias"]].sel(model="mean").to_array().isnull().all())
    assert bool(result.metrics["output"].notnull().all())


def test_a_grid_of_two_axes_holds_every_number_of_the_trials_that_have_both(result):
    grid = result.grid("slope", "rate")
    assert grid["weight"].dims == ("slope", "rate", "seed")
    assert grid["slope"].values.tolist() == [1.0, 2.0]
    assert grid["rate"].values.tolist() == ["slow", "fast"]  # in the order of the trials, not of the alphabet
    for trial in result.prepared.trials[:4]:
        np.testing.assert_array_equal(grid["bias"].sel(trial.at), result.metrics["bias"].sel(model=trial.name))


def test_a_grid_of_one_axis_is_that_of_a_selection(result):
    part = LINES.train(LINES.configure(steps=4), only={"rate": "fast"}).finish().grid("slope")
    assert part["output"].dims == ("slope", "seed", "x")
    np.testing.assert_array_equal(part["output"].sel(slope=2.0), result.metrics["output"].sel(model="slope-2.0/fast"))
    assert result.grid("baseline").sizes["baseline"] == 1


def test_variables_that_no_trial_of_a_grid_has_are_left_out(result):
    assert set(result.grid("slope", "rate")) == {"output", "start", "weight", "bias"}
    assert "weight" not in result.grid("baseline")


@pytest.mark.parametrize("axes", [(), ("slope",), ("rate",), ("width",), ("slope", "baseline")])
def test_axes_that_do_not_tell_trials_apart_are_refused(result, axes):
    with pytest.raises(InvalidArgument, match="must tell the trials apart that have them"):
        result.grid(*axes)


def test_curves_are_the_losses_of_gradient_descent_and_lie_on_the_same_grid(result):
    """A line's loss before its first step is that of its seed; a metric is there where it was evaluated, at the end."""
    curves = result.grid("slope", "rate", of=result.curves)
    assert curves["squared"].dims == ("slope", "rate", "seed", "step")
    assert curves["step"].values.tolist() == [1, 2, 3, 4]
    assert curves["squared"].attrs["kind"] == "loss"
    assert curves["moved"].attrs["kind"] == "metric"
    assert bool(curves["moved"].isel(step=slice(3)).isnull().all())
    np.testing.assert_allclose(
        curves["moved"].isel(step=-1),
        abs(result.grid("slope", "rate")["weight"] - result.grid("slope", "rate")["start"]),
    )
    first = curves["squared"].isel(step=0)
    np.testing.assert_array_equal(first.sel(rate="slow"), first.sel(rate="fast"))


def test_what_learned_nothing_has_no_curve(result):
    assert "mean" not in result.curves["model"]
    assert ("mean", 1) in result.models
