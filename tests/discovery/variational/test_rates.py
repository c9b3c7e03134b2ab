"""Errors of n random cosines fall like n^(-1/2), in two dimensions and in fifty."""

import pytest
import torch

from limitlab import fits
from limitlab.discovery import variational as v


@pytest.mark.parametrize("dimension", [2, 10, 50])
def test_random_features_have_the_monte_carlo_rate(dimension):
    errors = v.random_feature_errors(dimension)
    slope = fits.loglog_slope(errors["units"].values, errors["error"].values)
    assert -0.56 < slope < -0.44
    assert float(errors["error"][0]) == pytest.approx(0.09, rel=0.35)


def test_drawn_waves_stay_within_the_bound_of_maurey():
    """E |u - u_n|^2 <= A^2/n with A = sum |c|, over 200 draws of 50 waves."""
    u = v.semilinear(v.wave_sum(4), 30.0)
    squares = torch.tensor([(v.sampled(u, 50, seed=s) - u).norm(order=0) ** 2 for s in range(200)])
    assert squares.mean() <= u.largest() ** 2 / 50
    mean = v.sampled(u, 200_000, seed=1) - u
    assert mean.norm(order=0) < 3 * u.largest() / 200_000**0.5
