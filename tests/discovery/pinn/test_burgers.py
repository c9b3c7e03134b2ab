"""The solution of Burgers' equation from a sine: its equation, its walls, and two other ways to it."""

import numpy as np
import pytest
import torch

from limitlab.discovery.pinn.burgers import burgers_from_sine, burgers_solution
from limitlab.errors import InvalidArgument
from limitlab.problems.pde.periodic import cole_hopf

NU = 0.05


def at(t, x):
    return burgers_solution(torch.stack(torch.broadcast_tensors(t, x), -1).reshape(-1, 2), NU)


def test_value_at_the_middle():
    assert at(torch.tensor(0.5), torch.tensor(0.5)).item() == pytest.approx(-0.55988077, abs=1e-7)


def test_equation_holds_by_fourth_order_differences():
    t, x = torch.meshgrid(
        torch.linspace(0.1, 0.95, 9, dtype=torch.float64),
        torch.linspace(-0.9, 0.9, 31, dtype=torch.float64),
        indexing="ij",
    )
    h = 2e-3
    weights = torch.tensor([1, -8, 0, 8, -1], dtype=torch.float64) / (12 * h)
    second = torch.tensor([-1, 16, -30, 16, -1], dtype=torch.float64) / (12 * h * h)
    shifts = h * torch.arange(-2, 3)
    in_time = torch.stack([at(t + s, x) for s in shifts])
    in_space = torch.stack([at(t, x + s) for s in shifts])
    u_t, u_x, u_xx = weights @ in_time, weights @ in_space, second @ in_space
    assert (u_t + in_space[2] * u_x - NU * u_xx).abs().max() < 1e-5


def test_walls_and_start_are_kept():
    t = torch.linspace(0.1, 1, 5, dtype=torch.float64)
    for wall in (-1.0, 1.0):
        assert at(t, torch.tensor(wall, dtype=torch.float64)).abs().max() < 1e-12
    x = torch.linspace(-1, 1, 7, dtype=torch.float64)
    assert (at(torch.tensor(0.0, dtype=torch.float64), x) + torch.sin(torch.pi * x)).abs().max() < 1e-12


def test_spectral_transform_on_a_grid_agrees():
    problem = burgers_from_sine(NU)
    grid = problem.grid(256)
    x = grid.points()[..., 0]
    times = torch.tensor([0.3, 1.0], dtype=torch.float64)
    spectral = cole_hopf(-torch.sin(torch.pi * x)[None], grid, times, NU)[0]
    assert (at(times[:, None], x).reshape(2, -1) - spectral).abs().max() < 1e-8


def test_generated_data_agree():
    problem = burgers_from_sine(NU)
    dataset = problem.simulate(1, resolution=64)
    x = torch.tensor(dataset["x"].values, dtype=torch.float64)
    u = at(torch.tensor(1.0, dtype=torch.float64), x)
    assert np.abs(dataset["u"].values[0, -1] - u.numpy()).max() < 1e-5


def test_bad_points_are_named():
    with pytest.raises(InvalidArgument, match="t >= 0"):
        burgers_solution(torch.tensor([[-0.1, 0.0]]), NU)
