"""The step log: every attempt, and every call of the field."""

import pytest
import torch
from solvers.toys import DOUBLE

from limitlab.solvers import solve_ode


def test_field_calls_are_counted():
    """nfe = 2 + 6 (accepted + rejected) for a five-stage pair whose last slope is the next first one."""
    stiffish = torch.tensor([[2.0, 0.0], [0.5, 1.0]], dtype=DOUBLE)
    calls = []

    def field(t, y):
        calls.append(1)
        return torch.stack([y[:, 1], 20 * (1 - y[:, 0] ** 2) * y[:, 1] - y[:, 0]], 1)

    solution = solve_ode(field, stiffish, [0.0, 20.0], rtol=1e-5)
    log = solution.log
    assert int(log.rejected.sum()) > 0
    assert torch.equal(solution.evaluations.function, 2 + 6 * (log.steps + log.rejected))
    assert len(calls) == int(solution.evaluations.function.max())


def test_the_log_holds_every_attempt():
    solution = solve_ode(
        lambda t, y: torch.stack([y[:, 1], 20 * (1 - y[:, 0] ** 2) * y[:, 1] - y[:, 0]], 1),
        torch.tensor([[2.0, 0.0], [0.1, 0.0]], dtype=DOUBLE),
        [0.0, 30.0],
        rtol=1e-5,
    )
    log = solution.log
    for sample in range(2):
        taken = log.attempted[sample]
        time, size, accepted = log.time[sample][taken], log.size[sample][taken], log.accepted[sample][taken]
        moved = torch.where(accepted, size, 0.0).cumsum(0)
        assert torch.allclose(time[1:], moved[:-1], atol=1e-9)
        assert float(moved[-1]) == pytest.approx(30.0, abs=1e-9)
        error = log.error[sample][taken]
        assert bool((error[accepted] <= 1 + 1e-12).all())
        assert bool((error[~accepted] > 1).all())
    data = solution.to_xarray(["x", "v"])
    assert dict(data.sizes) == {"sample": 2, "time": 2, "state": 2, "step": log.time.shape[1]}
    assert int((~data.accepted & data.step_size.notnull()).sum()) == int(log.rejected.sum())
