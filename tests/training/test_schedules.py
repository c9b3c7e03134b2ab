import math

import pytest
import torch

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.training import schedules


@pytest.mark.parametrize("steps", [7, 40, 101])
def test_one_cycle_equals_the_one_of_torch(steps):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=steps)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(rates) < steps:
            theirs.step()
    ours = schedules.one_cycle(steps)
    assert [ours(s) for s in range(steps)] == pytest.approx(rates, rel=1e-9)


def test_one_cycle_of_a_single_step_is_the_full_rate():
    assert schedules.one_cycle(1)(0) == 1.0


def test_cosine_halves_in_the_middle_and_ends_at_its_end():
    factor = schedules.cosine(100, end=0.1)
    assert (factor(0), factor(50), factor(100)) == pytest.approx((1.0, 0.55, 0.1))


def test_step_decay_halves_every_k_steps():
    factor = schedules.step_decay(600, every=100)
    assert [factor(s) for s in (0, 99, 100, 250, 599)] == [1.0, 1.0, 0.5, 0.25, 0.5**5]


def test_warmup_reaches_the_schedule_at_its_last_step():
    factor = schedules.warmup(schedules.constant(50), over=10)
    assert [factor(s) for s in (0, 4, 9, 30)] == pytest.approx([0.1, 0.5, 1.0, 1.0])


@pytest.mark.parametrize("name", schedules.SCHEDULES)
def test_every_named_schedule_stays_between_zero_and_one(name):
    factor = schedules.get(name, 33)
    assert all(0 <= factor(step) <= 1 and math.isfinite(factor(step)) for step in range(40))


def test_unknown_schedule_is_answered_with_the_nearest_name():
    with pytest.raises(UnknownName, match="did you mean 'cosine'"):
        schedules.get("cosin", 10)


def test_schedule_of_no_steps_is_refused():
    with pytest.raises(InvalidArgument, match="steps"):
        schedules.get("one_cycle", 0)
