"""Estimated derivatives: exact where the spline is, as smooth as the noise asks, and integrals instead of them."""

import numpy as np
import pytest

from limitlab.discovery.symbolic.sparse.derivatives import estimated_slopes, weak_form
from limitlab.errors import InvalidArgument

TIMES = np.linspace(0.0, 10.0, 101)
WAVE = np.stack([np.sin(TIMES), np.cos(2 * TIMES)], axis=1)
SLOPE = np.stack([np.cos(TIMES), -2 * np.sin(2 * TIMES)], axis=1)[6:-6]


@pytest.mark.parametrize(("method", "sigma", "bound"), [("spline", 0.0, 1e-4), ("differences", None, 2e-2)])
def test_derivatives_of_clean_waves(method, sigma, bound):
    slopes = estimated_slopes(TIMES, WAVE, method=method, sigma=sigma)
    assert abs(slopes.derivatives - SLOPE).max() < bound


def test_a_spline_as_smooth_as_the_noise_halves_the_error_of_differences():
    noisy = WAVE + 0.02 * np.random.default_rng(0).normal(size=WAVE.shape)
    for sigma in (0.02, None):
        smooth = estimated_slopes(TIMES, noisy, sigma=sigma).derivatives - SLOPE
        rough = estimated_slopes(TIMES, noisy, method="differences").derivatives - SLOPE
        assert 2 * np.sqrt(np.mean(smooth**2)) < np.sqrt(np.mean(rough**2))


def test_residuals_are_as_large_as_the_noise_that_is_named():
    noisy = WAVE + 0.05 * np.random.default_rng(1).normal(size=WAVE.shape)
    slopes = estimated_slopes(TIMES, noisy, sigma=0.05, trim=0.0)
    assert np.sqrt(np.mean((slopes.states - noisy) ** 2, axis=0)) == pytest.approx([0.05, 0.05], rel=1e-3)


def test_samples_stand_one_below_the_other_and_lose_both_ends():
    both = estimated_slopes(TIMES, np.stack([WAVE, 2 * WAVE]), sigma=0.0)
    one = estimated_slopes(TIMES, 2 * WAVE, sigma=0.0)
    assert both.states.shape == (178, 2)
    np.testing.assert_array_equal(both.derivatives[89:], one.derivatives)


def test_integration_by_parts_is_exact_on_even_times():
    weak = weak_form(TIMES, windows=30, width=0.3)
    assert abs(weak.moved @ WAVE - weak.kept @ np.stack([np.cos(TIMES), -2 * np.sin(2 * TIMES)], axis=1)).max() < 1e-6


@pytest.mark.parametrize(
    ("times", "states", "message"),
    [
        (TIMES[::-1], WAVE, "increasing"),
        (TIMES[:5], WAVE[:5], "8 or more"),
        (TIMES, WAVE[:50], "states must be"),
        (TIMES, np.where(WAVE > 0.99, np.nan, WAVE), "finite"),
    ],
)
def test_what_is_no_trajectory_is_refused(times, states, message):
    with pytest.raises(InvalidArgument, match=message):
        estimated_slopes(times, states)


def test_windows_narrower_than_the_steps_are_refused():
    with pytest.raises(InvalidArgument, match="6 steps"):
        weak_form(TIMES, width=0.02)
