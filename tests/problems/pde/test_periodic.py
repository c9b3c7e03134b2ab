"""Periodic evolution equations: exact solutions, invariants, peers, residuals, reproducibility."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.problems.pde.laws import FourierLaw, evaluate_text
from limitlab.problems.pde.periodic import cole_hopf, time_derivative
from limitlab.problems.pde.periodic_catalogue import PROBLEMS
from limitlab.problems.pde.typed import parse
from limitlab.spaces.grid import Grid
from limitlab.spaces.transforms import spectral_derivative, spectral_resample

CATALOGUE = {problem.name: problem for problem in PROBLEMS}
NAMES = list(CATALOGUE)


def named(name, **values):
    return CATALOGUE[name].with_parameters(**values)


def exact_values(problem, resolution):
    grid = problem.grid(resolution)
    return grid, evaluate_text(problem.solution, grid, torch.from_numpy(problem.times), problem.values)


def solution_error(problem, resolution):
    _, exact = exact_values(problem, resolution)
    return float((problem.solve(exact[:1])[0] - exact).abs().max())


def integral(u, grid):
    return u.mean(-1) * grid.lengths[0]


@pytest.mark.parametrize("beta", [0.1, 1.0, -4.0])
def test_advection_is_a_shift_to_twelve_digits(beta):
    assert solution_error(named("advection", beta=beta), 64) < 1e-12


@pytest.mark.parametrize("nu", [1e-2, 1.0])
def test_heat_decays_each_mode_by_its_own_rate_to_twelve_digits(nu):
    assert solution_error(named("heat", nu=nu), 64) < 1e-12


@pytest.mark.parametrize("nu", [0.2, 0.1, 0.02])
def test_burgers_data_equal_cole_hopf_within_one_millionth(nu):
    problem = named("burgers", nu=nu)
    fine = problem.grid(2048)
    points = problem.solver_resolution(128)
    coarse = problem.grid(points)
    initial = spectral_resample(problem.initial.sample(coarse, 4, 7, 0, problem.values), coarse, 2048)
    times = torch.tensor([0.25, 0.5, 1.0], dtype=torch.float64)
    exact = spectral_resample(cole_hopf(initial, fine, times, nu), fine, points)
    found = problem.integrate(spectral_resample(initial, fine, points), coarse, np.array([0.0, *times.tolist()]))[:, 1:]
    error = (found - exact).norm(dim=-1) / exact.norm(dim=-1)
    assert float(error.max()) < 1e-6


def test_burgers_from_a_sine_and_a_mean_equals_cole_hopf():
    problem = dataclasses.replace(named("burgers", nu=0.05), lengths=(2 * math.pi,))
    grid = problem.grid(256)
    initial = 0.3 + torch.sin(grid.points()[:, 0])[None]
    exact = cole_hopf(initial, grid, torch.tensor([1.0]).double(), 0.05)[:, 0]
    assert float((problem.solve(initial, np.array([0.0, 1.0]), dt=0.005)[:, 1] - exact).abs().max()) < 1e-7


def test_burgers_has_its_closed_solution():
    assert solution_error(named("burgers", nu=0.1), 128) < 1e-8


def test_korteweg_de_vries_carries_a_soliton():
    assert solution_error(CATALOGUE["korteweg_de_vries"].with_domain(span=2.0, frames=3), 512) < 1e-5


def test_allen_cahn_kinks_are_stationary():
    problem = named("allen_cahn", eps=0.04)
    _, exact = exact_values(problem, 256)
    assert float((exact[-1] - exact[0]).abs().max()) == 0
    assert solution_error(problem, 256) < 1e-6


def test_exact_dataset_is_labelled_and_unknown_solutions_are_refused():
    assert CATALOGUE["heat"].exact(32)["u"].dims == ("sample", "time", "x")
    with pytest.raises(InvalidArgument, match="no exact solution"):
        CATALOGUE["kuramoto_sivashinsky"].exact()


@pytest.mark.parametrize("name", ["advection", "heat", "burgers", "korteweg_de_vries", "kuramoto_sivashinsky"])
def test_conservation_laws_keep_the_mean(name):
    problem = dataclasses.replace(CATALOGUE[name], warm_up=0.0).with_domain(frames=3, span=min(CATALOGUE[name].span, 5))
    initial = 0.25 + problem.initial.sample(problem.grid(64), 2, 0, 0, problem.values)
    means = problem.solve(initial).mean(-1)
    assert float((means - 0.25).abs().max()) < 1e-13


def test_kuramoto_sivashinsky_keeps_mean_zero():
    problem = CATALOGUE["kuramoto_sivashinsky"].with_domain(span=20.0, frames=5)
    u = problem.simulate(2)["u"].values
    assert abs(u.mean(-1)).max() < 1e-7  # single precision is what is stored
    assert 1.0 < abs(u).max() < 4.0


def test_advection_keeps_the_l2_norm():
    problem = CATALOGUE["advection"]
    grid = problem.grid(64)
    norms = problem.solve(problem.initial.sample(grid, 2, 0, 0, problem.values)).square().mean(-1)
    assert float((norms / norms[:, :1] - 1).abs().max()) < 1e-12


def test_korteweg_de_vries_keeps_momentum_and_energy():
    problem = CATALOGUE["korteweg_de_vries"]
    grid = problem.grid(512)
    soliton = exact_values(problem, 512)[1][:1]
    u = problem.integrate(soliton, grid, np.linspace(0, 4, 5), dt=0.01)[0]
    momentum = integral(u**2, grid)
    energy = integral(spectral_derivative(u, grid, 0) ** 2 / 2 - u**3, grid)
    for invariant in (momentum, energy):
        assert float((invariant / invariant[0] - 1).abs().max()) < 2e-4


def test_burgers_dissipates_energy_at_the_rate_of_its_gradient_and_keeps_bounds():
    problem = named("burgers", nu=0.05).with_domain(span=0.4, frames=81)
    problem = dataclasses.replace(problem, initial=FourierLaw(modes=3))
    grid = problem.grid(256)
    u = problem.integrate(problem.initial.sample(grid, 2, 3, 0, problem.values), grid, problem.times)
    energy = integral(u**2, grid) / 2
    rate = time_derivative(energy, torch.from_numpy(problem.times))
    dissipation = 0.05 * integral(spectral_derivative(u, grid, 0) ** 2, grid)
    assert float((rate + dissipation)[:, 2:-2].abs().max()) < 2e-4 * float(dissipation.max())
    assert bool((u.amax(-1).diff(dim=1) <= 1e-9).all())
    assert bool((u.amin(-1).diff(dim=1) >= -1e-9).all())


def test_allen_cahn_stays_within_one_and_loses_energy_in_every_frame():
    problem = CATALOGUE["allen_cahn"]
    grid = problem.grid(512)
    u = problem.integrate(problem.initial.sample(grid, 3, 0, 0, problem.values), grid, problem.times)
    eps = problem.values["eps"]
    energy = integral(eps**2 * spectral_derivative(u, grid, 0) ** 2 / 2 + (u**2 - 1) ** 2 / 4, grid)
    assert float(u.abs().max()) <= 1.0
    assert bool((energy.diff(dim=1) <= 1e-12).all())


def test_kuramoto_sivashinsky_converges_when_dt_is_halved():
    problem = CATALOGUE["kuramoto_sivashinsky"]
    grid = problem.grid(64)
    state = problem.integrate(problem.initial.sample(grid, 1, 0, 0, {}), grid, np.array([0.0, 20.0]))[:, -1]
    times = np.array([0.0, 5.0])
    reference = problem.integrate(state, grid, times, dt=1 / 320)
    errors = [float((problem.integrate(state, grid, times, dt=dt) - reference).abs().max()) for dt in (0.2, 0.1, 0.05)]
    assert np.log2(np.array(errors[:-1]) / errors[1:]).mean() >= 2.6


def test_mirror_symmetry_of_burgers():
    """If u(x, t) solves it, so does -u(-x, t)."""
    problem = CATALOGUE["burgers"].with_domain(frames=3)
    initial = problem.initial.sample(problem.grid(64), 1, 0, 0, problem.values)

    def mirror(u):
        return -u.flip(-1).roll(1, -1)

    assert torch.allclose(problem.solve(mirror(initial)), mirror(problem.solve(initial)), atol=1e-13)


def truncate(u, keep=21):
    spectrum = np.fft.rfft(u)
    spectrum[keep + 1 :] = 0
    return spectrum


def half_square_slope(u, k):
    """(u^2/2)_x by the 2/3 rule on 64 points."""
    return np.fft.irfft(1j * k * truncate(np.fft.irfft(truncate(u), 64) ** 2 / 2), 64)


def fisher_bistable(u, k):
    spectrum = truncate(u, 15)
    v = np.fft.irfft(spectrum, 64)
    nonlinear = np.fft.irfft(truncate(v**2 * 1.3 - v**3, 15), 64)
    return nonlinear + np.fft.irfft((-0.01 * k**2 - 0.3) * np.fft.rfft(u), 64)


PEERS = {
    "burgers": (named("burgers", nu=0.05), 0.5, lambda u, k: -half_square_slope(u, k) + linear(u, -0.05 * k**2)),
    "kuramoto_sivashinsky": (
        CATALOGUE["kuramoto_sivashinsky"],
        2.0,
        lambda u, k: -half_square_slope(u, k) + linear(u, k**2 - k**4),
    ),
    "own equation": (
        parse("u_t = D*u_xx + u*(1 - u)*(u - a)", {"D": 0.01, "a": 0.3}, dt=0.01),
        1.0,
        fisher_bistable,
    ),
}


def linear(u, symbol):
    return np.fft.irfft(symbol * np.fft.rfft(u), 64)


@pytest.mark.parametrize("name", PEERS)
def test_semi_discretisation_equals_scipys_to_six_digits(name):
    problem, span, right = PEERS[name]
    grid = problem.grid(64)
    initial = FourierLaw(modes=3, amplitude=0.8).sample(grid, 1, 5, 0, {})
    k = 2 * np.pi * np.arange(33) / grid.lengths[0]
    peer = solve_ivp(lambda t, u: right(u, k), (0, span), initial[0].numpy(), method="DOP853", rtol=1e-10, atol=1e-12)
    found = problem.integrate(initial, grid, np.array([0.0, span]), dt=0.002)[0, -1].numpy()
    assert abs(found - peer.y[:, -1]).max() < 1e-6


def residual_error(problem, resolution, frames):
    problem = problem.with_domain(frames=frames)
    grid, exact = exact_values(problem, resolution)
    return float(problem.residual_of(grid, time=torch.from_numpy(problem.times), u=exact[None]).abs().max())


@pytest.mark.parametrize(
    ("name", "resolution", "span"),
    [("advection", 64, 0.5), ("heat", 64, 1.0), ("burgers", 128, 0.2), ("korteweg_de_vries", 512, 1.0)],
)
def test_residual_of_the_exact_solution_falls_with_the_fourth_power_of_the_frame_interval(name, resolution, span):
    problem = CATALOGUE[name].with_domain(span=span)
    errors = [residual_error(problem, resolution, frames) for frames in (41, 81, 161)]
    assert np.log2(np.array(errors[:-1]) / errors[1:]).mean() > 3.6


def test_residual_of_a_wrong_field_is_the_missing_term():
    problem = CATALOGUE["heat"]
    grid = problem.grid(32)
    u = torch.sin(2 * math.pi * grid.points()[:, 0]).expand(1, 7, 32)
    residual = problem.residual_of(grid, time=torch.linspace(0, 1, 7), u=u)
    assert torch.allclose(residual, 0.01 * 4 * math.pi**2 * u, atol=1e-10)


def test_residual_is_differentiable_in_the_field():
    problem = CATALOGUE["allen_cahn"]
    grid = problem.grid(8)
    u = torch.randn(1, 5, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    time = torch.linspace(0, 1, 5, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda v: problem.residual_of(grid, time=time, u=v), (u,))


def test_residual_keeps_single_precision_and_the_dims_of_the_data():
    problem = CATALOGUE["burgers"]
    u = torch.randn(2, 5, 16)
    assert problem.residual_of(problem.grid(16), time=torch.linspace(0, 1, 5), u=u).dtype == torch.float32
    data = problem.with_domain(frames=6).simulate(2, resolution=16)
    assert problem.residual(data)["residual"].dims == ("sample", "time", "x")
    with pytest.raises(InvalidArgument, match="5 frames"):
        problem.residual(problem.with_domain(frames=3).simulate(1, resolution=16))


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_the_same_alone_and_in_a_batch(name):
    problem = CATALOGUE[name].with_domain(frames=2, span=CATALOGUE[name].span / 10)
    together = problem.simulate(3, seed=4, first=10)
    alone = problem.simulate(1, seed=4, first=12)
    assert np.array_equal(together["u"].values[2], alone["u"].values[0])
    assert alone["sample"].values.tolist() == [12]


def test_a_sample_is_the_same_across_chunks(monkeypatch):
    problem = CATALOGUE["burgers"].with_domain(frames=2, span=0.05)
    whole = problem.simulate(5, seed=1)
    monkeypatch.setattr("limitlab.problems.pde.periodic.POINTS_PER_BATCH", 512)
    assert np.array_equal(whole["u"].values, problem.simulate(5, seed=1)["u"].values)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_identical_data_and_another_seed_other_data(name):
    problem = CATALOGUE[name].with_domain(frames=2, span=CATALOGUE[name].span / 20)
    first, second, other = (problem.simulate(2, seed=seed)["u"].values for seed in (3, 3, 5))
    assert np.array_equal(first, second)
    assert abs(first - other).max() > 0.1


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_one_function_at_every_resolution(name):
    problem = CATALOGUE[name].with_domain(frames=2, span=CATALOGUE[name].span / 20)
    coarse, fine = problem.simulate(1, seed=2, resolution=128), problem.simulate(1, seed=2, resolution=256)
    restricted = problem.restrict(fine, 128)
    assert np.allclose(restricted["x"], coarse["x"])
    assert abs(restricted["u"].values - coarse["u"].values).max() < 2e-5


def test_dataset_carries_its_recipe():
    data = CATALOGUE["burgers"].with_domain(frames=3).simulate(2, seed=1, resolution=32, first=7)
    assert dict(data.sizes) == {"sample": 2, "time": 3, "x": 32}
    assert data["u"].dtype == np.float32
    assert json.loads(data.attrs["parameters"]) == {"nu": 0.1}
    assert Grid.from_json(data.attrs["grid"]) == CATALOGUE["burgers"].grid(32)
    needed = {"problem", "equation", "seed", "first", "solver", "solver_resolution", "dt", "limitlab_version"}
    assert needed <= set(data.attrs)
    assert data.attrs["solver_resolution"] >= 64
    assert all({"units", "long_name"} <= set(data[name].attrs) for name in ("u", "sample", "time", "x"))


def test_operator_view_maps_the_first_frame_to_the_last():
    problem = CATALOGUE["burgers"].with_domain(frames=3)
    data = problem.simulate(2, resolution=32)
    view = problem.operator_view(data)
    assert view["input"].dims == view["target"].dims == ("sample", "channel", "x")
    assert np.array_equal(view["target"].values[:, 0], data["u"].values[:, -1])
    assert np.array_equal(view["input"].values[:, 0], data["u"].values[:, 0])


def test_spec_is_json_and_changes_with_everything_that_decides_the_numbers():
    problem = CATALOGUE["burgers"]
    variants = [
        problem,
        problem.with_parameters(nu=0.05),
        problem.with_domain(span=2.0),
        problem.with_domain(length=2.0),
        problem.with_domain(frames=5),
        dataclasses.replace(problem, initial=FourierLaw()),
        dataclasses.replace(problem, version=problem.version + 1),
    ]
    assert len({json.dumps(variant.spec(), sort_keys=True) for variant in variants}) == len(variants)


def test_wrong_parameters_are_named():
    with pytest.raises(UnknownName, match="did you mean 'nu'"):
        named("burgers", mu=1.0)
    with pytest.raises(InvalidArgument, match=r"nu must be a number >= 0\.005"):
        named("burgers", nu=-1.0)
    with pytest.raises(InvalidArgument, match="resolution"):
        CATALOGUE["burgers"].simulate(1, resolution=-3)


@pytest.mark.parametrize("name", NAMES)
def test_every_equation_has_latex_and_parameters_with_a_meaning(name):
    problem = CATALOGUE[name]
    assert problem.latex().startswith("u_{t} = ")
    for parameter in problem.parameters:
        assert parameter.low <= parameter.default <= parameter.high
        assert parameter.meaning
