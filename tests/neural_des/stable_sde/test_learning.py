"""Losses and predictions: what a forecast sees, averages over draws, divergence that is marked, the bound of draws."""

import math

import pytest
import torch

from limitlab.data import damped_oscillators, series
from limitlab.errors import InvalidArgument
from limitlab.neural_des.stable_sde import (
    Architecture,
    PathBatches,
    Prediction,
    StableSDE,
    classification,
    forecasting,
    importance_bound,
    known_until,
    path_through,
    predict,
    until_diverged,
)
from limitlab.training import descent, fit


def small(kind="lsde", bound="coefficient", outputs=3, **options):
    return StableSDE(kind, 3, outputs, Architecture(width=6, bound=bound), **{"step_size": 0.05, **options})


def batches(size=9):
    drawn = damped_oscillators(9, 12, seed=1)
    return PathBatches(path_through(drawn), size=size, shuffle=False, label=drawn.labels)


@pytest.mark.parametrize("kind", ["lsde", "gsde"])
def test_a_class_learns_a_few_oscillators_by_heart(kind):
    net = small(kind)
    recipe = descent(classification, batches(), 60, 5e-2, optimizer="adam", clip=1.0)
    losses = [progress.loss for progress in fit(net, recipe, device="cpu")]
    assert losses[0] == pytest.approx(math.log(3), abs=0.3)
    assert min(losses[-10:]) < 0.75 * losses[0]


def test_a_batch_may_lack_a_class():
    batch = batches().batch(0)
    rows = batch["label"] < 2
    part = {name: tensor[rows] for name, tensor in batch.items()}
    assert classification(small(), part)["cross_entropy"].isfinite()


def test_euler_sees_the_left_end_of_a_step_and_a_higher_order_sees_inside_it():
    """The pitfall: with the answer x(t_1) in the path, SRK's read-out at t_1 moves with it, Euler's does not."""
    values = torch.randn(4, 3, 2, generator=torch.Generator().manual_seed(0))
    other = values.clone()
    other[:, 1:] += 1.0
    times, at = torch.tensor([0.0, 0.5, 1.0]), torch.tensor([0.0, 0.5], dtype=torch.float64)
    for method, sees in (("euler_maruyama", False), ("sra1", True)):
        net = small(method=method, step_size=0.5)
        first, second = (net(path_through(series(times, x)), at, noise=1)[:, 1] for x in (values, other))
        assert first.equal(second) is not sees
        cut = [net(path_through(known_until(series(times, x), 0.25)), at, noise=1)[:, 1] for x in (values, other)]
        assert cut[0].equal(cut[1])


def test_a_forecast_is_the_mean_square_where_something_was_measured():
    net, path = small(outputs=2), path_through(damped_oscillators(9, 12, seed=1))
    at = torch.tensor([0.5, 1.0], dtype=torch.float64)
    target = torch.randn(9, 2, 2, generator=torch.Generator().manual_seed(0))
    target[3, 1, 0] = torch.nan
    batch = {"knots": path.knots, "coefficients": path.coefficients, "target": target, "at": at}
    torch.manual_seed(4)
    loss = forecasting(net, batch)["mse"]
    torch.manual_seed(4)
    predicted = net(path, torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64))[:, 1:].detach()
    assert float(loss.detach()) == pytest.approx(float((predicted - target).square().nanmean()), rel=1e-5)


def test_a_training_that_diverges_is_marked_and_learns_no_more():
    net = small("gsde", "none")
    with torch.no_grad():
        net.dynamics.gamma[-1].bias.fill_(2.0)
        net.dynamics.gamma[-1].weight.mul_(100)
    guess = {"cross_entropy": math.log(3)}
    recipe = descent(until_diverged(classification, guess), batches(), 4, 1e-2)
    before = [parameter.clone() for parameter in net.parameters()]
    losses = [progress.loss for progress in fit(net, recipe, device="cpu")]
    assert losses == pytest.approx([math.log(3)] * 4)
    assert net.diverged is not None
    assert 0 <= net.diverged.sample < 9
    assert all(a.equal(b) for a, b in zip(before, net.parameters(), strict=True))
    again = small("gsde", "none")
    again.load_state_dict(net.state_dict())
    assert again.diverged == net.diverged
    # every one of its samples counts as wrong
    path = path_through(damped_oscillators(9, 12, seed=1))
    predicted = predict(net, path, draws=2)
    assert predicted.diverged.all()
    assert predicted.accuracy(torch.zeros(9).long()) == 0.0


def test_predictions_are_averages_of_draws_that_repeat():
    net, path = small(), path_through(damped_oscillators(9, 12, seed=1))
    first, again, other = predict(net, path, 4, seed=1), predict(net, path, 4, seed=1), predict(net, path, 4, seed=2)
    assert first.draws.equal(again.draws)
    assert not first.draws.equal(other.draws)
    assert torch.allclose(first.draws.sum(-1), torch.ones(4, 9))
    assert (first.spread > 0).all()
    assert first.accuracies(torch.zeros(9).long()).shape == (4,)


def test_more_draws_vary_less():
    """The deviation of a mean of 32 independent draws is 1/sqrt(32) of that of one."""
    net, path = small(), path_through(damped_oscillators(9, 12, seed=1))
    draws = predict(net, path, 1024, seed=1).draws.double()
    means = draws.unflatten(0, (32, 32)).mean(1)
    ratio = (means.var(0) / draws.var(0)).mean().sqrt()
    assert float(ratio) == pytest.approx(32**-0.5, rel=0.2)


def test_a_sample_of_which_one_draw_diverged_is_wrong():
    drawn = torch.tensor([[[0.9, 0.1], [0.9, 0.1]], [[0.8, 0.2], [torch.nan, torch.nan]]])
    predicted = Prediction(drawn)
    assert predicted.diverged.tolist() == [False, True]
    assert predicted.accuracy(torch.tensor([0, 0])) == 0.5
    assert predicted.accuracies(torch.tensor([0, 0])).tolist() == [1.0, 0.5]


def test_the_bound_is_the_evidence_where_the_draws_come_from_the_posterior():
    """z ~ N(0, 1), x = z + N(0, 1): with q the posterior, log p(x|z) - log q/p is log p(x) for every draw."""
    x, generator = torch.tensor([0.3, -1.2]).double(), torch.Generator().manual_seed(0)
    posterior = torch.distributions.Normal(x / 2, torch.full_like(x, 0.5**0.5))
    z = x / 2 + 0.5**0.5 * torch.randn(7, 2, generator=generator).double()
    prior, noise = torch.distributions.Normal(torch.zeros_like(z), 1.0), torch.distributions.Normal(z, 1.0)
    bound = importance_bound(noise.log_prob(x), posterior.log_prob(z) - prior.log_prob(z))
    evidence = torch.distributions.Normal(torch.zeros_like(x), 2**0.5).log_prob(x).mean()
    assert float(bound) == pytest.approx(-float(evidence), rel=1e-9)


def test_the_bound_falls_with_the_draws_and_never_below_the_evidence():
    x, generator = torch.full((4000,), 1.0).double(), torch.Generator().manual_seed(0)
    bounds = []
    for draws in (1, 5, 50):
        z = torch.randn(draws, 4000, generator=generator).double()
        bounds.append(float(importance_bound(torch.distributions.Normal(z, 1.0).log_prob(x), torch.zeros_like(z))))
    evidence = -float(torch.distributions.Normal(0.0, 2**0.5).log_prob(torch.tensor(1.0)))
    assert bounds[0] > bounds[1] > bounds[2] > evidence - 0.01
    assert bounds[2] == pytest.approx(evidence, abs=0.03)
    with pytest.raises(InvalidArgument, match=r"\(draw, batch\)"):
        importance_bound(torch.zeros(3), torch.zeros(3))
