import pytest
import torch

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.training import Recipe, descent, fit, fixed


def squared(model, batch):
    return {"squared": model(batch["x"]).square().mean()}


BATCHES = fixed(x=torch.ones(4, 1, dtype=torch.float64))
ADAM = descent(squared, BATCHES, 30, 1e-2, optimizer="adam")


def line():
    torch.manual_seed(0)
    return torch.nn.Linear(1, 1).double()


def test_phases_share_loss_and_batches_and_add_their_steps():
    other = fixed(x=torch.zeros(2, 1, dtype=torch.float64))
    both = ADAM.then(20, optimizer="lbfgs").then(10, 0.5, optimizer="sgd", batches=other)
    assert both.steps == 60
    assert [phase.steps for phase in both.phases] == [30, 20, 10]
    assert [phase.optimizer for phase in both.phases] == ["adam", "lbfgs", "sgd"]
    assert [phase.batches for phase in both.phases] == [BATCHES, BATCHES, other]
    assert {phase.loss for phase in both.phases} == {squared}
    assert both.phases[0] == ADAM


def test_the_schedule_of_a_phase_is_that_of_its_own_steps():
    recipe = Recipe(squared, BATCHES, 10, 1e-2, schedule="cosine").then(10, 1e-2, optimizer="adam", schedule="cosine")
    rates = [progress.learning_rate for progress in fit(line(), recipe, device="cpu")]
    assert rates[:10] == rates[10:]
    assert rates[0] == 1e-2 > rates[9]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ADAM.then(0), "steps"),
        (lambda: ADAM.then(5, optimizer="lbfgz"), "did you mean 'lbfgs'"),
        (lambda: ADAM.then(5, evaluate=lambda model, fresh: {}), "evaluate belongs to the whole training"),
        (lambda: ADAM.then(5, clip=1.0), "clip must be None with a quasi-Newton"),
        (lambda: ADAM.then(5, batches=lambda model: BATCHES, renew_every=2), "renew_every must be None"),
        (lambda: ADAM.then(5, optimizer="adam", renew_every=2), "renew_every needs batches that a function"),
        (lambda: ADAM.then(5, schedule="cosine"), "schedule must be 'constant'"),
        (lambda: Recipe(squared, BATCHES, 5, 1.0, "ssbfgs"), "schedule must be 'constant'"),
        (lambda: Recipe(squared, BATCHES, 5, 1.0, "lbfgs", schedule="constant"), "weight_decay must be 0"),
        (lambda: Recipe(squared, BATCHES, 5, later=(ADAM,)), "steps are those of all phases; got 5, 30"),
        (lambda: Recipe(squared, BATCHES, 5, later=("adam",)), "later must be a tuple of recipes"),
        (lambda: Recipe(squared, BATCHES, 5, optimizer=torch.optim.Adam), "weight_decay must be 0"),
        (lambda: Recipe(squared, BATCHES, 5, optimizer=3), "unknown optimizer 3"),
        (lambda: Recipe(squared, 3, 5), r"batches must have \.batch"),
    ],
)
def test_what_does_not_go_together_is_refused(make, message):
    with pytest.raises(InvalidArgument, match=message):
        make()


def test_unknown_optimizer_is_answered_with_the_known_ones():
    with pytest.raises(UnknownName, match="known: adam, adamw, bfgs, lbfgs, natural_gradient, sgd"):
        Recipe(squared, BATCHES, 5, optimizer="newton")


def test_an_optimiser_that_a_function_makes_trains_as_the_named_one():
    models = []
    for optimizer in ("adam", lambda groups, lr: torch.optim.Adam(groups, lr=lr)):
        models.append(line())
        list(fit(models[-1], descent(squared, BATCHES, 10, 1e-2, optimizer=optimizer), device="cpu"))
    assert torch.equal(*(model.weight for model in models))
