"""Systems and equations in the plane: exact solutions, invariants, order, peers, residuals, reproducibility."""

import dataclasses
import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.fft import dctn, idctn
from scipy.integrate import solve_ivp

from limitlab import problems
from limitlab.errors import InvalidArgument
from limitlab.problems.pde.periodic_catalogue import PROBLEMS as ON_AN_INTERVAL
from limitlab.problems.pde.system_catalogue import PROBLEMS
from limitlab.problems.pde.system_laws import Independent, WaveLaw
from limitlab.solvers.pde.bases import basis_of
from limitlab.spaces.transforms import spectral_derivative

CATALOGUE = {problem.name: problem for problem in PROBLEMS}
NAMES = list(CATALOGUE)


def named(name, **values):
    return CATALOGUE[name].with_parameters(**values)


def drawn(problem, resolution, samples=1, seed=0):
    grid = problem.grid(resolution)
    return grid, problem.initial.sample(grid, samples, seed, 0, problem.values)


def text(equation, fields="u", resolution=32, length=1.0, **options):
    return problems.parse(equation, resolution=resolution, length=length, **options)


@pytest.mark.parametrize("name", ["reaction_diffusion", "wave", "wave_2d"])
def test_exact_solutions_are_reproduced(name):
    problem = CATALOGUE[name]
    exact = problem.exact(64)
    start = torch.stack([torch.tensor(exact[v].values[:, 0], dtype=torch.float64) for v in problem.names], 1)
    found = problem.solve(start)
    for number, variable in enumerate(problem.names):
        size = float(abs(exact[variable]).max())
        # of the single precision in which the initial value is stored
        assert float((found[:, :, number] - torch.tensor(exact[variable].values)).abs().max()) < 1e-6 * size


def test_diffusion_in_the_plane_decays_each_mode_by_its_own_rate():
    problem = text("u_t = 0.1*u_xx + 0.2*u_yy - 0.1*u_xy - u_x", length=(1.0, 2.0), span=0.5, frames=2)
    x, y = problem.grid(24).points().unbind(-1)
    k, q = 2 * math.pi, 2 * math.pi
    start = torch.sin(k * x + q * y)[None, None]
    decay = math.exp(-(0.1 * k**2 + 0.2 * q**2 - 0.1 * k * q) * 0.5)
    exact = decay * torch.sin(k * (x - 0.5) + q * y)
    assert float((problem.solve(start)[0, -1, 0] - exact).abs().max()) < 1e-12


def test_what_depends_on_one_coordinate_alone_moves_as_on_an_interval():
    burgers = dataclasses.replace(next(p for p in ON_AN_INTERVAL if p.name == "burgers"), minimum_resolution=64)
    plane = text("u_t = -dy(u^2/2) + 0.1*(u_xx + u_yy)", dt=burgers.dt)
    start = torch.sin(2 * math.pi * burgers.grid(32).points()[:, 0])[None]
    line = burgers.solve(start, np.array([0.0, 0.5]))
    found = plane.solve(start[:, None, None].expand(1, 1, 32, 32), np.array([0.0, 0.5]))
    assert torch.allclose(found[:, :, 0], line[:, :, None].expand(1, 2, 32, 32), atol=1e-12)


def test_waves_keep_their_energy():
    problem = named("wave_2d", c=2.0)
    grid, start = drawn(problem, 32, samples=2)
    u, v = problem.integrate(start, grid, np.linspace(0, 20, 5)).unbind(2)
    gradient = sum(spectral_derivative(u, grid, axis).square() for axis in (0, 1))
    energy = (v.square() + 4 * gradient).mean((-2, -1))
    assert float((energy / energy[:, :1] - 1).abs().max()) < 1e-12


@pytest.mark.parametrize("name", ["allen_cahn_2d", "gray_scott", "fitzhugh_nagumo_2d"])
def test_transposed_initial_values_have_transposed_solutions(name):
    problem = CATALOGUE[name]
    grid, start = drawn(problem, 24)
    times = np.array([0.0, 4 * problem.dt])
    one, other = problem.integrate(start, grid, times), problem.integrate(start.mT, grid, times)
    assert torch.allclose(one.mT, other, atol=1e-13)


def test_allen_cahn_loses_energy_and_stays_within_one():
    problem = CATALOGUE["allen_cahn_2d"]
    grid, start = drawn(problem, 64, samples=2)
    u = problem.integrate(start, grid, np.linspace(0, 3, 7))[:, :, 0]
    gradient = sum(spectral_derivative(u, grid, axis).square() for axis in (0, 1))
    energy = (0.05**2 * gradient / 2 + (u**2 - 1) ** 2 / 4).mean((-2, -1))
    assert float(u.abs().max()) <= 1
    assert bool((energy.diff(dim=1) < 0).all())


def test_a_disc_of_allen_cahn_shrinks_by_its_curvature():
    """The radius of a thin interface obeys R' = -eps^2/R, so that the area falls by 2 pi eps^2 a unit of time."""
    problem = named("allen_cahn_2d", eps=0.04)
    grid = problem.grid(128)
    radius = grid.points().square().sum(-1).sqrt()
    start = torch.tanh((0.6 - radius) / (math.sqrt(2) * 0.04))[None, None]
    u = problem.integrate(start, grid, np.array([0.0, 10.0, 20.0]), dt=0.1)[0, :, 0]
    area = (u + 1).mean((-2, -1)) / 2 * 4
    assert torch.allclose(-area.diff() / 10, torch.tensor(2 * math.pi * 0.04**2).double(), rtol=0.03)


def test_gray_scott_rests_where_it_is_homogeneous_and_keeps_its_bounds():
    problem = CATALOGUE["gray_scott"]
    rest = torch.stack([torch.ones(1, 16, 16), torch.zeros(1, 16, 16)], 1).double()
    assert float((problem.solve(rest, np.array([0.0, 100.0]))[:, -1] - rest[0]).abs().max()) < 1e-13
    grid, start = drawn(problem, 128)
    a, b = problem.integrate(start, grid, np.array([0.0, 30.0, 60.0]), dt=2.0)[0].unbind(1)
    assert 0 <= float(a.min()) < float(a.max()) <= 1 + 1e-7
    assert float(b.min()) > -1e-6


@pytest.mark.parametrize(("name", "step", "span"), [("gray_scott", 4.0, 64.0), ("fitzhugh_nagumo_2d", 0.1, 1.6)])
def test_a_halved_step_shows_order_four(name, step, span):
    problem = CATALOGUE[name]
    grid, start = drawn(problem, 32)
    times = np.array([0.0, span])
    ends = [problem.integrate(start, grid, times, dt=step / 2**level)[:, -1] for level in range(4)]
    changes = [float((one - other).norm()) for one, other in pairwise(ends)]
    assert all(3.6 < order < 4.3 for order in -np.diff(np.log2(changes)))


def test_nothing_flows_through_the_walls():
    problem = dataclasses.replace(
        CATALOGUE["fitzhugh_nagumo_2d"], equation="u_t = D_u*(u_xx + u_yy) + k*v; v_t = D_v*(v_xx + v_yy)"
    )
    grid, start = drawn(problem, 24)
    means = problem.integrate(1 + start, grid, np.array([0.0, 5.0]), dt=0.1).mean((-2, -1))[0]
    assert torch.allclose(means[1, 1], means[0, 1], atol=1e-14)
    assert torch.allclose(means[1, 0], means[0, 0] + 5 * 5e-3 * means[0, 1], atol=1e-12)


def test_walls_are_mirrors():
    """Between walls without flux a solution is that of its even continuation on a torus of twice the length."""
    problem = dataclasses.replace(CATALOGUE["fitzhugh_nagumo_2d"], minimum_resolution=16)
    torus = dataclasses.replace(problem, axis_kind="periodic", lengths=(4.0, 4.0))
    grid, start = drawn(problem, 32)
    doubled = torch.cat([start, start.flip(-1)], -1)
    doubled = torch.cat([doubled, doubled.flip(-2)], -2)
    times = np.array([0.0, 1.0])
    found = problem.integrate(start, grid, times)
    mirrored = torus.integrate(doubled, torus.grid(64), times)[..., :32, :32]
    # the two series leave out the highest waves at different places
    assert torch.allclose(found, mirrored, atol=1e-6)


def test_the_semi_discretisation_is_scipys():
    problem = CATALOGUE["fitzhugh_nagumo_2d"]
    n = 16
    grid, start = drawn(problem, n, seed=3)
    m = np.pi * np.arange(n) / 2
    laplacian = -(m[:, None] ** 2 + m**2)
    kept = (np.arange(n)[:, None] < n / 2) & (np.arange(n) < n / 2)

    def right(_, state):
        u, v = state.reshape(2, n, n)
        clean = idctn(kept * dctn(u))
        cube = idctn(kept * dctn(-(clean**3) - 5e-3))
        return np.stack(
            [idctn(1e-3 * laplacian * dctn(u)) + u + cube - v, idctn(5e-3 * laplacian * dctn(v)) + u - v]
        ).reshape(-1)

    peer = solve_ivp(right, (0, 2.0), start[0].numpy().reshape(-1), method="DOP853", rtol=1e-10, atol=1e-12)
    found = problem.integrate(start, grid, np.array([0.0, 2.0]), dt=0.02)[0, -1].numpy()
    assert abs(found.reshape(-1) - peer.y[:, -1]).max() < 1e-6


@pytest.mark.parametrize(
    ("name", "span"), [("reaction_diffusion", 0.05), ("wave_2d", 0.05), ("fitzhugh_nagumo_2d", 0.4)]
)
def test_the_residual_of_data_falls_with_the_fourth_power_of_the_frame_interval(name, span):
    waves = Independent(tuple(WaveLaw(modes=1, amplitude=0.5) for _ in CATALOGUE[name].fields))
    problem = dataclasses.replace(CATALOGUE[name], initial=waves)
    grid, start = drawn(problem, 48)
    sizes = []
    for frames in (9, 17):
        times = np.linspace(0, span, frames)
        state = problem.integrate(start, grid, times, dt=problem.dt / 8)
        fields = dict(zip(problem.names, state.unbind(2), strict=True))
        residuals = problem.residuals_of(grid, time=torch.from_numpy(times), **fields)
        assert set(residuals) == set(problem.names)
        assert torch.equal(
            residuals[problem.operator[1]], problem.residual_of(grid, time=torch.from_numpy(times), **fields)
        )
        sizes.append(max(float(residual.abs().max()) for residual in residuals.values()))
    assert math.log2(sizes[0] / sizes[1]) > 3.3


def test_the_residual_is_differentiable_and_a_wrong_field_has_one():
    problem = CATALOGUE["fitzhugh_nagumo_2d"]
    grid, time = problem.grid(3), torch.linspace(0, 1, 5, dtype=torch.float64)
    u, v = (
        torch.randn(2, 1, 5, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        .requires_grad_()
        .unbind(0)
    )
    assert torch.autograd.gradcheck(lambda u, v: problem.residual_of(grid, time=time, u=u, v=v), (u, v))
    still = {"u": torch.ones(1, 5, 3, 3), "v": torch.zeros(1, 5, 3, 3)}
    assert torch.allclose(problem.residual_of(grid, time=time.float(), **still), torch.full((), 5e-3), atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_the_same_alone_across_chunks_and_at_every_resolution(name, monkeypatch):
    problem = CATALOGUE[name].with_domain(span=CATALOGUE[name].span / 50, frames=2)
    together = problem.simulate(2, seed=4, resolution=32, first=10)
    monkeypatch.setattr("limitlab.problems.pde.problem.POINTS_PER_BATCH", 1)
    assert together.equals(problem.simulate(2, seed=4, resolution=32, first=10))
    alone = problem.simulate(1, seed=4, resolution=32, first=11)
    assert alone["sample"].values.tolist() == [11]
    fine = problem.restrict(problem.simulate(1, seed=4, resolution=64 if problem.dimension == 2 else 128, first=11), 32)
    for variable in problem.names:
        assert np.array_equal(together[variable].values[1], alone[variable].values[0])
        size = float(abs(alone[variable]).max())
        assert float(abs(fine[variable].values - alone[variable].values).max()) < 1e-4 * size
    other = problem.simulate(1, seed=5, resolution=32, first=11)
    assert not np.array_equal(other[problem.operator[0]].values, alone[problem.operator[0]].values)


def test_the_operator_takes_all_fields_to_all_fields():
    data = CATALOGUE["wave"].with_domain(frames=3).simulate(2, resolution=32)
    view = CATALOGUE["wave"].operator_view(data)
    assert view["input"].dims == view["target"].dims == ("sample", "channel", "x")
    assert np.array_equal(view["input"].values, np.stack([data["u"].values[:, 0], data["v"].values[:, 0]], 1))
    assert np.array_equal(view["target"].values[:, 1], data["v"].values[:, -1])


def test_every_equation_has_a_row_of_latex():
    rows = CATALOGUE["gray_scott"].latex()
    assert rows.count("&=&") == 2
    assert CATALOGUE["allen_cahn_2d"].latex().startswith("u_{t} = ")
    assert "B_{t}" in str(CATALOGUE["gray_scott"].expression()) or "B" in str(CATALOGUE["gray_scott"].expression().lhs)


def test_bad_arguments_are_named():
    problem = CATALOGUE["gray_scott"]
    with pytest.raises(InvalidArgument, match="initial must be finite"):
        problem.solve(torch.zeros(1, 16, 16))
    with pytest.raises(InvalidArgument, match="no exact solution"):
        problem.exact()
    with pytest.raises(InvalidArgument, match="times of the frames"):
        problem.residual_of(problem.grid(8), A=torch.zeros(1, 5, 8, 8), B=torch.zeros(1, 5, 8, 8))
    sheared = dataclasses.replace(CATALOGUE["fitzhugh_nagumo_2d"], equation="u_t = u_x; v_t = u")
    with pytest.raises(InvalidArgument, match="even order"):
        sheared.simulate(1, resolution=16)


def test_the_box_of_cells_is_coarsened_by_its_series():
    problem = CATALOGUE["fitzhugh_nagumo_2d"]
    grid, start = drawn(problem, 32)
    assert torch.allclose(problem.reduced(start, grid, 16), basis_of(grid).resample(start, grid, 16))
