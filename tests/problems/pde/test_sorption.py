"""Diffusion with sorption: its text, its data and its residual."""

import numpy as np
import pytest
import torch

from limitlab import problems
from limitlab.errors import InvalidArgument
from limitlab.problems.compiled.periodic_terms import torch_function
from limitlab.problems.pde.sorption import Freundlich

SORPTION = problems.get("diffusion_sorption")


def test_the_store_is_that_of_the_text():
    u = torch.linspace(0.05, 1, 20, dtype=torch.float64, requires_grad=True)
    soil = Freundlich(2.468)
    (slope,) = torch.autograd.grad(soil.held(u).sum(), u)
    assert torch.allclose(slope, soil.slope(u))
    bent = torch_function(SORPTION.expression().rhs)({**SORPTION.values, "u": u}, lambda values, axis, order: 3.0)
    assert torch.allclose(bent, 5e-4 * 3.0 / soil.slope(u))


def test_a_sample_is_one_function_and_solves_its_equation():
    problem = SORPTION.with_domain(span=20.0, frames=5)
    coarse, fine = problem.simulate(2, seed=1, resolution=32), problem.simulate(2, seed=1, resolution=128)
    assert abs(problem.restrict(fine, 32)["u"].values - coarse["u"].values).max() < 1e-6
    assert abs(problem.simulate(1, seed=1, resolution=32, first=1)["u"].values[0] - coarse["u"].values[1]).max() < 1e-6
    assert float(coarse["u"].min()) >= 0
    assert float(coarse["u"].max()) <= 1
    assert not np.array_equal(coarse["u"][0], coarse["u"][1])


def test_the_residual_falls_with_the_interval_of_the_frames():
    grid = SORPTION.grid(64)
    state = SORPTION.initial.sample(grid, 1, 0, 0, SORPTION.values)
    state = SORPTION.integrate(state, grid, np.array([0.0, 100.0]))[:, -1]
    sizes = []
    for frames in (9, 17):
        times = np.linspace(0, 40, frames)
        u = SORPTION.integrate(state, grid, times, dt=0.25)
        sizes.append(float(SORPTION.residual_of(grid, time=torch.from_numpy(times), u=u).abs().max()))
    assert sizes[0] > 3 * sizes[1]
    with pytest.raises(InvalidArgument, match="times of the frames"):
        SORPTION.residual_of(grid, u=u)
