"""The bound against a case where it is tight, and what its terms leave out."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal, Normal

from limitlab.data import series
from limitlab.errors import InvalidArgument
from limitlab.neural_des.latent import LatentODE, Posterior, annealed, elbo
from limitlab.neural_des.latent.elbo import normal_log_density
from limitlab.training import Recipe, fit


def test_the_log_density_is_that_of_torch():
    values, mean, log_std = torch.randn(3, 4, 2), torch.randn(3, 4, 2), torch.randn(2)
    assert torch.allclose(normal_log_density(values, mean, log_std), Normal(mean, log_std.exp()).log_prob(values))


class Constant(LatentODE):
    """x_i = z + noise: y' = 0, nothing between z and the read-out, and the exact posterior."""

    def encode(self, times, values):
        # n measurements of N(z, s^2) with z ~ N(0, 1)
        precision = 1 + values.shape[1] / (2 * self.log_std).exp()
        mean = values.sum(1) / (2 * self.log_std).exp() / precision
        return Posterior(mean, -0.5 * precision.log().expand_as(mean))

    def decode(self, z, times, lengths=None):
        return z[:, None].expand(-1, times.shape[1], -1)


def test_with_the_exact_posterior_the_bound_is_the_evidence():
    """Then it holds for every draw on average, and the evidence is normal with covariance s^2 I + 1 1^T."""
    model, count = Constant(channels=1, latent=1), 5
    values = torch.randn(1, count, 1)
    noise = (2 * model.log_std).exp().detach()
    evidence = MultivariateNormal(torch.zeros(count), noise * torch.eye(count) + 1).log_prob(values[0, :, 0])
    times = torch.linspace(0, 1, count)
    many = {"times": times.expand(20_000, -1), "values": values.expand(20_000, -1, -1)}
    torch.manual_seed(0)
    bound = -sum(elbo(model, many).values())
    assert float(bound.detach()) == pytest.approx(float(evidence), abs=0.05)


def test_missing_values_have_no_term():
    data = series([0.0, 1.0, 2.0], [[[1.0], [torch.nan], [2.0]]])
    model = LatentODE(1, 2, 8)
    with torch.no_grad():
        model.to_law.weight.zero_()
        model.to_law.bias.copy_(torch.tensor([0.5, -0.5, -30.0, -30.0]))
    # the law is a point: draws are its mean
    expected = model(data.times, data.values)
    seen = Normal(expected[0, [0, 2], 0], model.log_std.exp()).log_prob(torch.tensor([1.0, 2.0]))
    assert torch.allclose(elbo(model, data.batches(1).batch(0))["misfit"], -seen.sum(), rtol=1e-5)


def test_the_weight_of_the_divergence_rises_and_multiplies_it_alone():
    data = series([0.0, 1.0], torch.randn(4, 2, 1))
    rising, model = annealed(data.batches(4), over=4), LatentODE(1, 2, 8)
    terms = []
    for step in (0, 3, 50):
        torch.manual_seed(0)
        terms.append(elbo(model, rising.batch(step) | {"values": data.values, "times": data.times}))
    kl = [float(term["kl"].detach()) for term in terms]
    assert kl[0] == pytest.approx(kl[2] / 4, rel=1e-5)
    assert kl[1] == pytest.approx(kl[2], rel=1e-5)
    assert terms[0]["misfit"].equal(terms[2]["misfit"])


def test_training_learns_the_noise_of_the_measurements():
    """Levels with noise of deviation 0.2, by a model whose posterior is exact at every log_std."""
    draws = torch.Generator().manual_seed(0)
    level = torch.randn(256, 1, 1, generator=draws)
    data = series(torch.linspace(0, 1, 8), level + 0.2 * torch.randn(256, 8, 1, generator=draws))
    model = Constant(channels=1, latent=1)
    recipe = Recipe(elbo, annealed(data.batches(256), over=1), steps=150, learning_rate=3e-2, weight_decay=0.0)
    list(fit(model, recipe, device="cpu"))
    # 256 x 7 degrees of freedom, and the noise of the draws
    assert float(model.log_std.exp().detach()) == pytest.approx(0.2, rel=0.05)


def test_another_model_is_refused():
    with pytest.raises(InvalidArgument, match="elbo trains a LatentODE, in one process; got Linear"):
        elbo(torch.nn.Linear(1, 1), {})
    with pytest.raises(InvalidArgument, match="over must be a whole number >= 1"):
        annealed(series([0.0, 1.0], torch.zeros(1, 2, 1)).batches(1), over=0)
    assert math.isfinite(float(Posterior(torch.zeros(1, 1), torch.zeros(1, 1)).kl()))
