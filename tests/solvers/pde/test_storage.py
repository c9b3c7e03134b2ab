"""Diffusion into a store: heat, a peer, order two, balance of the ends, errors."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.special import erfc

from limitlab.errors import InvalidArgument
from limitlab.problems.pde.sorption import Freundlich
from limitlab.solvers.failures import SolutionBlewUp
from limitlab.solvers.pde.storage import diffusion_of_ends, integrate_storage
from limitlab.spaces.grid import Grid

GRID = Grid.uniform(48, kind="cells")
SOIL = Freundlich(2.468)


def start(value, grid=GRID):
    return torch.full((1, *grid.shape), value, dtype=torch.float64)


def test_without_a_store_heat_enters_as_the_error_function():
    grid = Grid.uniform(200, kind="cells")
    u = integrate_storage(start(0.0, grid), grid, Freundlich(0.0), 1.0, [0.0, 0.004], dt=1e-5)[0, -1]
    exact = erfc(grid.points()[:, 0].numpy() / (2 * math.sqrt(0.004)))
    assert abs(u.numpy() - exact).max() < 4e-4


def test_the_semi_discretisation_is_scipys():
    matrix, load = (part.numpy() for part in diffusion_of_ends(GRID, 5e-4))

    def right(_, u):
        return (matrix @ u + load) / SOIL.slope(torch.from_numpy(u)).numpy()

    peer = solve_ivp(right, (0, 200.0), start(0.1)[0].numpy(), method="Radau", rtol=1e-9, atol=1e-11)
    found = integrate_storage(start(0.1), GRID, SOIL, 5e-4, [0.0, 200.0], dt=0.25)[0, -1]
    assert abs(found.numpy() - peer.y[:, -1]).max() < 1e-5


def test_the_step_has_order_two():
    first = integrate_storage(start(0.1), GRID, SOIL, 5e-4, [0.0, 100.0], dt=1.0)[:, -1]
    ends = [integrate_storage(first, GRID, SOIL, 5e-4, [0.0, 80.0], dt=dt)[0, -1] for dt in (20.0, 10.0, 5.0, 2.5)]
    changes = [float((one - other).norm()) for one, other in pairwise(ends)]
    assert all(1.7 < order < 2.3 for order in -np.diff(np.log2(changes)))


def test_what_is_stored_is_what_flowed_in_less_what_flowed_out():
    times = np.linspace(0, 400, 801)
    u = integrate_storage(start(0.15), GRID, SOIL, 5e-4, times, dt=0.5)[0]
    h = GRID.spacing[0]
    out = 2 * 5e-4 / h
    flux = 2 * 5e-4 / h * (1 - u[:, 0]) - out / (1 + out) * u[:, -1]
    stored = SOIL.held(u).mean(1)
    # from the first few frames on, where the flux at the start is not resolved
    came = torch.trapezoid(flux[20:], torch.from_numpy(times[20:]))
    assert float(stored[-1] - stored[20]) == pytest.approx(float(came), rel=1e-4)
    assert bool((u >= 0).all() and (u <= 1).all())


def test_a_front_into_clean_soil_moves_with_the_root_of_time():
    grid = Grid.uniform(128, kind="cells")
    early, late = integrate_storage(start(0.0, grid), grid, SOIL, 5e-4, [0.0, 20.0, 80.0], dt=0.4)[0, 1:]
    # the values of the early front at x stand at 2 x of the late one, between its cells
    between = (late[0::2] + late[1::2]) / 2
    assert float((between - early[:64]).abs().max()) < 1e-2


def test_what_leaves_faster_than_a_step_is_never_negative():
    """The last cell, beside which u is nearly zero, is all but empty after a hundredth of such a step."""
    for store in (Freundlich(0.0), SOIL):
        u = integrate_storage(start(0.2), GRID, store, 2e-3, [0.0, 10.0, 20.0], dt=10.0)[0]
        assert bool((u >= 0).all())
        assert float(u[1, -1]) < 0.05


def test_bad_arguments_are_named():
    with pytest.raises(InvalidArgument, match="nowhere negative"):
        integrate_storage(start(-0.1), GRID, SOIL, 5e-4, [0.0, 1.0], dt=0.1)
    with pytest.raises(InvalidArgument, match="increase"):
        integrate_storage(start(0.1), GRID, SOIL, 5e-4, [1.0, 1.0], dt=0.1)
    with pytest.raises(SolutionBlewUp, match="sample 7"):
        integrate_storage(start(math.inf), GRID, SOIL, 5e-4, [0.0, 1.0], dt=0.1, first=7)
