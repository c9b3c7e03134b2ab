"""Chaotic systems: what their products keep."""

import torch

from limitlab import problems


def test_lorenz_96_without_forcing_and_damping_keeps_its_energy():
    """d/dt sum x^2/2 = F sum x - sum x^2, as the products alone keep sum x^2."""
    problem = problems.get("lorenz_96", sites=7, F=3.0)
    x = problem.sample(4, 0)[0]
    power = (x * problem.field()(torch.zeros(4, 1), x)).sum(-1)
    assert torch.allclose(power, 3.0 * x.sum(-1) - x.square().sum(-1), atol=1e-12)
