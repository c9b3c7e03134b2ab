"""The divergence against that of torch, and draws of the law."""

import torch
from torch.distributions import Normal, kl_divergence

from limitlab.neural_des.latent import Posterior


def some_law():
    draws = torch.Generator().manual_seed(0)
    return Posterior(torch.randn(5, 3, generator=draws).double(), torch.randn(5, 3, generator=draws).double())


def test_the_divergence_is_that_of_torch():
    law = some_law()
    peer = kl_divergence(Normal(law.mean, law.log_std.exp()), Normal(0.0, 1.0)).sum(-1)
    assert torch.allclose(law.kl(), peer, atol=1e-6)


def test_draws_have_its_mean_and_deviation_and_their_seed():
    law = some_law()
    many = Posterior(law.mean[0].expand(20_000, 3), law.log_std[0].expand(20_000, 3)).draw(seed=1)
    error = law.log_std[0].exp() / 20_000**0.5
    assert ((many.mean(0) - law.mean[0]).abs() < 4 * error).all()
    assert torch.allclose(many.std(0), law.log_std[0].exp(), rtol=0.03)
    assert law.draw(seed=3).equal(law.draw(seed=3))
    assert not law.draw(seed=3).equal(law.draw(seed=4))
