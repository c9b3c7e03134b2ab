"""Latent SDEs: the bound by its parts, each against another method; gaps; what cannot be trained is refused."""

import pytest
import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from limitlab.errors import InvalidArgument
from limitlab.neural_des.sde import LatentSDE, evidence_loss, path_divergence

TIMES = torch.linspace(0, 1, 6, dtype=torch.float64)


def model_of(**options):
    return LatentSDE(2, 3, context=4, width=8, **options).double()


def values_of(batch=5, seed=0):
    return torch.randn(batch, 6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("step_size", [None, 0.05])
def test_the_path_term_is_that_of_girsanov(step_size):
    """Summed afterwards over all steps at once, it is what a solve with one more component accumulates."""
    model = model_of(step_size=step_size)
    frozen = torch.randn(5, 4, dtype=torch.float64)
    model.encode = lambda times, values: frozen[:, None].expand(-1, 6, -1)
    evidence = model(TIMES, values_of(), seed=7)

    def posterior(t, z):
        return model.posterior(t, torch.cat([z, frozen], dim=-1))

    fine = 0.2 if step_size is None else 0.05
    same = path_divergence(
        posterior, model.prior, model.diffusion, evidence.latent[:, 0], TIMES, seed=7, step_size=fine
    )
    assert torch.allclose(same.states, evidence.latent, atol=1e-10)
    assert torch.allclose(same.kl[:, -1], evidence.kl_path, rtol=1e-9)


def test_equal_drifts_have_no_path_term():
    model = model_of()
    model.posterior.forward = lambda t, inputs: model.prior(t, inputs[:, :3])
    assert model(TIMES, values_of(), seed=0).kl_path.abs().max() == 0


def test_the_start_has_the_divergence_of_two_normal_laws():
    model, values = model_of(), values_of()
    with torch.no_grad():
        model.start_mean.normal_()
        model.start_log_deviation.normal_()
    mean, log_deviation = model.to_start(model.encode(TIMES, values)[:, 0]).chunk(2, dim=-1)
    ours = MultivariateNormal(mean, torch.diag_embed((2 * log_deviation).exp()))
    theirs = MultivariateNormal(model.start_mean, torch.diag((2 * model.start_log_deviation).exp()))
    assert torch.allclose(model(TIMES, values, seed=0).kl_start, kl_divergence(ours, theirs), rtol=1e-6)


def test_what_is_missing_has_no_likelihood_and_leaves_no_trace():
    model, values = model_of(), values_of()
    gaps = values.clone()
    gaps[:, 2:4, 1] = torch.nan
    evidence = model(TIMES, gaps, seed=0)
    there = ~gaps.isnan()
    normal = Normal(evidence.reconstruction, model.log_sigma.exp())
    expected = torch.where(there, normal.log_prob(values), 0).sum((1, 2))
    assert torch.allclose(evidence.log_likelihood, expected)
    evidence.log_likelihood.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_the_context_knows_what_is_ahead_alone():
    model, values = model_of(), values_of()
    changed = values.clone()
    changed[:, 2] += 1.0
    before, after = model.encode(TIMES, values), model.encode(TIMES, changed)
    assert torch.equal(before[:, 3:], after[:, 3:])
    assert all(not torch.allclose(before[:, row], after[:, row]) for row in range(3))


def test_weights_of_the_divergence_scale_its_terms():
    model, values = model_of(), values_of()
    batch = {"times": TIMES.expand(5, -1), "values": values, "noise_seed": 3}
    full, half = evidence_loss(model, batch), evidence_loss(model, batch | {"kl_weight": 0.5})
    assert torch.equal(full["misfit"], half["misfit"])
    for term in ("kl_start", "kl_path"):
        assert torch.allclose(half[term], 0.5 * full[term])
        assert full[term] > 0


def test_samples_are_those_of_the_seed_and_have_the_noise_of_the_measurements():
    model = model_of(sigma=0.3)
    quiet, noisy = (model.sample(2000, TIMES, 5, noise=noise) for noise in (False, True))
    assert torch.equal(noisy, model.sample(2000, TIMES, 5))
    assert not torch.equal(noisy, model.sample(2000, TIMES, 6))
    assert abs(float((noisy - quiet).detach().std()) - 0.3) < 0.01


@pytest.mark.parametrize(
    ("times", "values", "message"),
    [
        (TIMES, torch.zeros(3, 6, 1), r"values must be a tensor \(batch, time, 2\)"),
        (torch.stack([TIMES, TIMES + 0.01]), torch.zeros(2, 6, 2), "sample 1 has others"),
        (TIMES[:1], torch.zeros(3, 1, 2), "two times or more; sample 0 has 1"),
        (torch.stack([TIMES, TIMES.flip(0)]), torch.zeros(2, 6, 2), "in sample 1, .* at row 1"),
        (TIMES.clone().index_fill_(0, torch.tensor(3), TIMES[2]), torch.zeros(2, 6, 2), "in sample 0, .* at row 3"),
        (TIMES, torch.stack([torch.zeros(6, 2), torch.full((6, 2), torch.nan)]), "sample 1 has no measurement"),
    ],
)
def test_bad_series_get_one_clear_error(times, values, message):
    with pytest.raises(InvalidArgument, match=message):
        model_of()(times, values.double(), seed=0)
