"""Incompressible flow by potentials: no divergence, Arakawa's invariants, the orders of both schemes."""

import math

import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.problems.pde.navier_stokes import velocity
from limitlab.solvers.pde.vorticity import (
    crank_nicolson_residual,
    curl,
    divergence,
    jacobian,
    stream_function,
    stream_velocity,
)
from limitlab.spaces import Grid


def square(n, length=2 * math.pi):
    return Grid.uniform((n, n), lengths=length)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def smooth(grid, x, y):
    """sin(x a + y b + 1) of whole wavenumbers."""
    points = grid.points(torch.float64)
    return torch.sin(x * points[..., 0] + y * points[..., 1] + 1)


def test_a_flow_of_any_stream_function_has_no_divergence():
    grid = square(16)
    assert divergence(stream_velocity(random(3, 16, 16), grid), grid).abs().max() < 1e-12
    box = Grid.uniform((8, 6, 10), lengths=(1.0, 2.0, 3.0))
    assert divergence(curl(random(3, 2, 8, 6, 10), box), box).abs().max() < 1e-12


def test_a_flow_that_is_no_curl_has_divergence():
    grid = square(16)
    assert divergence(random(2, 16, 16), grid).abs().max() > 0.1


def test_the_jacobian_keeps_mean_energy_and_enstrophy():
    grid, (psi, w) = square(16, 1.0), random(2, 16, 16)
    j = jacobian(psi, w, grid)
    assert j.abs().max() > 1.0
    for weight in (torch.ones_like(psi), psi, w):
        assert abs(float((weight * j).sum() / (weight * j).abs().sum())) < 1e-12
    # the form in the middle alone does not keep the enstrophy
    (x, y), (u, v) = stream_velocity(psi, grid), stream_velocity(w, grid)
    plain = x * v - y * u
    assert abs(float((w * plain).sum() / (w * plain).abs().sum())) > 1e-4


def test_the_jacobian_changes_its_sign_with_the_order_of_its_arguments():
    grid, (a, b) = square(12), random(2, 12, 12)
    assert torch.allclose(jacobian(a, b, grid), -jacobian(b, a, grid), atol=1e-12)


def order(errors):
    return math.log2(errors[0] / errors[1])


def test_the_jacobian_has_order_two():
    errors = []
    for n in (32, 64):
        grid = square(n)
        points = grid.points(torch.float64)
        a, b = smooth(grid, 1, 2), smooth(grid, 2, -1)
        a_prime = torch.cos(points[..., 0] + 2 * points[..., 1] + 1)
        b_prime = torch.cos(2 * points[..., 0] - points[..., 1] + 1)
        exact = a_prime * b_prime * (1 * -1 - 2 * 2)
        errors.append(float((jacobian(a, b, grid) - exact).norm() / exact.norm()))
    assert order(errors) == pytest.approx(2, abs=0.1)


def test_velocities_are_those_of_the_spectral_solver_to_order_two():
    errors = []
    for n in (32, 64):
        grid = square(n)
        w = (smooth(grid, 1, 2) + smooth(grid, 2, 1))[None]
        exact = velocity(w, grid)
        errors.append(float((stream_velocity(stream_function(w, grid), grid) - exact).norm() / exact.norm()))
    assert order(errors) == pytest.approx(2, abs=0.1)


def test_the_residual_of_a_decaying_vortex_falls_fourfold_where_the_step_is_halved():
    """Taylor and Green's vortex on the grid: psi proportional to w, and an exact rate of decay."""
    grid, viscosity = square(16), 0.3
    points = grid.points(torch.float64)
    w = (torch.sin(points[..., 0]) * torch.sin(points[..., 1]))[None]
    rate = viscosity * 2 * (2 * math.sin(grid.spacing[0] / 2) / grid.spacing[0]) ** 2
    sizes = []
    for dt in (0.04, 0.02):
        r = crank_nicolson_residual(w * math.exp(-rate * dt), w, grid, dt=dt, viscosity=viscosity)
        sizes.append(float(r.norm()))
    assert order(sizes) == pytest.approx(2, abs=0.05)


def test_a_step_without_viscosity_keeps_energy_and_enstrophy():
    """The implicit step, solved by fixed-point iteration."""
    grid, dt = square(16), 0.05
    w = (smooth(grid, 1, 2) + smooth(grid, 3, -1))[None]
    after = w
    for _ in range(60):
        after = after - dt * crank_nicolson_residual(after, w, grid, dt=dt, viscosity=0.0)
    assert crank_nicolson_residual(after, w, grid, dt=dt, viscosity=0.0).abs().max() < 1e-12
    assert (after - w).abs().max() > 1e-2

    def energy(v):
        return float((v * stream_function(v, grid)).sum())

    assert float(after.square().sum()) == pytest.approx(float(w.square().sum()), rel=1e-12)
    assert energy(after) == pytest.approx(energy(w), rel=1e-12)


def test_what_cannot_be_is_refused():
    walls = Grid.uniform((8, 8), kind="cells")
    with pytest.raises(InvalidArgument, match="periodic grid of 2 axes"):
        jacobian(random(8, 8), random(8, 8), walls)
    with pytest.raises(InvalidArgument, match="periodic grid of 3 axes"):
        curl(random(3, 8, 8), square(8))
    with pytest.raises(InvalidArgument, match="2 components"):
        divergence(random(3, 8, 8), square(8))
    with pytest.raises(InvalidArgument, match="one spacing"):
        stream_function(random(1, 8, 8), Grid.uniform((8, 8), lengths=(1.0, 2.0)))
