"""Girsanov's theorem: exact for constant drifts, a mean of one for others, nothing for equal ones."""

import pytest
import torch

from limitlab.neural_des.sde import path_divergence


def constant(value):
    return lambda t, z: torch.full_like(z, value)


@pytest.mark.parametrize(("f", "h", "s", "span"), [(1.0, -0.5, 0.7, 2.0), (0.3, 0.3, 0.1, 1.0), (-2.0, 1.0, 1.5, 0.5)])
def test_constant_drifts_have_their_divergence_exactly(f, h, s, span):
    """Card 02, (D): 1/2 ((f - h)/s)^2 T, for every component."""
    z0 = torch.zeros(5, 3, dtype=torch.float64)
    divergence = path_divergence(constant(f), constant(h), constant(s), z0, [0.0, span], seed=0, step_size=span / 8)
    expected = 3 * 0.5 * ((f - h) / s) ** 2 * span
    assert torch.allclose(divergence.kl[:, -1], torch.tensor(expected, dtype=torch.float64), rtol=1e-12)


def test_the_ratio_of_constant_drifts_is_that_of_two_normal_laws():
    """z(T) is sufficient: log dP/dQ is the log of the ratio of its densities under the two."""
    f, h, s, span = 1.0, -0.5, 0.7, 2.0
    z0 = torch.zeros(50, 1, dtype=torch.float64)
    divergence = path_divergence(constant(f), constant(h), constant(s), z0, [0.0, span], seed=1, step_size=0.25)
    end = divergence.states[:, -1, 0]
    laws = [torch.distributions.Normal(drift * span, s * span**0.5) for drift in (h, f)]
    assert torch.allclose(divergence.log_ratio[:, -1], laws[0].log_prob(end) - laws[1].log_prob(end), atol=1e-10)


def test_the_mean_of_the_ratio_is_one_within_three_standard_errors():
    """Card 02, (D), for drifts that depend on the state and noise that does too."""

    def posterior(t, z):
        return 0.8 * torch.cos(z) - z + t

    def prior(t, z):
        return 0.3 - z

    def diffusion(t, z):
        return 0.8 + 0.2 * torch.sin(z)

    z0 = torch.zeros(4000, 2, dtype=torch.float64)
    divergence = path_divergence(posterior, prior, diffusion, z0, [0.0, 0.5, 1.0], seed=3, step_size=0.125)
    for moment in (1, 2):
        ratio = divergence.log_ratio[:, moment].exp()
        assert (ratio.mean() - 1).abs() < 3 * ratio.std() / len(ratio) ** 0.5
        # and it says something: the ratio is not one for every path
        assert ratio.std() > 0.1
    # KL(Q || P) is the mean of both -log dP/dQ and 1/2 int |u|^2
    gap = (divergence.kl + divergence.log_ratio)[:, -1]
    assert gap.mean().abs() < 3 * gap.std() / len(gap) ** 0.5


def test_equal_drifts_are_not_apart():
    def drift(t, z):
        return torch.sin(z) + t

    z0 = torch.randn(6, 2, dtype=torch.float64)
    divergence = path_divergence(drift, drift, constant(0.4), z0, [0.0, 1.0], seed=0)
    assert divergence.kl.abs().max() == 0
    assert divergence.log_ratio.abs().max() == 0


def test_noise_that_vanishes_makes_them_infinitely_far_apart():
    """The pitfall: KL grows like s^-2."""
    kl = [
        path_divergence(constant(1.0), constant(0.0), constant(s), torch.zeros(1, 1), [0.0, 1.0], seed=0).kl[0, -1]
        for s in (0.1, 0.01)
    ]
    assert torch.isclose(kl[1] / kl[0], torch.tensor(100.0), rtol=1e-4)
