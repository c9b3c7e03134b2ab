"""Steps by the error along one path: rejected steps, tolerances, the estimate."""

import pytest
import torch
from solvers.toys import DOUBLE, GROWTH, VOLATILITY, geometric_diffusion, spiral, wavy

from limitlab.errors import InvalidArgument
from limitlab.solvers.ode.solve import solve_ode
from limitlab.solvers.sde.brownian import BrownianPath
from limitlab.solvers.sde.solve import solve_sde


@pytest.mark.parametrize("method", ["heun", "milstein", "euler_heun"])
def test_rejected_steps_leave_the_path_as_it_is(method):
    path = BrownianPath(11, (50, 1), (0.0, 2.0))
    weights = torch.tensor([[2.0, 0.0], [0.0, 1.0]], dtype=DOUBLE)

    def geometric_and_counter(t, y):
        return (y @ weights + torch.tensor([0.0, 1.0], dtype=DOUBLE) * (1 - y))[..., None]

    solution = solve_sde(
        lambda t, y: torch.zeros_like(y), geometric_and_counter,
        torch.tensor([[1.0, 0.0]], dtype=DOUBLE).expand(50, 2), [0.0, 0.5, 2.0], brownian=path, method=method,
        noise="scalar", calculus="stratonovich", first_step=0.5, rtol=3e-2, atol=1e-2,
    )  # fmt: skip
    assert float(solution.log.rejected.double().mean()) > 5
    for place, time in enumerate((0.5, 2.0), start=1):
        assert float((solution.y[:, place, 1:] - path.value(time)).abs().max()) <= 1e-12


@pytest.mark.parametrize(
    ("method", "calculus"),
    [("milstein", "ito"), ("sri2w1", "ito"), ("heun", "stratonovich"), ("euler_heun", "stratonovich")],
)
def test_adaptive_errors_fall_with_the_tolerance(method, calculus):
    path = BrownianPath(12, (100, 1), (0.0, 1.0))
    rate = GROWTH - VOLATILITY**2 / 2 if calculus == "ito" else GROWTH
    exact = torch.exp(rate + VOLATILITY * path.increment(0.0, 1.0))
    errors = []
    for tolerance in (1e-1, 1e-2, 1e-3):
        solution = solve_sde(
            lambda t, y: GROWTH * y, geometric_diffusion("diagonal"), torch.ones(100, 1, dtype=DOUBLE), [0.0, 1.0],
            brownian=path, method=method, calculus=calculus, rtol=tolerance, atol=tolerance,
        )  # fmt: skip
        errors.append(float((solution.y[:, -1] - exact).abs().mean()))
    assert errors[0] > 3 * errors[1] > 9 * errors[2]


def test_shared_steps_are_the_same_for_all_samples():
    solution = solve_sde(
        spiral, wavy, torch.rand(8, 2, dtype=DOUBLE), [0.0, 1.0], seed=13, method="heun", calculus="stratonovich",
        shared_steps=True,
    )  # fmt: skip
    assert torch.equal(solution.log.size, solution.log.size[:1].expand(8, -1))
    assert int(solution.log.steps[0]) > 3


def test_without_noise_the_estimate_of_euler_heun_is_that_of_the_ordinary_heun_pair():
    y0 = torch.tensor([[0.5, 1.0], [2.0, -1.0]], dtype=DOUBLE)
    common = {"rtol": 0.0, "atol": 1e-4, "first_step": 0.01}
    stochastic = solve_sde(
        spiral, lambda t, y: torch.zeros_like(y), y0, [0.0, 1.0], seed=0, method="euler_heun",
        calculus="stratonovich", **common,
    )  # fmt: skip
    ordinary = solve_ode(spiral, y0, [0.0, 1.0], method="heun", **common)
    assert float((stochastic.log.error[:, 0] - ordinary.log.error[:, 0]).abs().max()) <= 1e-12


def test_the_log_has_the_states_that_steps_start_from():
    drift, diffusion, y0 = lambda t, y: -y, lambda t, y: 0.5 * y, torch.ones(3, 1, dtype=torch.float64)
    options = {"method": "milstein", "seed": 0, "rtol": 1e-3, "atol": 1e-3}
    solution = solve_sde(drift, diffusion, y0, [0.0, 0.5, 1.0], log_states=True, **options)
    log = solution.log
    assert torch.equal(log.state[:, 0], y0)
    # steps end at asked times
    for sample in range(3):
        at = (log.time[sample] == 0.5).nonzero()[0, 0]
        assert torch.equal(log.state[sample, at], solution.y[sample, 1])
    with pytest.raises(InvalidArgument, match="log_states"):
        solve_sde(drift, diffusion, y0, [0.0, 1.0], seed=0, step_size=0.1, log_states=True)
