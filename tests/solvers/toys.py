"""Equations that the solver tests share, and how fast an error falls."""

import numpy as np
import torch

from limitlab import problems
from limitlab.solvers import solve_ode

DOUBLE = torch.float64
GROWTH, VOLATILITY = 0.5, 0.8


def double(*values):
    return torch.tensor(values, dtype=DOUBLE)


def rotation(t, y):
    return torch.stack([y[:, 1], -y[:, 0]], 1)


def rotated(y0, times):
    """The solution of `rotation`."""
    c, s = torch.cos(times)[None], torch.sin(times)[None]
    x, v = y0[:, :1], y0[:, 1:]
    return torch.stack([x * c + v * s, v * c - x * s], -1)


def turning(t, y):
    """y' = y cos t: y0 exp(sin t), with an explicit time."""
    return y * torch.cos(t)


def lotka_volterra(t, y):
    """`problems.get("lotka_volterra")`, written so that no number depends on the size of a batch."""
    return torch.stack([1.3 * y[:, 0] - 0.9 * y[:, 0] * y[:, 1], 0.8 * y[:, 0] * y[:, 1] - 1.8 * y[:, 1]], 1)


def van_der_pol(mu):
    """mu: a number, or a tensor of one value a sample."""
    return problems.get("van_der_pol").field({"mu": mu})


def observed_orders(method, steps, field, y0, exact, times):
    """How the largest error falls from one step size to the next, half as long."""
    errors = []
    for step in steps:
        solution = solve_ode(field, y0, times, method=method, step_size=step)
        errors.append(float((solution.y - exact).abs().max()))
    return np.diff(-np.log2(errors))


def driven_logistic(t, y):
    return 2 * y * (1 - y) * (1 + torch.cos(2 * t))


def driven_logistic_solution(t):
    """From 0.1 at time zero."""
    return (1 / (1 + 9 * torch.exp(-2 * t - torch.sin(2 * t))))[:, None]


def prothero_robinson(rate):
    """Solved by cos t, whatever the rate."""
    return lambda t, y: rate * (y - torch.cos(t)) - torch.sin(t)


def largest_errors(field, exact, y0, end, method, steps, moments):
    """Largest error at equally spaced moments, for every number of steps."""
    t = torch.linspace(0, end, moments + 1, dtype=torch.float64)
    errors = []
    for count in steps:
        y = solve_ode(field, y0, t, method=method, step_size=end / count).y[0]
        errors.append(float((y - exact(t)).abs().max()))
    return np.array(errors)


def slopes(errors):
    return np.log2(errors[:-1] / errors[1:])


def errors_on_prothero_robinson(method, rate):
    """For 16, 32 and 64 steps, at eight moments."""
    y0 = double([1.0])
    return largest_errors(prothero_robinson(rate), lambda t: torch.cos(t)[:, None], y0, 2.0, method, (16, 32, 64), 8)


def assert_singular_matrix_spoils_its_sample_only(method, gamma):
    """I - gamma h J is singular for the first sample's first step."""
    rate = double([1 / gamma], [1.0])
    options = {"method": method, "rtol": 1e-5, "first_step": 1.0}
    solution = solve_ode(lambda t, y: rate * y, double([1], [1]), [0, 1], **options)
    assert not bool(solution.log.accepted[0, 0])
    torch.testing.assert_close(solution.y[:, -1], rate.exp(), rtol=1e-3, atol=0)
    alone = solve_ode(lambda t, y: y, double([1]), [0, 1], **options)
    assert torch.equal(solution.y[1], alone.y[0])


def assert_many_components_are_solved(method):
    """The heat equation on 24 points against the exponential of its matrix."""
    size = 24
    matrix = torch.diag(torch.full((size,), -2.0)) + torch.diag(torch.ones(size - 1), 1)
    matrix = (size + 1) ** 2 * (matrix + torch.diag(torch.ones(size - 1), -1)).double()
    y0 = torch.sin(torch.pi * torch.arange(1, size + 1, dtype=torch.float64) / (size + 1))[None] + 0.1
    y = solve_ode(lambda t, y: y @ matrix.T, y0, [0, 0.1], method=method, rtol=1e-7, atol=1e-10).y[:, -1]
    torch.testing.assert_close(y, y0 @ torch.linalg.matrix_exp(0.1 * matrix).T, rtol=1e-6, atol=1e-8)


def geometric_diffusion(noise):
    if noise == "diagonal":
        return lambda t, y: VOLATILITY * y
    return lambda t, y: VOLATILITY * y[..., None]


def spiral(t, y):
    return torch.stack([torch.sin(t[:, 0]) - y[:, 0] * y[:, 1], torch.tanh(y[:, 0]) - y[:, 1]], 1)


def wavy(t, y):
    return 0.3 + 0.2 * torch.sin(y + t)
