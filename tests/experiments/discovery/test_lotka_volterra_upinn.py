"""Hidden terms of Lotka-Volterra at smoke size: what is measured, and that the trainings learn."""

import dataclasses

import numpy as np
import pytest
import torch
import xarray as xr

from limitlab import experiments
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.experiments.discovery._hidden import TRAININGS, band, measure
from limitlab.experiments.discovery.lotka_volterra_upinn import HIDDEN, measured


@pytest.fixture(scope="module")
def result():
    experiment = experiments.get("lotka_volterra_upinn")
    return experiment.train(experiment.configure("smoke", seeds=1)).finish()


def test_every_training_has_its_errors(result):
    grid = result.grid("training")
    assert grid["training"].values.tolist() == list(TRAININGS)
    for name in ("relative_l2", "term_error", "inner_error"):
        assert np.isfinite(grid[name]).all(), name
    assert set(result.figures()) == {"training", "hidden"}


def test_second_phase_ends_below_adam_alone(result):
    """Of the loss: at this size errors of the hidden term mean nothing."""
    curves = result.curves
    total = sum(curves[name].fillna(0) for name in ("data", "residual")).isel(seed=0)
    ends = [float(total.sel(model=name).where(lambda c: c > 0).dropna("step")[-1]) for name in ("two_phases", "adam")]
    assert ends[0] < ends[1]


def test_true_terms_have_no_error_and_the_right_coefficients(result):
    data = result.data
    problem_like = torch.nn.Linear(1, 1)
    problem_like.forward = lambda times: data.states
    problem_like.hidden_term = lambda y: torch.stack([-0.9 * y.prod(-1), 0.8 * y.prod(-1)], -1)
    measures = measure(data, problem_like, problem_like)
    assert measures["term_error"] < 1e-12
    assert measures["relative_l2"] < 1e-12
    np.testing.assert_allclose(measures["coefficient"].sel(candidate="x*y"), [-0.9, 0.8], atol=1e-9)
    assert measures["term"].values.tolist() == list(HIDDEN)


def test_band_holds_every_seed_and_is_drawn_where_there_are_several(result):
    metrics = xr.concat([result.metrics, 1.1 * result.metrics], "seed").assign_coords(seed=[0, 1])
    several = dataclasses.replace(result, metrics=metrics)
    assert set(several.figures()) == {"training", "hidden", "band"}
    hidden = several.grid("training")["hidden"].sel(training="two_phases")
    parts = band(hidden)
    assert bool(((parts["lowest"] <= hidden) & (hidden <= parts["highest"])).all())
    np.testing.assert_allclose(parts["mean"], 1.05 * hidden.isel(seed=0))


def test_data_come_from_the_seed_and_trajectories_from_streams_of_their_own():
    experiment = experiments.get("lotka_volterra_upinn")
    settings = experiment.configure("smoke", noise=0.05, trajectories=3)
    first, again = measured(settings), measured(settings)
    other = measured(experiment.configure("smoke", noise=0.05, trajectories=3, seed=1))
    assert torch.equal(first.seen.values, again.seen.values)
    assert not torch.equal(first.seen.values[0], other.seen.values[0])
    assert first.starts.unique(dim=0).shape == (3, 2)
    # the first begins where the problem does, whatever the seed
    assert torch.equal(first.starts[0], other.starts[0])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"trainings": ()}, InvalidArgument, "trainings must hold different entries"),
        ({"method": "newton"}, UnknownName, "method"),
    ],
)
def test_bad_settings_get_one_clear_error(options, error, message):
    with pytest.raises(error, match=message):
        experiments.get("lotka_volterra_upinn").configure("smoke", **options)


def test_a_killed_training_goes_on_in_its_second_phase_as_if_it_was_not(result, tmp_path):
    experiment = experiments.get("lotka_volterra_upinn")
    settings = experiment.configure("smoke", seeds=1, trainings=("two_phases",))
    training = experiment.train(settings, tmp_path / "run")
    for _ in range(settings.adam + 17):
        next(training)
    training.close()
    resumed = experiment.train(settings, tmp_path / "run", resume=True).finish()
    np.testing.assert_array_equal(
        resumed.metrics["hidden"].sel(model="two_phases"), result.metrics["hidden"].sel(model="two_phases")
    )
