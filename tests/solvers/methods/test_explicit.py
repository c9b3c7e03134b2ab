"""Explicit Runge-Kutta pairs: orders of steps and of dense output, and the estimate of stiffness."""

import math

import pytest
import torch
from scipy.integrate import solve_ivp
from solvers.toys import DOUBLE, observed_orders, rotated, rotation, turning

from limitlab.solvers import solve_ode
from limitlab.solvers.methods.tableaux import TABLEAUX

ORDERS = {name: table.order for name, table in TABLEAUX.items()}


@pytest.mark.parametrize(("method", "order"), ORDERS.items())
def test_every_explicit_method_has_its_order_with_explicit_time(method, order):
    y0 = torch.tensor([[1.0], [0.5]], dtype=DOUBLE)
    steps = {8: (1.0, 0.5), 5: (0.1, 0.05)}.get(order, (0.04, 0.02))
    times = torch.tensor([0.0, 4.0], dtype=DOUBLE)
    exact = y0[:, None] * torch.exp(torch.sin(times))[None, :, None]
    assert observed_orders(method, steps, turning, y0, exact, times)[-1] > order - 0.15


@pytest.mark.parametrize(("method", "order"), ORDERS.items())
def test_every_explicit_method_has_its_order_on_a_nonlinear_field(method, order):
    reference = solve_ivp(
        lambda t, y: [y[1], -math.sin(y[0])], (0, 4), [0.0, 1.0], rtol=1e-13, atol=1e-13, method="DOP853"
    ).y[:, -1]
    y0, times = torch.tensor([[0.0, 1.0]], dtype=DOUBLE), torch.tensor([0.0, 4.0], dtype=DOUBLE)
    steps = {8: (2.0, 1.0)}.get(order, (0.1, 0.05))
    exact = torch.stack([y0[0], torch.tensor(reference)])
    assert order - 0.2 < observed_orders(method, steps, pendulum, y0, exact, times)[-1] < order + 1.2


def pendulum(t, y):
    return torch.stack([y[:, 1], -torch.sin(y[:, 0])], 1)


@pytest.mark.parametrize(("method", "order"), ORDERS.items())
def test_dense_output_is_as_good_as_the_steps(method, order):
    """Times that no step ends at: the error over them falls with the order of the method."""
    y0 = torch.tensor([[1.0, 0.0], [0.0, 2.0]], dtype=DOUBLE)
    times = torch.linspace(0, 10, 38, dtype=DOUBLE)
    steps = {8: (1.0, 0.5), 1: (0.02, 0.01)}.get(order, (0.1, 0.05))
    found = observed_orders(method, steps, rotation, y0, rotated(y0, times), times)
    assert found[-1] > order - 0.15


@pytest.mark.parametrize("method", ["heun", "rk4", "dopri5", "tsit5", "dopri8"])
def test_stiffness_estimate_is_the_eigenvalue(method):
    rate = 7.3
    solution = solve_ode(
        lambda t, y: -rate * y, torch.ones(2, 1, dtype=DOUBLE), [0.0, 1.0], method=method, step_size=0.05
    )
    assert torch.allclose(solution.log.stiffness, torch.full_like(solution.log.stiffness, rate), rtol=1e-9)
    rates = torch.tensor([1.0, 3.0, 9.0], dtype=DOUBLE)
    several = solve_ode(
        lambda t, y: -rates * y, torch.ones(1, 3, dtype=DOUBLE), [0.0, 0.5], method=method, step_size=0.05
    )
    assert float(several.log.stiffness.max()) <= 9.0 + 1e-9
