"""Deep Ritz at a reduced size: fresh points beat a fixed sample, and natural gradients go on from there."""

import numpy as np
import pytest
import torch

from limitlab import experiments
from limitlab.errors import InvalidArgument
from limitlab.experiments.discovery import deep_ritz


@pytest.fixture(scope="module")
def result():
    experiment = experiments.get("deep_ritz")
    settings = experiment.configure(
        "smoke", dimensions=(2,), width=32, steps=300, batch_size=200, compared=3, few=40, polish=10, device="cpu"
    )
    return experiment.train(settings).finish()


@pytest.fixture(scope="module")
def grid(result):
    return result.grid("dimension", "points").isel(seed=0)


def test_fresh_points_beat_as_many_that_stay(grid):
    at = grid.sel(dimension=3)
    assert at["l2"].sel(points="fixed") > 1.3 * at["l2"].sel(points="renewed")


def test_the_energy_of_the_fixed_sample_dives_below_the_solution(result):
    energies = deep_ritz.dive(result)
    assert energies["train"][-50:].mean() < 0 < energies["test"].dropna("step")[-1]
    assert energies["train"][0] > 0


def test_ten_steps_along_natural_gradients_make_the_error_a_quarter(result, grid):
    curves = result.grid("dimension", "points", of=result.curves).isel(seed=0).sel(dimension=3, points="polished")
    l2 = curves["l2"].dropna("step")
    assert l2[-1] < 0.25 * l2.sel(step=slice(None, 300))[-1]
    assert l2[-1] == pytest.approx(float(grid["l2"].sel(dimension=3, points="polished")), rel=0.1)


def test_the_energy_of_the_solution_is_that_of_a_finer_sample(grid):
    """E(u*) for -Lap u + pi^2 u = f is -1/2 int f u* = -pi^2/2, to the noise of 10 000 points."""
    np.testing.assert_allclose(grid["exact_energy"].sel(dimension=2, points="fresh"), -(np.pi**2) / 2, rtol=0.05)


def test_models_differ_with_the_seed_and_polished_ones_are_double():
    experiment = experiments.get("deep_ritz")
    prepared = experiment.prepare(experiment.configure("smoke", polish=5))
    trial = prepared.trial(dimension=1, points="fresh")
    assert not torch.equal(trial.build(0).inner, trial.build(1).inner)
    assert prepared.trial(dimension=2, points="polished").build(0).inner.dtype == torch.float64


def test_the_second_phase_may_be_that_of_a_quasi_newton_method():
    experiment = experiments.get("deep_ritz")
    prepared = experiment.prepare(experiment.configure("smoke", polish=5, method="lbfgs"))
    last = prepared.trial(dimension=2, points="polished").recipe.phases[-1]
    assert (last.optimizer, last.gram) == ("lbfgs", None)


def test_every_figure_is_drawn(result):
    assert set(result.figures()) == {"training", "dimensions", "samples"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dimensions": (2, 2)}, "dimensions must hold different entries"),
        ({"compared": 0, "polish": 5}, "polish needs compared"),
        ({"activation": "tahn"}, "did you mean 'tanh'"),
    ],
)
def test_bad_settings_get_one_clear_error(options, message):
    with pytest.raises(InvalidArgument, match=message):
        experiments.get("deep_ritz").configure("smoke", **options)
