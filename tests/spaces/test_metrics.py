"""Errors of benchmarks: their scales, what they ignore, and Parseval's sum over bands."""

import math

import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.spaces import Grid, gaussian_field, metrics, spectral_resample

GENERATOR = torch.Generator().manual_seed(0)


def fields(*shape):
    return (torch.randn(*shape, dtype=torch.float64, generator=GENERATOR) for _ in range(2))


def test_scaled_errors_ignore_units_and_vrmse_ignores_an_offset():
    prediction, target = fields(3, 2, 16, 12)
    scaled = metrics.normalised_error(7 * prediction, 7 * target)
    assert torch.allclose(scaled, metrics.normalised_error(prediction, target))
    moved = metrics.variance_scaled_error(7 * prediction + 100, 7 * target + 100, epsilon=0.0)
    assert torch.allclose(moved, metrics.variance_scaled_error(prediction, target, epsilon=0.0))


def test_the_mean_as_a_prediction_has_a_vrmse_of_one_and_a_constant_target_a_finite_one():
    _, target = fields(2, 3, 8, 8)
    mean = target.mean((-2, -1), keepdim=True).expand_as(target)
    assert torch.allclose(metrics.variance_scaled_error(mean, target, epsilon=0.0), torch.ones(2).double())
    assert bool(torch.isfinite(metrics.variance_scaled_error(torch.ones(1, 1, 4), torch.zeros(1, 1, 4))).all())


@pytest.mark.parametrize("shape", [(32,), (24, 25)])
def test_squares_of_the_bands_add_up_to_the_mean_squared_error(shape):
    prediction, target = fields(2, 3, *shape)
    whole = metrics.root_mean_square_error(prediction, target).square()
    assert torch.allclose(metrics.band_errors(prediction, target).square().sum(1), whole)


def test_a_missing_tail_is_an_error_of_the_highest_band_alone():
    grid = Grid.uniform((48, 48))
    target = gaussian_field(grid, 2, 0, alpha=2.0, tau=5.0)[:, None]
    # what is left are the waves with |m_j| <= 12, so that some of the last band are there too
    prediction = spectral_resample(spectral_resample(target, grid, 25), grid.at(25), 48)
    low, middle, high = metrics.band_errors(prediction, target).unbind(1)
    assert float(low.max()) < 1e-14
    assert float(middle.max()) < 1e-14
    assert torch.allclose(high, metrics.root_mean_square_error(prediction, target))


def test_the_boundary_and_the_integral_see_what_they_should():
    grid = Grid.uniform((6, 5), lengths=(2.0, 3.0), kind="nodes")
    error = torch.zeros(1, 1, 6, 5).double()
    error[..., 2, 2] = 5.0
    zero = torch.zeros_like(error)
    assert metrics.boundary_error(error, zero, grid).item() == 0
    assert metrics.boundary_error(error + 2 - 5 * (error > 0), zero, grid).item() == 2
    assert metrics.conserved_error(torch.full_like(error, 0.5), zero, grid).item() == pytest.approx(3.0)


def test_correlation_falls_where_a_wave_has_run_ahead():
    phases = torch.linspace(0, math.pi, 11, dtype=torch.float64)
    x = 2 * math.pi * torch.arange(64, dtype=torch.float64) / 64
    target = torch.sin(x).expand(1, 11, 1, 64)
    prediction = torch.sin(x - phases[:, None])[None, :, None]
    assert torch.allclose(metrics.correlation(prediction, target), torch.cos(phases)[None])
    # cos(0.2 pi) = 0.809, cos(0.3 pi) = 0.588
    assert metrics.correlation_time(prediction, target).tolist() == [3]
    assert metrics.correlation_time(target, target).tolist() == [11]


def test_spectra_do_not_see_where_waves_are():
    _, target = fields(2, 1, 32, 32)
    assert float(metrics.spectrum_distance(target.roll(5, -1), target).max()) < 1e-12
    assert float(metrics.spectrum_distance(target, 0.1 * target).sub(2).abs().max()) < 1e-12


def test_an_exact_prediction_has_a_gradient():
    u = torch.ones(1, 1, 8, requires_grad=True)
    metrics.normalised_error(u, torch.ones(1, 1, 8)).sum().backward()
    assert torch.equal(u.grad, torch.zeros(1, 1, 8))


def test_bad_arguments_are_named():
    one, other = torch.ones(1, 1, 8), torch.ones(1, 1, 4)
    for metric in (metrics.normalised_error, metrics.variance_scaled_error, metrics.band_errors):
        with pytest.raises(InvalidArgument, match="must have one shape"):
            metric(one, other)
    with pytest.raises(InvalidArgument, match="edges must increase"):
        metrics.band_errors(one, one, edges=(12.0, 4.0))
    with pytest.raises(InvalidArgument, match="positive"):
        metrics.rollout_mean(torch.zeros(1, 3))
