"""Samples in groups of lanes: there and back, in threads as in one, and until somebody ends them."""

import pytest
import torch

from limitlab.interruption import interruptible
from limitlab.solvers.pde.native import groups as module
from limitlab.solvers.pde.native.groups import from_groups, run_groups, to_groups


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
@pytest.mark.parametrize("batch", [1, 4, 11])
def test_groups_hold_every_sample_and_zeros(batch, dtype):
    waves = torch.randn(batch, 5, 3, dtype=dtype, generator=torch.Generator().manual_seed(0)).transpose(1, 2)
    groups = to_groups(waves)
    assert torch.equal(from_groups(groups, waves), waves)
    assert float(groups.abs().sum()) == pytest.approx(float(torch.view_as_real(waves.contiguous()).abs().sum()))


@pytest.mark.parametrize("threads", [1, 3])
def test_every_group_runs_every_step_in_a_room_of_its_own(threads, monkeypatch):
    monkeypatch.setattr(module, "WORK_BETWEEN_QUESTIONS", 20)
    monkeypatch.setattr(module, "WORK_OF_THREADS", 0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    done = torch.zeros(7, dtype=torch.int64)

    def advance(room, group, part):
        assert not room
        room.append(group)
        done[group] += part
        room.remove(group)

    run_groups(advance, list, torch.zeros(7, 8), 5)
    assert done.tolist() == [5] * 7


def test_work_ends_when_it_is_asked_to():
    parts = []

    def stop():
        if len(parts) == 2:
            raise InterruptedError

    with interruptible(stop), pytest.raises(InterruptedError):
        run_groups(lambda room, group, part: parts.append(group), list, torch.zeros(5, 8), 5)
    assert parts == [0, 1]
