"""The Helmholtz equation on cells: order two, reciprocity, absorption, and what is refused."""

import math

import numpy as np
import pytest
import torch

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.solvers.pde.helmholtz import helmholtz_operator, solve_helmholtz, sponge
from limitlab.spaces.grid import Grid


def cells(*shape, lengths=1.0):
    return Grid.uniform(shape, lengths=lengths, kind="cells")


@pytest.mark.parametrize("boundary", ["dirichlet", "neumann"])
def test_the_error_falls_with_the_square_of_the_width(boundary):
    wave = torch.sin if boundary == "dirichlet" else torch.cos
    errors = []
    for n in (16, 32, 64):
        grid = cells(n, 2 * n, lengths=(1.0, 2.0))
        x, y = grid.points().unbind(-1)
        u = wave(2 * math.pi * x) * wave(math.pi * y)
        kappa = 30 + 10 * x * y
        found = solve_helmholtz(kappa[None], (5 * math.pi**2 - kappa) * u, grid, boundary)[0]
        errors.append(float((found - u).abs().max()))
    assert all(1.9 < order < 2.1 for order in -np.diff(np.log2(errors)))


@pytest.mark.parametrize("boundary", ["dirichlet", "neumann"])
def test_source_and_receiver_may_change_places(boundary):
    grid = cells(20, 24)
    kappa = 300 * torch.exp(torch.randn(1, 20, 24, generator=torch.Generator().manual_seed(0)).double() / 4)
    damped = torch.complex(kappa, kappa * sponge(grid, 0.2))
    for medium in (kappa, damped):
        answers = []
        for here, there in (((3, 5), (14, 20)), ((14, 20), (3, 5))):
            source = torch.zeros(20, 24, dtype=torch.float64)
            source[here] = 1.0
            answers.append(solve_helmholtz(medium, source, grid, boundary)[0][there])
        assert abs(answers[0] - answers[1]) < 1e-10 * abs(answers[0])


@pytest.mark.parametrize("boundary", ["dirichlet", "neumann"])
def test_the_solution_has_no_residual_and_the_operator_has_gradients(boundary):
    grid = cells(12, 10)
    generator = torch.Generator().manual_seed(1)
    kappa, f = (torch.randn(2, 12, 10, dtype=torch.float64, generator=generator) for _ in range(2))
    u = solve_helmholtz(50 + kappa, f, grid, boundary)
    assert float((helmholtz_operator(u, 50 + kappa, grid, boundary) - f).abs().max()) < 1e-10
    small = cells(3, 4)
    pair = (u[:1, :3, :4].clone().requires_grad_(), kappa[:1, :3, :4].clone().requires_grad_())
    assert torch.autograd.gradcheck(lambda u, kappa: helmholtz_operator(u, kappa, small, boundary), pair)


@pytest.mark.parametrize("absorption", [0.0, 0.3])
def test_a_plane_wave_goes_through_where_its_own_flux_enters_and_leaves(absorption):
    """u = exp(i k x . d), k^2 = kappa (1 + i s), by du/dn = i k d . n u on the four walls, with order two."""
    wave = complex(12.0**2, absorption * 12.0**2) ** 0.5
    direction, errors = (math.cos(0.4), math.sin(0.4)), []
    for n in (24, 48, 96):
        grid, h = cells(n, n), 1 / n
        x, y = grid.points().unbind(-1)

        def u(x, y):
            return torch.exp(1j * wave * (direction[0] * x + direction[1] * y))

        fluxes = torch.zeros(n, n, dtype=torch.complex128)
        ends = torch.zeros(n, dtype=torch.float64)
        for wall in (0.0, 1.0):
            # outwards: against the axis at its first end
            outwards = 1j * wave * (2 * wall - 1) / h
            fluxes[-int(wall), :] += outwards * direction[0] * u(ends + wall, y[0])
            fluxes[:, -int(wall)] += outwards * direction[1] * u(x[:, 0], ends + wall)
        kappa = torch.full((1, n, n), wave**2, dtype=torch.complex128)
        found = solve_helmholtz(kappa, fluxes, grid, "neumann")[0]
        errors.append(float((found - u(x, y)).norm() / u(x, y).norm()))
    assert errors[-1] < 0.02
    assert all(1.8 < order < 2.3 for order in -np.diff(np.log2(errors)))


def test_what_a_source_sends_out_is_what_the_medium_absorbs():
    """Im of the sum of conj(u) times the equation: sum Im(conj(u) f) = -sum s kappa |u|^2."""
    grid = cells(48, 48)
    kappa = torch.full((1, 48, 48), 30.0**2, dtype=torch.float64)
    absorbed = kappa * sponge(grid, 0.25, 2.0)
    source = torch.exp(-((grid.points() - 0.5) ** 2).sum(-1) / 0.05**2)
    u = solve_helmholtz(torch.complex(kappa, absorbed), source, grid)[0]
    sent = (u.conj() * source).imag.sum()
    assert torch.allclose(sent, -(absorbed[0] * u.abs() ** 2).sum(), rtol=1e-10)


def test_the_sponge_lets_waves_leave_as_in_free_space():
    """Inside the layer u is the outgoing wave i/4 H_0(k r) of a point, here of a narrow source in its far field."""
    from scipy.special import hankel1

    n, k = 160, 25.0
    grid = cells(n, n, lengths=2.0)
    radius = (grid.points() - 1).square().sum(-1).sqrt()
    source = torch.exp(-((radius / 0.04) ** 2))
    kappa = torch.full((1, n, n), k**2, dtype=torch.float64)
    u = solve_helmholtz(torch.complex(kappa, kappa * sponge(grid, 0.6, 1.0)), source, grid)[0]
    # the strength of a Gaussian seen from afar
    strength = math.pi * 0.04**2 * math.exp(-((k * 0.04 / 2) ** 2))
    ring = (radius > 0.15) & (radius < 0.35)
    exact = torch.from_numpy(0.25j * hankel1(0, k * radius[ring].numpy()) * strength)
    assert float((u[ring] - exact).norm() / exact.norm()) < 0.05


def test_bad_arguments_are_named():
    grid = cells(8, 8)
    ones = torch.ones(1, 8, 8).double()
    with pytest.raises(UnknownName, match="did you mean 'neumann'"):
        solve_helmholtz(ones, ones[0], grid, "neuman")
    with pytest.raises(InvalidArgument, match="two axes of cells"):
        solve_helmholtz(ones, ones[0], Grid.uniform((8, 8)))
    with pytest.raises(InvalidArgument, match="kappa must be finite"):
        solve_helmholtz(ones * math.nan, ones[0], grid)
