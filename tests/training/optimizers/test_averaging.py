"""The running mean of weights: what it is, that it changes nothing before its end, and that a checkpoint holds it."""

import pytest
import torch
from training.toy_training import GRID, ShiftBatches, ShiftNet

from limitlab.errors import InvalidArgument
from limitlab.training import averaged, descent, fit, operator_loss, runs
from limitlab.training.recipe import QUASI_NEWTON

FIRST, LAST = 5, 14


def recipe(optimizer, steps=LAST):
    return descent(operator_loss("l2", GRID), ShiftBatches(), steps, 1e-2, optimizer=optimizer)


def steps_of(optimizer, model, **options):
    """The weights after every step."""
    training = fit(model, recipe(optimizer), device="cpu", seed=0, **options)
    return [[parameter.detach().clone() for parameter in model.parameters()] for _ in training]


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.RMSprop, torch.optim.SGD])
def test_the_last_weights_are_the_mean_of_what_the_optimiser_alone_goes_through(optimizer):
    alone = steps_of(optimizer, ShiftNet())
    mean = steps_of(averaged(optimizer, FIRST, LAST), ShiftNet())
    for before, same in zip(alone[:-1], mean[:-1], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(before, same, strict=True))
    for parameter, *history in zip(mean[-1], *alone[FIRST:], strict=True):
        torch.testing.assert_close(parameter, torch.stack(history).mean(0))
    assert not all(torch.allclose(a, b) for a, b in zip(alone[-1], mean[-1], strict=True))


def test_a_resumed_mean_is_that_of_an_uninterrupted_training(tmp_path):
    optimizer = averaged(torch.optim.Adam, FIRST, LAST)
    whole, resumed = ShiftNet(), ShiftNet()
    steps_of(optimizer, whole)
    run = runs.create(tmp_path, {}, device="cpu")
    training = fit(resumed, recipe(optimizer), run=run, device="cpu", seed=0)
    while next(training).step < 9:
        pass
    training.close()
    steps_of(optimizer, resumed, run=run, resume=True)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


def test_a_weight_without_a_gradient_stays():
    used, unused = (torch.ones(2, requires_grad=True) for _ in range(2))
    optimizer = averaged(torch.optim.Adam, 0, 3)([used, unused], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        used.square().sum().backward()
        optimizer.step()
    assert unused.tolist() == [1.0, 1.0]
    # Adam's steps are of its rate: 0.9, 0.8, 0.7
    torch.testing.assert_close(used.detach(), torch.full((2,), 0.8), rtol=1e-2, atol=0.0)


def test_what_cannot_be_averaged_is_refused():
    with pytest.raises(InvalidArgument, match="first must be a step before last, 5; got 5"):
        averaged(torch.optim.Adam, 5, 5)
    with pytest.raises(InvalidArgument, match="one gradient a step"):
        averaged(QUASI_NEWTON["lbfgs"], 0, 5)([torch.zeros(2, dtype=torch.float64, requires_grad=True)], lr=1.0)
