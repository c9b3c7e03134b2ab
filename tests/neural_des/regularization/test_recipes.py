"""A recipe with one term more: the schedule, twins that see the same batches, resumed trainings, loud refusals."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from limitlab.errors import InvalidArgument
from limitlab.neural_des.ode import MLPField, NeuralODE
from limitlab.neural_des.regularization import (
    Global,
    Local,
    RegularizedODE,
    Steer,
    Taylor,
    Unregularized,
    exponential,
    regularized,
)
from limitlab.training import Recipe, fit, fixed


class Classifier(nn.Module):
    """A layer with a linear head behind it."""

    def __init__(self, regularization, seed=0, **options):
        super().__init__()
        field = MLPField(2, width=8, seed=seed).double()
        ode = NeuralODE(field, rtol=1e-4, atol=1e-4, shared_steps=True, **options)
        self.flow = RegularizedODE(ode, regularization)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.head = nn.Linear(2, 1).double()

    def forward(self, x):
        return self.head(self.flow(x))


def squared(model, batch):
    return {"squared": (model(batch["x"]) - batch["y"]).square().mean()}


def recipe(steps=6, weight=None, seed=0):
    x = torch.randn(16, 2, generator=torch.Generator().manual_seed(1)).double()
    y = x.square().sum(1, keepdim=True)
    plain = Recipe(squared, fixed(x=x, y=y), steps, 1e-2, "adam", weight_decay=0.0, schedule="constant")
    return plain if weight is None else regularized(plain, weight, seed=seed)


def trained(kind, weight, **options):
    model = Classifier(kind, **options)
    losses = [step.losses for step in fit(model, recipe(weight=weight), device="cpu")]
    return model, losses


def test_the_schedule_goes_from_first_to_last():
    weight = exponential(100.0, 0.5, 40)
    values = [weight(step) for step in range(41)]
    assert values[0] == pytest.approx(100, abs=1e-12)
    assert values[-1] == pytest.approx(0.5, abs=1e-12)
    assert all(a > b for a, b in pairwise(values))
    assert {exponential(3.0, 3.0, 10)(step) for step in range(11)} == {3.0}
    assert exponential(0.0, 0.0, 10)(4) == 0.0
    with pytest.raises(InvalidArgument, match="both be positive"):
        exponential(1.0, 0.0, 10)


@pytest.mark.parametrize("kind", [Global(), Local("unbiased"), Local("biased")], ids=["global", "unbiased", "biased"])
def test_a_weight_of_zero_is_the_plain_training_to_the_bit(kind):
    plain = Classifier(Unregularized())
    for _ in fit(plain, recipe(), device="cpu"):
        pass
    model, losses = trained(kind, exponential(0.0, 0.0, 6))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), plain.parameters(), strict=True))
    assert losses[-1]["regularization"] == 0


@pytest.mark.parametrize("kind", [Global(), Local("unbiased"), Local("biased"), Taylor(2)])
def test_a_weight_moves_the_weights_and_the_same_seed_moves_them_the_same(kind):
    first, second, plain = (trained(kind, exponential(w, w, 6))[0] for w in (1.0, 1.0, 0.0))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.flow.ode.field.layers[0].weight, plain.flow.ode.field.layers[0].weight)


@pytest.mark.parametrize("gradient", ["direct", "checkpoint", "adjoint"])
def test_local_regularisation_takes_any_gradient_of_the_solve(gradient):
    """The weights after some steps agree to the accuracy of that gradient."""
    reference, _ = trained(Local("biased"), exponential(1.0, 1.0, 6))
    model, _ = trained(Local("biased"), exponential(1.0, 1.0, 6), gradient=gradient)
    pairs = zip(model.parameters(), reference.parameters(), strict=True)
    assert max(float((a - b).abs().max()) for a, b in pairs) < 1e-3


def test_ends_are_drawn_anew_at_every_step():
    model = Classifier(Steer(0.5))
    ends = [
        float(model.flow.last.solution.t[-1]) for _ in fit(model, recipe(weight=exponential(0, 0, 6)), device="cpu")
    ]
    assert len(set(ends)) == 6
    assert all(0.5 <= end <= 1.5 for end in ends)


def test_draws_depend_on_seed_and_step_alone():
    one, same, other = (recipe(weight=exponential(1, 1, 6), seed=seed).batches for seed in (0, 0, 1))
    assert [one.batch(k)["draw"] for k in range(4)] == [same.batch(k)["draw"] for k in range(4)]
    assert one.batch(2)["draw"] != other.batch(2)["draw"]
    # every process sees the same draw
    assert one.batch(3)["draw"] == recipe(weight=exponential(1, 1, 6)).batches.batch(3)["draw"]


def test_batches_that_a_model_makes_get_their_draws_too():
    plain = recipe()
    made = Recipe(squared, lambda model: plain.batches, 3, 1e-2, "adam", weight_decay=0.0, schedule="constant")
    model = Classifier(Local())
    assert len(list(fit(model, regularized(made, exponential(1, 1, 3)), device="cpu"))) == 3


def twice(model, batch):
    return {"squared": (model(batch["x"]) + model(batch["x"])).square().mean()}


@pytest.mark.parametrize(
    ("model", "loss", "message"),
    [
        (nn.Linear(2, 1).double(), squared, "no RegularizedODE"),
        (Classifier(Global()), twice, "once, in training mode"),
    ],
)
def test_layers_that_would_be_missed_are_refused(model, loss, message):
    x = torch.ones(4, 2).double()
    plain = Recipe(loss, fixed(x=x, y=x[:, :1]), 2, 1e-2, "adam", weight_decay=0.0, schedule="constant")
    with pytest.raises(InvalidArgument, match=message):
        list(fit(model, regularized(plain, exponential(1, 1, 2)), device="cpu"))


def test_phases_are_regularised_one_by_one():
    with pytest.raises(InvalidArgument, match="one phase"):
        regularized(recipe().then(3, optimizer="lbfgs"), exponential(1, 1, 6))
