"""Interpolation: weights of times alone, a bound that is the likelihood where it must be, gaps without a trace."""

import pytest
import torch
from torch.distributions import Normal

import limitlab as ll
from limitlab.data import damped_oscillators
from limitlab.errors import InvalidArgument
from limitlab.neural_des.stable_sde import (
    Architecture,
    PathBatches,
    SeriesInterpolation,
    TimeAttention,
    importance_bound,
    path_through,
)
from limitlab.neural_des.stable_sde.interpolation import interpolation
from limitlab.training import descent, fit


def model_of(kind="lsde", **options):
    width = options.pop("width", 8)
    sizes = {"latent": 3, "references": 6, "step_size": 0.1, **options}
    return SeriesInterpolation(kind, 3, Architecture(width=width), **sizes)


@pytest.fixture
def whole():
    return damped_oscillators(6, 12, seed=1)


@pytest.fixture
def path(whole):
    return path_through(whole.dropped(0.5, seed=2))


def test_weights_add_up_to_one_and_leave_a_constant_as_it_is():
    attention, at, references = TimeAttention(8, seed=1), torch.rand(4, 7), torch.linspace(0, 1, 5)
    weights = attention.weights(at, references)
    assert weights.min() > 0
    assert torch.allclose(weights.sum(-1), torch.ones(4, 7))
    constant = torch.randn(4, 1, 3).expand(-1, 5, -1)
    assert torch.allclose(attention(at, references, constant), constant[:, :1].expand(-1, 7, -1), atol=1e-6)
    # a time has its weights, whatever else is asked
    assert torch.allclose(attention.weights(at[:1, 3:4], references), weights[:1, 3:4], atol=1e-6)


def test_with_the_prior_as_the_posterior_the_bound_is_the_likelihood_of_the_draws(whole, path):
    """mu = 0 and d = 1 make log q/p zero: what is left is -log of the mean of p(x | u) over the draws."""
    model = model_of()
    with torch.no_grad():
        for parameter in model.encoder.head.parameters():
            parameter.zero_()
    batch = {"knots": path.knots, "coefficients": path.coefficients, "target": whole.values, "at": whole.times}
    torch.manual_seed(3)
    bound = interpolation(model, batch, draws=4)["bound"]
    torch.manual_seed(3)
    law = model.law(path)
    assert (law.mean == 0).all()
    assert (law.stddev == 1).all()
    u = law.rsample((4,))
    likelihood = torch.stack(
        [Normal(model.decode(each, whole.times), model.std).log_prob(whole.values).sum((1, 2)) for each in u]
    )
    assert float(bound.detach()) == pytest.approx(
        float(importance_bound(likelihood, torch.zeros(4, 6)).detach()), rel=1e-5
    )


def test_what_is_missing_of_the_target_has_no_term(whole, path):
    batch = {"knots": path.knots, "coefficients": path.coefficients, "at": whole.times}
    gaps = whole.values.clone()
    gaps[:, 3:5, 1] = torch.nan
    losses = []
    for filled in (0.0, 100.0):
        # what the missing values were does not matter; that they are left out does
        torch.manual_seed(0)
        losses.append(float(interpolation(model_of(), {**batch, "target": gaps.nan_to_num(filled)})["bound"].detach()))
    torch.manual_seed(0)
    loss = interpolation(model_of(), {**batch, "target": gaps})["bound"]
    assert loss.isfinite()
    assert float(loss.detach()) < min(losses)


@pytest.mark.parametrize("kind", ["lsde", "gsde"])
def test_it_is_asked_at_any_time_and_every_sample_alone(kind, whole, path):
    model, asked = model_of(kind), torch.rand(6, 9, generator=torch.Generator().manual_seed(0))
    together = model(path, asked, noise=4)
    assert together.shape == (6, 9, 2)
    first = path_through(whole.dropped(0.5, seed=2).take(torch.arange(2)))
    assert torch.allclose(model(first, asked[:2], noise=4), together[:2], atol=1e-5)
    assert torch.allclose(model(path, asked[:, 3:4], noise=4), together[:, 3:4], atol=1e-5)
    assert not torch.allclose(model(path, asked, noise=5), together)


def test_every_parameter_gets_a_gradient_and_a_few_series_are_learned(whole, path):
    model = model_of(width=16)
    batches = PathBatches(path, size=6, shuffle=False, target=whole.values, at=whole.times)
    interpolation(model, batches.batch(0))["bound"].backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []
    losses = [step.loss for step in fit(model, descent(interpolation, batches, 40, 1e-2, optimizer="adam", clip=1.0))]
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])


def test_a_file_has_it_back(tmp_path, whole, path):
    model = model_of()
    again = ll.load(model.save(tmp_path))
    assert torch.equal(again(path, whole.times, noise=1), model(path, whole.times, noise=1))


def test_sizes_that_make_no_sense_are_refused():
    with pytest.raises(InvalidArgument, match="references must be"):
        model_of(references=1)
    with pytest.raises(InvalidArgument, match="std must be"):
        model_of(std=0.0)
    with pytest.raises(InvalidArgument, match=r"interpolation trains a SeriesInterpolation.*Linear"):
        interpolation(torch.nn.Linear(1, 1), {})
