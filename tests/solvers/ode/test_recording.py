"""The step log: every attempt, and every call of the field."""

import pytest
import torch
from solvers.toys import DOUBLE

from limitlab.errors import InvalidArgument
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


@pytest.mark.parametrize("gradient", ["direct", "checkpoint", "adjoint"])
def test_the_log_has_the_states_that_attempts_start_from(gradient):
    """Each is the end of a solve up to its time; a rejected attempt and the next one start from the same."""
    pulse = lambda t, y: 200 * torch.exp(-(((t - 1.0) / 0.02) ** 2)) - rate * y  # noqa: E731
    rate = torch.ones((), dtype=torch.float64, requires_grad=True)
    y0, options = torch.tensor([[1.0], [3.0]], dtype=torch.float64), {"rtol": 1e-8, "atol": 1e-8}
    log = solve_ode(pulse, y0, [0.0, 2.0], gradient=gradient, log_states=True, **options).log
    assert log.state.shape == (*log.time.shape, 1)
    assert log.rejected.min() > 0
    rejected = (log.attempted & ~log.accepted)[0].nonzero()[:, 0]
    assert torch.equal(log.state[0, rejected], log.state[0, rejected + 1])
    for column in log.accepted[1].nonzero()[1::9, 0]:
        alone = solve_ode(pulse, y0[1:], [0.0, float(log.time[1, column])], **options).y[0, -1]
        assert torch.allclose(log.state[1, column], alone, atol=1e-6)
    # the tape of the states is that of the solve under "direct" alone
    assert log.state.requires_grad == (gradient == "direct")


def test_no_state_is_logged_unless_asked_and_a_compiled_loop_refuses():
    y0 = torch.ones(1, 1)
    assert solve_ode(lambda t, y: -y, y0, [0.0, 1.0]).log.state is None
    with pytest.raises(InvalidArgument, match="compile=True has no log_states"):
        solve_ode(lambda t, y: -y, y0, [0.0, 1.0], compile=True, log_states=True)
