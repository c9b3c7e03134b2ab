"""Waves in a random medium: their text, a homogeneous drum, residual and data."""

import math

import numpy as np
import pytest
import torch

from limitlab import problems
from limitlab.errors import InvalidArgument

DRUM = problems.get("wave_medium")


def test_a_homogeneous_drum_swings_as_its_sine_series():
    still = DRUM.with_parameters(spread=0.0)
    grid = still.grid(128)
    speeds = still.sample_speed(grid, 1, 0, 0)
    assert torch.equal(speeds, torch.ones(1, 128, 128).double())
    found = still.solve(speeds, np.array([0.0, 0.4]))[0, -1]
    # the bump is a product, and both factors have one sine series
    m = torch.arange(1, 60, dtype=torch.float64) * math.pi
    quadrature = torch.linspace(0, 1, 4001, dtype=torch.float64)
    weights = 2 * (torch.sin(m[:, None] * quadrature) * torch.exp(-100 * (quadrature - 0.5) ** 2)).mean(1) * 4001 / 4000
    waves = torch.sin(m[:, None] * grid.points()[:, 0, 0])
    swing = weights[:, None] * weights * torch.cos(0.4 * torch.sqrt(m[:, None] ** 2 + m**2))
    exact = torch.einsum("mn,mx,ny->xy", swing, waves, waves)
    assert float((found - exact).norm() / exact.norm()) < 0.01


def test_data_solve_their_equation_and_are_one_function_at_every_resolution():
    problem = DRUM.with_domain(span=0.2, frames=81)
    fine, coarse = problem.simulate(2, seed=3, resolution=64), problem.simulate(2, seed=3, resolution=16)
    averaged = problem.restrict(fine, 16)
    for variable in ("c", "u"):
        assert float(abs(averaged[variable] - coarse[variable]).max()) < 1e-6
    assert fine["c"].dims == ("sample", "x", "y")
    assert problem.simulate(1, seed=3, resolution=16, first=1).equals(coarse.isel(sample=[1]))
    grid = problem.grid(64)
    c = problem.sample_speed(grid, 1, 3, 0)
    u, time = problem.solve(c), torch.from_numpy(problem.times)
    inner = slice(6, -6)
    size = float(problem.residual_of(grid, time=time, c=c, u=u * 0 + u[:, :1])[:, inner].abs().mean())
    assert float(problem.residual_of(grid, time=time, c=c, u=u)[:, inner].abs().mean()) < 0.01 * size
    with pytest.raises(InvalidArgument, match="times of the frames"):
        problem.residual_of(grid, c=c, u=u)


def test_the_operator_takes_the_speed_to_the_last_frame():
    data = DRUM.with_domain(span=0.1, frames=3).simulate(2, resolution=16)
    view = DRUM.operator_view(data)
    assert np.array_equal(view["input"][:, 0], data["c"])
    assert np.array_equal(view["target"][:, 0], data["u"][:, -1])
    with pytest.raises(InvalidArgument, match="c must have shape"):
        DRUM.solve(torch.ones(16, 16))
