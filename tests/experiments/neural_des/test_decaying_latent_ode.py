"""Decaying oscillators at smoke size: the data, the rivals by hand, the rate, and that training learns."""

import math

import numpy as np
import pytest
import torch

from limitlab import experiments
from limitlab.errors import InvalidArgument
from limitlab.experiments.neural_des.decaying_latent_ode import (
    FREQUENCY,
    RATE,
    VARIANTS,
    WINDOW,
    beginning,
    decay_rate,
    oscillators,
    simple,
)


@pytest.fixture(scope="module")
def settings():
    return experiments.get("decaying_latent_ode").configure("smoke", seeds=1)


@pytest.fixture(scope="module")
def data(settings):
    return oscillators(settings)


def test_all_variants_learn_and_have_their_measures(settings):
    experiment = experiments.get("decaying_latent_ode")
    every = experiment.train(settings.with_options(variants=VARIANTS)).finish()
    grid = every.grid("variant")
    for name in ("error_seen", "error_ahead", "error_beyond", "rate", "divergence"):
        assert np.isfinite(grid[name]).all(), name
    misfit = every.curves["misfit"].isel(seed=0)
    assert (misfit.isel(step=slice(-3, None)).mean("step") < misfit.isel(step=0)).all()
    assert set(every.figures()) == {"training", "series"}


def test_series_are_damped_oscillations_at_times_of_their_own(data):
    """x(t) = exp(-0.1 t) (x0 cos w t + ...) with w^2 = 1.31 - 0.01, between any two of its times."""
    times, truth = data.unseen.times.double(), data.truth.double()
    w = math.sqrt(FREQUENCY**2 - RATE**2)
    gap = times[:, 1:] - times[:, :-1]
    x, v = truth[:, :-1].unbind(-1)
    later = torch.exp(-RATE * gap) * (x * torch.cos(w * gap) + (v + RATE * x) / w * torch.sin(w * gap))
    assert torch.allclose(later, truth[:, 1:, 0], atol=1e-5)
    assert not times[0].equal(times[1])
    assert float(data.unseen.values.isnan().float().mean()) == pytest.approx(0.19, abs=0.03)


def test_the_encoder_sees_the_first_half_of_the_window(data):
    seen = beginning(data.unseen)
    late = data.unseen.times >= WINDOW / 2
    assert seen[:, 1:][late[:, 1:]].isnan().all()
    early = ~late[..., None] & data.unseen.observed
    assert seen[early].equal(data.unseen.values[early])


def test_rivals_go_on_as_their_names_say():
    """One series: 1 at 0, missing at 1, 3 at 2, then nothing; a second channel that was seen once."""
    nan = torch.nan
    times = torch.tensor([[0.0, 1.0, 2.0, 4.0]])
    seen = torch.tensor([[[1.0, 5.0], [nan, nan], [3.0, nan], [nan, nan]]])
    guesses = simple(times, seen)
    assert guesses["last value"][0, 3].tolist() == [3.0, 5.0]
    assert guesses["line"][0, 3].tolist() == [5.0, 5.0]
    assert guesses["mean"][0, 3].tolist() == [2.0, 5.0]


def test_the_rate_is_that_of_the_equation(data):
    times = torch.linspace(0, WINDOW, 31)
    turn = torch.tensor([[0.0, 1.0], [-(FREQUENCY**2), -2 * RATE]])
    flow = torch.stack([torch.linalg.matrix_exp(t * turn) for t in times])
    starts = torch.randn(4000, 2, generator=torch.Generator().manual_seed(0))
    paths = torch.einsum("tij,bj->bti", flow, starts)
    assert decay_rate(times, paths) == pytest.approx(RATE, abs=0.03)


def test_bad_settings_get_one_clear_error():
    with pytest.raises(InvalidArgument, match="variants must hold different entries"):
        experiments.get("decaying_latent_ode").configure("smoke", variants=())
