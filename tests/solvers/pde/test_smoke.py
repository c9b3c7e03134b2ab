"""Smoke in a box: no divergence, rest, symmetry, bounds, decay of an exact eddy, refinement."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import pad

from limitlab.errors import InvalidArgument
from limitlab.solvers.failures import SolutionBlewUp
from limitlab.solvers.pde.smoke import divergence_free, face_divergence, integrate_smoke, to_cells, to_faces
from limitlab.spaces.grid import Grid

AIR = {"buoyancy": 0.5, "viscosity": 0.01}


def cells(*shape, lengths=1.0):
    return Grid.uniform(shape, lengths=lengths, kind="cells")


def random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def puff(grid, at=(0.35, 0.4)):
    """A round cloud in still air, smooth."""
    offset = grid.points() / torch.tensor(grid.lengths) - torch.tensor(at)
    smoke = torch.exp(-offset.square().sum(-1) / 0.02)
    return torch.stack([smoke, 0 * smoke, 0 * smoke])[None].double()


def test_what_is_projected_has_no_divergence_and_is_left_alone_the_second_time():
    grid = cells(12, 20, lengths=(1.0, 3.0))
    faces = to_faces(random(2, 12, 20), random(2, 12, 20, seed=1))
    once = divergence_free(faces, grid)
    assert face_divergence(faces, grid).abs().max() > 1
    assert face_divergence(once, grid).abs().max() < 1e-10
    for again, held in zip(divergence_free(once, grid), once, strict=True):
        assert torch.allclose(again, held, atol=1e-12)


def test_a_gradient_is_taken_away_whole():
    """What the pressure can balance moves nothing: its differences on the faces between cells."""
    grid, p = cells(8, 10, lengths=(2.0, 1.0)), random(1, 8, 10)
    x, y = pad(p.diff(dim=1) / grid.spacing[0], (0, 0, 1, 1)), pad(p.diff(dim=2) / grid.spacing[1], (1, 1))
    for part in divergence_free((x, y), grid):
        assert part.abs().max() < 1e-11


def test_faces_and_cells_are_means_of_each_other():
    u, v = random(1, 6, 7), random(1, 6, 7, seed=1)
    back = to_cells(*to_faces(u, v))
    assert torch.allclose(back[0][:, 1:-1], (u[:, 2:] + 2 * u[:, 1:-1] + u[:, :-2]) / 4)
    assert torch.allclose(back[1][:, :, 0], (v[:, :, 0] + v[:, :, 1]) / 4)


def test_air_without_smoke_stays_at_rest_and_smoke_without_lift_where_it_is():
    grid = cells(16, 16, lengths=32.0)
    still = integrate_smoke(torch.zeros(2, 3, 16, 16).double(), grid, [0.0, 6.0], dt=1.5, **AIR)
    assert torch.equal(still, torch.zeros_like(still))
    hung = integrate_smoke(puff(grid), grid, [0.0, 6.0], dt=1.5, buoyancy=0.0, viscosity=0.01)
    assert torch.allclose(hung[:, 1], hung[:, 0], atol=1e-13)
    # even smoke lifts air without moving it
    even = torch.ones(1, 3, 16, 16).double() * torch.tensor([2.0, 0.0, 0.0]).reshape(3, 1, 1)
    lifted = integrate_smoke(even, grid, [0.0, 6.0], dt=1.5, **AIR)
    assert torch.allclose(lifted[:, 1], even, atol=1e-11)


def test_a_mirrored_cloud_rises_mirrored():
    grid = cells(32, 32, lengths=32.0)
    flow = integrate_smoke(puff(grid), grid, [0.0, 3.0, 9.0], dt=1.5, **AIR)
    mirrored = integrate_smoke(puff(grid).flip(2), grid, [0.0, 3.0, 9.0], dt=1.5, **AIR).flip(3)
    mirrored[:, :, 1] *= -1
    assert flow[:, -1, 1:].abs().max() > 0.1
    assert torch.allclose(flow, mirrored, atol=1e-10)


def test_smoke_rises_and_stays_between_its_bounds():
    grid = cells(32, 32, lengths=32.0)
    smoke = integrate_smoke(puff(grid), grid, np.linspace(0, 30, 6), dt=1.5, **AIR)[0, :, 0]
    height = (smoke * grid.points()[..., 1]).sum((1, 2)) / smoke.sum((1, 2))
    assert bool((height.diff() > 0).all())
    assert smoke.min() >= 0
    assert bool((smoke.amax((1, 2)).diff() <= 1e-12).all())


def test_the_slowest_eddy_of_a_square_decays_at_its_known_rate():
    """The first eigenvalue of Stokes' operator in the unit square is 52.3447 (Leriche & Labrosse 2004)."""
    errors = []
    for n in (16, 32):
        grid = cells(n, n)
        x, y = (math.pi * grid.points()).unbind(-1)
        # the curl of sin^2 sin^2, slow enough that nothing is carried
        u, v = x.sin() ** 2 * (2 * y).sin(), -(y.sin() ** 2) * (2 * x).sin()
        state = 1e-3 * torch.stack([0 * u, u, v])[None].double()
        frames = integrate_smoke(state, grid, [0.0, 0.15, 0.25], dt=0.002, buoyancy=0.0, viscosity=0.1)[0, 1:, 1:]
        energy = frames.square().sum((1, 2, 3))
        errors.append(abs(float((energy[0] / energy[1]).log()) / (2 * 0.1 * 0.1) - 52.3447))
    assert errors[1] < 0.15
    assert errors[1] < errors[0] / 3


def test_the_smoke_that_is_lost_falls_with_the_grid_and_the_error_with_order_one():
    runs = {}
    for n in (32, 64, 128):
        grid = cells(n, n, lengths=32.0)
        runs[n] = integrate_smoke(puff(grid), grid, [0.0, 12.0], dt=48 / n, resolution=32, **AIR)[0]
    drift = {n: abs(float(run[1, 0].sum() / run[0, 0].sum()) - 1) for n, run in runs.items()}
    assert drift[32] < 0.01
    assert drift[64] < 0.7 * drift[32]
    assert drift[128] < 0.7 * drift[64]
    coarse, fine = (float((runs[n][1] - runs[2 * n][1]).norm() / runs[128][1].norm()) for n in (32, 64))
    assert fine < 0.7 * coarse


def test_what_cannot_be_is_refused():
    grid = cells(8, 8)
    with pytest.raises(InvalidArgument, match=r"\(batch, 3, x, y\) on cells"):
        integrate_smoke(torch.zeros(1, 2, 8, 8), grid, [0.0, 1.0], dt=0.1, **AIR)
    with pytest.raises(InvalidArgument, match="increase strictly"):
        integrate_smoke(torch.zeros(1, 3, 8, 8), grid, [0.0, 0.0], dt=0.1, **AIR)
    broken = torch.zeros(2, 3, 8, 8).double()
    broken[1, 0, 3, 3] = torch.inf
    with pytest.raises(SolutionBlewUp, match="sample 8 is not finite"):
        integrate_smoke(broken, grid, [0.0, 1.0], dt=0.5, first=7, **AIR)
