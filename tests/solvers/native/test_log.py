"""The log of a solve by machine code, put in order late: every attempt of every sample, one after the other."""

import copy
import pickle
from dataclasses import replace

import pytest
import torch

from limitlab import problems
from limitlab.interruption import TimeIsUp, interruptible
from limitlab.solvers.solution import StepLog

DOUBLE = torch.float64


def test_a_log_is_put_in_order_when_it_is_looked_at():
    """More samples than lanes, more rounds than a block; copies, pickles and replacements are logs like any other."""
    problem = problems.get("lorenz")
    y0, _ = problem.sample(20, seed=0)
    times = torch.linspace(0.0, 1.0, 20, dtype=DOUBLE)[:, None] * torch.tensor([20.0]) + torch.tensor([[0.0, 1.0]])
    log = problem.solve(y0, times, method="tsit5", backend="native").log
    assert isinstance(log, StepLog)
    assert "time" not in vars(log)
    with pytest.raises(AttributeError, match="sizes"):
        _ = log.sizes
    copies = [pickle.loads(pickle.dumps(log)), copy.deepcopy(log), replace(log)]
    assert torch.allclose(torch.where(log.accepted, log.size, 0.0).sum(1), (times[:, 1] - times[:, 0]))
    ends = torch.where(log.accepted, log.time + log.size, 0.0)
    following = log.time.diff(dim=1).ne(0) & ~log.time[:, 1:].isnan()
    assert torch.allclose(ends[:, :-1][following], log.time[:, 1:][following])
    assert torch.equal(following[log.attempted[:, 1:]], log.accepted[:, :-1][log.attempted[:, 1:]])
    for other in copies:
        assert torch.equal(other.size.nan_to_num(), log.size.nan_to_num())
        assert other.state is None


def test_a_solve_that_never_began_has_an_empty_log():
    def check():
        raise TimeIsUp

    y0, _ = problems.get("lorenz").sample(3, seed=0)
    with interruptible(check):
        solution = problems.get("lorenz").solve(y0, [0.0, 1.0, 2.0], method="tsit5", on_failure="mask")
    assert solution.backend == "native"
    assert solution.log.time.shape == solution.log.accepted.shape == (3, 0)
    assert torch.equal(solution.y[:, 0], y0)
    assert bool(solution.y[:, 1:].isnan().all())
