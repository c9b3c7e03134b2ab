"""The weight at which the misfit is the noise."""

import pytest
import torch
from scipy.interpolate import make_smoothing_spline

from limitlab.discovery import pinn
from limitlab.discovery.pinn.discrepancy import DiscrepancyNotMet, cross_validated, discrepancy
from limitlab.errors import InvalidArgument


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("variance", [0.05, 1.0, 30.0])
def test_misfit_comes_to_the_variance_within_a_fifth(power, variance):
    found = discrepancy(lambda weight: weight**power, variance, trials=12)
    assert found.misfit == pytest.approx(variance, rel=0.2)
    assert found.weight == pytest.approx(variance ** (1 / power), rel=0.5)
    assert found.tried[-1] == (found.weight, found.misfit)


def test_misfit_that_never_comes_there_is_said():
    with pytest.warns(DiscrepancyNotMet, match="at best"):
        found = discrepancy(lambda weight: 5.0 + weight * 1e-6, 1.0, trials=4)
    assert len(found.tried) == 4


def smoothed(weight, learned, left_out):
    """Error on what was left out of a smoothing spline with this weight of its roughness."""
    order = learned.points[0, :, 0].argsort()
    spline = make_smoothing_spline(learned.points[0, order, 0].numpy(), learned.values[0, order, 0].numpy(), lam=weight)
    return float(((left_out.values[0, :, 0].numpy() - spline(left_out.points[0, :, 0].numpy())) ** 2).mean())


def noisy_sine(noise):
    t = torch.linspace(0, 1, 60, dtype=torch.float64)[:, None]
    return pinn.Measurements(t[None], torch.sin(2 * torch.pi * t)[None]).noisy(noise, seed=0)


def test_validation_smooths_more_where_there_is_more_noise():
    """Against the truth, which validation never sees: the chosen weight is within a half of the best error."""
    weights = [10.0**k for k in range(-12, 1)]
    chosen = {noise: cross_validated(smoothed, noisy_sine(noise), weights) for noise in (1e-3, 0.5)}
    assert chosen[1e-3].weight < chosen[0.5].weight
    truth = noisy_sine(0.0)
    risks = {w: smoothed(w, noisy_sine(0.5), truth) for w in weights}
    assert risks[chosen[0.5].weight] < 1.5 * min(risks.values())
    assert len(chosen[0.5].tried) == len(weights)


def test_every_point_is_left_out_once_and_learned_from_otherwise():
    seen = noisy_sine(0.1)
    pairs = seen.folds(5, seed=3)
    left_out = torch.cat([rest.points[0, :, 0] for _, rest in pairs]).sort()[0]
    assert torch.equal(left_out, seen.points[0, :, 0])
    for learned, rest in pairs:
        assert not set(learned.points[0, :, 0].tolist()) & set(rest.points[0, :, 0].tolist())
        assert learned.points.shape[1] + rest.points.shape[1] == 60


def test_bad_weights_are_named():
    with pytest.raises(InvalidArgument, match="weights"):
        cross_validated(smoothed, noisy_sine(0.1), ())


@pytest.mark.parametrize("arguments", [{"variance": 0.0}, {"variance": 1.0, "low": 2.0, "high": 1.0}])
def test_bad_arguments_are_named(arguments):
    with pytest.raises(InvalidArgument):
        discrepancy(lambda weight: weight, **arguments)
