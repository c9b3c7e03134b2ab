"""Natural gradients: Newton's step where the function is linear in its weights, the damping, and what is refused."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from limitlab.errors import InvalidArgument
from limitlab.training import Recipe, descent, fit, fixed, natural_gradient
from limitlab.training.optimizers.natural_gradient import NaturalGradient

X = torch.linspace(-1, 1, 24, dtype=torch.float64)[:, None]
DATA = fixed(x=X, y=torch.sin(3 * X))


def misfit(model, batch):
    return {"square": (model(batch["x"]) - batch["y"]).square().mean()}


def gram(model, batch):
    rows = (2 / len(batch["x"])) ** 0.5 * model(batch["x"])[:, 0]
    return natural_gradient.gram(list(model.parameters()), rows.split(7))


def cubic():
    """A polynomial of degree 3: linear in its weights."""

    class Cubic(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.tensor([[1.0, -2.0, 0.5, 3.0]], dtype=torch.float64))

        def forward(self, x):
            return x.pow(torch.arange(4)) @ self.weight.T

    return Cubic()


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 6), nn.Tanh(), nn.Linear(6, 1)).double()


def minimised(model, steps, **options):
    optimizer = NaturalGradient(model.parameters(), **options)
    batch, losses = DATA.batch(0), []

    def closure():
        optimizer.zero_grad()
        loss = misfit(model, batch)["square"]
        loss.backward()
        return loss

    while optimizer.ended is None and len(losses) < steps:
        losses.append(float(optimizer.step(closure, lambda: gram(model, batch))))
    return optimizer, losses


def test_one_step_solves_a_least_squares_problem_that_is_linear_in_the_weights():
    model = cubic()
    minimised(model, 1, damping=1e-12)
    solution = torch.linalg.lstsq(X.pow(torch.arange(4)), torch.sin(3 * X)).solution[:, 0]
    torch.testing.assert_close(model.weight[0].detach(), solution, rtol=0, atol=1e-9)


def test_gram_is_the_hessian_of_a_loss_that_is_quadratic_in_the_weights():
    model, batch = cubic(), DATA.batch(0)

    def loss(weights):
        return (X.pow(torch.arange(4)) @ weights - batch["y"][:, 0]).square().mean()

    exact = torch.autograd.functional.hessian(loss, model.weight[0].detach())
    torch.testing.assert_close(gram(model, batch), exact, rtol=1e-12, atol=1e-12)


def test_a_weight_that_no_row_sees_has_zeros():
    seen, unseen = (torch.ones(n, dtype=torch.float64, requires_grad=True) for n in (2, 3))
    matrix = natural_gradient.gram([seen, unseen], [3 * seen])
    assert torch.equal(matrix, torch.diag(torch.tensor([9.0, 9.0, 0.0, 0.0, 0.0], dtype=torch.float64)))


def test_the_loss_falls_at_every_step_and_the_minimum_is_met_in_few():
    optimizer, losses = minimised(network(), 60)
    assert all(after < before for before, after in pairwise(losses))
    assert losses[-1] < 1e-5 * losses[0]
    assert float(optimizer.state[optimizer._trained[0]]["damping"]) < 1e-4


def test_damping_grows_where_the_quadratic_model_lies():
    """exp(-w) against 0 with the curvature of a flat bowl: the full step is too long."""
    w = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = NaturalGradient([w], damping=1e-3)

    def closure():
        optimizer.zero_grad()
        loss = torch.cosh(w).sum() + w.sum()
        loss.backward()
        return loss

    optimizer.step(closure, lambda: torch.full((1, 1), 0.05, dtype=torch.float64))
    assert optimizer.length < 1
    assert float(optimizer.state[w]["damping"]) == pytest.approx(4e-3)


def test_a_matrix_that_rounding_has_made_indefinite_is_damped_until_it_leads_down():
    w = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    optimizer = NaturalGradient([w], damping=1e-12)

    def closure():
        optimizer.zero_grad()
        loss = w.square().sum()
        loss.backward()
        return loss

    before = float(closure().detach())
    loss = optimizer.step(closure, lambda: torch.diag(torch.tensor([3.0, -1e-9], dtype=torch.float64)))
    assert float(loss) < before


def test_a_resumed_training_repeats_an_uninterrupted_one(tmp_path):
    from limitlab.training import runs

    recipe = descent(misfit, DATA, 5, 1e-2, optimizer="adam").then(8, optimizer="natural_gradient", gram=gram)
    whole = network()
    losses = [p.loss for p in fit(whole, recipe, device="cpu")]
    run = runs.create(tmp_path / "run", {}, device="cpu")
    stopped = fit(network(), recipe, device="cpu", run=run)
    for progress in stopped:
        if progress.step == 9:
            stopped.close()
            break
    assert [p.loss for p in fit(network(), recipe, device="cpu", run=run, resume=True)] == losses[9:]


def test_what_it_cannot_use_is_refused():
    with pytest.raises(InvalidArgument, match=r"belong together; got 'natural_gradient' without a gram"):
        descent(misfit, DATA, 5, 1.0, optimizer="natural_gradient")
    with pytest.raises(InvalidArgument, match=r"belong together; got 'lbfgs' and a gram"):
        descent(misfit, DATA, 5, 1.0, optimizer="lbfgs", gram=gram)
    with pytest.raises(InvalidArgument, match="groups must be None with a gram"):
        Recipe(misfit, DATA, 5, groups=lambda model: [{"params": model.parameters()}], gram=gram)
    recipe = descent(misfit, DATA, 5, 1.0, optimizer="natural_gradient", gram=lambda model, batch: torch.eye(3))
    with pytest.raises(InvalidArgument, match=r"a matrix of 19 weights; got shape \(3, 3\)"):
        list(fit(network(), recipe, device="cpu"))
    with pytest.raises(InvalidArgument, match="damping"):
        NaturalGradient(network().parameters(), damping=0.0)
