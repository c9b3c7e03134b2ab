"""Pools of states: what the model moved stays, what must begin anew does, and nothing carries a gradient."""

import math

import pytest
import torch

from limitlab import saved
from limitlab.errors import InvalidArgument
from limitlab.training import Pooled, descent, fit, pool_batches, pool_loss, runs


class Scaled(torch.nn.Module):
    """u -> c u."""

    def __init__(self, factor):
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(float(factor)))

    def forward(self, u):
        return self.factor * u


def halve(after, before):
    return after - 0.5 * before


def bank(samples=64):
    return 1 + torch.rand(samples, 1, 8, generator=torch.Generator().manual_seed(0))


def test_a_stored_pool_has_its_states_once_and_goes_on_from_them(tmp_path):
    pooled = Pooled(torch.nn.Conv1d(1, 1, 1), bank(6))
    moved = {"slot": torch.tensor([4, 1]), "restart": torch.tensor([False, True]), "fresh": bank(2)}
    pool_loss(halve)(pooled, moved)
    path = pooled.save(tmp_path)
    again = saved.load(path)
    assert torch.equal(again.states, pooled.states)
    assert torch.equal(again.norms, pooled.norms)
    assert saved.about(path).arguments["fresh"] == {"tuple": [6, 1, 8]}


def test_slots_that_were_drawn_are_moved_and_the_others_stay():
    pooled = Pooled(Scaled(0.5), bank(6))
    start = pooled.states.clone()
    batch = {"slot": torch.tensor([4, 1]), "restart": torch.tensor([False, False]), "fresh": bank(2)}
    assert float(pool_loss(halve)(pooled, batch)["residual"].detach()) == 0.0
    assert torch.equal(pooled.states[[1, 4]], 0.5 * start[[1, 4]])
    assert torch.equal(pooled.states[[0, 2, 3, 5]], start[[0, 2, 3, 5]])


def test_no_slot_carries_a_gradient():
    pooled = Pooled(Scaled(0.9), bank(6))
    loss = pool_loss(halve, unroll=3)
    for step in range(3):
        loss(pooled, pool_batches(bank(), 6, size=4, lifetime=5.0).batch(step))["residual"].backward()
    assert not pooled.states.requires_grad
    assert pooled.states.grad_fn is None
    assert pooled.model.factor.grad is not None


def test_slots_begin_anew_at_the_rate_that_was_asked_for():
    lifetime, size, steps = 20.0, 8, 1500
    batches = pool_batches(bank(), 16, size=size, lifetime=lifetime)
    restarts = sum(int(batches.batch(step)["restart"].sum()) for step in range(steps))
    mean = steps * size / lifetime
    assert abs(restarts - mean) < 3 * math.sqrt(mean * (1 - 1 / lifetime))


@pytest.mark.parametrize(("factor", "anew"), [(20.0, True), (math.nan, True), (9.0, False)])
def test_a_state_that_blew_up_begins_anew(factor, anew):
    pooled, fresh = Pooled(Scaled(factor), bank(2)), torch.full((2, 1, 8), 7.0)
    batch = {"slot": torch.tensor([0, 1]), "restart": torch.tensor([False, False]), "fresh": fresh}
    pool_loss(halve)(pooled, batch)
    assert torch.equal(pooled.states, fresh) == anew


def test_growth_is_counted_from_the_state_with_which_a_slot_began():
    pooled = Pooled(Scaled(4.0), bank(1))
    batch = {"slot": torch.tensor([0]), "restart": torch.tensor([False]), "fresh": torch.full((1, 1, 8), 7.0)}
    loss, start = pool_loss(halve), pooled.states.clone()
    loss(pooled, batch)
    assert torch.equal(pooled.states, 4 * start)
    loss(pooled, batch)
    assert torch.equal(pooled.states, batch["fresh"])


def test_the_loss_of_several_steps_is_the_mean_along_the_trajectory():
    pooled, factor = Pooled(Scaled(0.8), torch.ones(1, 1, 8)), 0.8
    batch = {"slot": torch.tensor([0]), "restart": torch.tensor([False]), "fresh": bank(1)}
    value = pool_loss(halve, unroll=3)(pooled, batch)["residual"]
    expected = sum(((factor - 0.5) * factor**k) ** 2 for k in range(3)) / 3
    assert float(value.detach()) == pytest.approx(expected, rel=1e-6)
    assert torch.allclose(pooled.states, torch.full((1, 1, 8), factor**3))


def test_training_on_a_pool_finds_the_step_and_a_resumed_one_repeats_it(tmp_path):
    recipe = descent(pool_loss(halve), pool_batches(bank(), 8, size=4, lifetime=10.0), 60, 0.1)

    def trained(run=None, stop=None, resume=False):
        pooled = Pooled(Scaled(0.9), bank(8))
        training = fit(pooled, recipe, run=run, device="cpu", checkpoint_every=5, resume=resume)
        for progress in training:
            if progress.step == stop:
                break
        training.close()
        return pooled

    whole = trained()
    assert float(whole.model.factor.detach()) == pytest.approx(0.5, abs=0.05)
    trained(runs.create(tmp_path / "run", {}, "pool", 0), stop=15)
    resumed = trained(runs.create(tmp_path / "run", {}, "pool", 0, resume=True), resume=True)
    assert torch.equal(resumed.states, whole.states)
    assert torch.equal(resumed.model.factor, whole.model.factor)


def test_what_cannot_be_is_refused():
    batches = pool_batches(bank(), 8, size=4, lifetime=10.0)
    with pytest.raises(InvalidArgument, match="Pooled"):
        pool_loss(halve)(torch.nn.Identity(), batches.batch(0))
    with pytest.raises(InvalidArgument, match="fresh"):
        Pooled(torch.nn.Identity(), torch.full((2, 1, 8), math.nan))
    with pytest.raises(InvalidArgument, match="size"):
        pool_batches(bank(), 8, size=9, lifetime=10.0)
    with pytest.raises(InvalidArgument, match="one process"):
        batches.shard(0, 2)
