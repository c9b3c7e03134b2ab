"""Vorticity form of the Navier-Stokes equations: exact flows, invariants, symmetries, order, residual and data."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch

from limitlab import problems
from limitlab.errors import InvalidArgument
from limitlab.problems.compiled.periodic_terms import torch_function
from limitlab.problems.pde.navier_stokes import NavierStokesProblem, velocity
from limitlab.problems.text.grammar import parse_equation
from limitlab.solvers.failures import SolutionBlewUp
from limitlab.solvers.pde.spectral import integrate_spectral
from limitlab.spaces import (
    Grid,
    fourier,
    gaussian_field,
    inverse_fourier,
    spectral_derivative,
    spectral_resample,
    wavenumbers,
)


def relative(error, reference):
    return float(torch.linalg.norm(error) / torch.linalg.norm(reference))


def unforced(**parameters) -> NavierStokesProblem:
    return problems.get("navier_stokes", amplitude=0.0, **parameters)


def smooth_vorticity(grid, samples=1, seed=0, size=1.0):
    """Random fields whose spectrum reaches rounding before the cut-off of 32 points."""
    return size * gaussian_field(grid, samples, seed, alpha=6.0, tau=7.0)


def kolmogorov(nu=0.02, drag=0.0) -> NavierStokesProblem:
    return dataclasses.replace(problems.get("kolmogorov", nu=nu, drag=drag), minimum_resolution=64)


def integral(values, grid):
    return values.mean((-2, -1)) * math.prod(grid.lengths)


def test_taylor_green_vortex_decays_exactly():
    problem = unforced(nu=0.01)
    x, y = problem.grid(32).points().unbind(-1)
    initial = (torch.cos(2 * math.pi * x) * torch.cos(2 * math.pi * y))[None]
    flow = problem.solve(initial, times=np.array([0.0, 0.5, 1.0]))
    for frame, time in enumerate((0.0, 0.5, 1.0)):
        exact = initial * math.exp(-8 * math.pi**2 * 0.01 * time)
        assert float((flow[:, frame] - exact).abs().max()) < 1e-13


@pytest.mark.parametrize("drag", [0.0, 0.1])
def test_laminar_kolmogorov_flow_is_steady(drag):
    problem = kolmogorov(nu=0.02, drag=drag)
    y = problem.grid(32).points()[..., 1]
    laminar = (-4 * torch.cos(4 * y) / (16 * 0.02 + drag))[None]
    flow = problem.solve(laminar, times=np.array([0.0, 0.5, 1.0]))
    assert float((flow - laminar[:, None]).abs().max()) < 1e-10


def test_velocity_of_the_taylor_green_vortex():
    grid = Grid.uniform(16, dimension=2, lengths=2 * math.pi)
    x, y = grid.points().unbind(-1)
    u, v = velocity(2 * torch.sin(x) * torch.sin(y), grid)
    assert torch.allclose(u, torch.sin(x) * torch.cos(y), rtol=0, atol=1e-14)
    assert torch.allclose(v, -torch.cos(x) * torch.sin(y), rtol=0, atol=1e-14)


def test_velocity_is_free_of_divergence_and_has_the_vorticity():
    grid = Grid.uniform((32, 48), lengths=(1.0, 2.0))
    w = smooth_vorticity(grid)
    u, v = velocity(w, grid)
    assert float((spectral_derivative(u, grid, 0) + spectral_derivative(v, grid, 1)).abs().max()) < 1e-13
    assert relative(spectral_derivative(v, grid, 0) - spectral_derivative(u, grid, 1) - w, w) < 1e-13


def test_transport_is_the_advection_of_vorticity():
    problem = unforced()
    grid = problem.grid(64)
    coarse = grid.at(16)
    w = spectral_resample(
        smooth_vorticity(coarse, samples=2), coarse, 64
    )  # products of its waves stay below the cut-off
    u, v = velocity(w, grid)
    advection = u * spectral_derivative(w, grid, 0) + v * spectral_derivative(w, grid, 1)
    _, nonlinear = problem.tendency(grid, torch.zeros_like(w))
    assert relative(inverse_fourier(nonlinear(fourier(w, grid)), grid) + advection, advection) < 1e-12


def test_mean_vorticity_stays_zero():
    problem = problems.get("navier_stokes", drag=0.1)
    initial = problem.initial.sample(problem.grid(32), 2, 0, 0, problem.values)
    flow = problem.solve(initial, times=np.linspace(0, 2, 3))
    assert float(flow.mean((2, 3)).abs().max()) < 1e-15


def test_inviscid_flow_keeps_energy_and_enstrophy():
    problem = unforced()
    grid = problem.grid(64)
    w = smooth_vorticity(grid, size=20.0)
    linear, nonlinear = problem.tendency(grid, torch.zeros_like(w))
    flow = integrate_spectral(w, grid, 0 * linear, nonlinear, np.linspace(0, 2, 5), dt=0.01)[0]
    assert relative(flow[-1] - flow[0], flow[0]) > 0.2
    enstrophy, energy = flow.square().mean((1, 2)), velocity(flow, grid).square().sum(0).mean((1, 2))
    assert float((enstrophy / enstrophy[0] - 1).abs().max()) < 1e-6
    assert float((energy / energy[0] - 1).abs().max()) < 1e-6


def test_enstrophy_budget_closes():
    problem = problems.get("navier_stokes", nu=1e-3, drag=0.2)
    grid = problem.grid(32)
    fine = grid.at(64)
    step = 0.02
    flow = problem.integrate(
        smooth_vorticity(fine, size=3.0), problem.fixed_forcing(fine)[None], fine, step * np.arange(5)
    )[0]
    enstrophy = integral(flow.square(), fine) / 2
    rate = (enstrophy[0] - 8 * enstrophy[1] + 8 * enstrophy[3] - enstrophy[4]) / (12 * step)
    w = flow[2]
    gradient = sum(spectral_derivative(w, fine, axis).square() for axis in (0, 1))
    loss = 1e-3 * integral(gradient, fine) + 0.2 * integral(w.square(), fine)
    gain = integral(problem.fixed_forcing(fine) * w, fine)
    assert abs(float(rate - gain + loss)) < 1e-6 * float(loss)


def test_etdrk4_has_order_four():
    problem = unforced(nu=1e-3)
    grid = problem.grid(32)
    w = smooth_vorticity(grid, size=20.0)
    linear, nonlinear = problem.tendency(grid, torch.zeros_like(w))
    ends = {
        steps: integrate_spectral(w, grid, linear, nonlinear, [0.0, 1.0], dt=1.0 / steps)[:, -1]
        for steps in (20, 40, 80, 160, 640)
    }
    errors = [relative(ends[steps] - ends[640], ends[640]) for steps in (20, 40, 80, 160)]
    orders = -np.diff(np.log2(errors))
    assert np.all((orders > 3.7) & (orders < 4.3))


def test_quarter_turn_commutes_with_the_flow():
    problem = unforced(nu=1e-3)
    initial = smooth_vorticity(problem.grid(32), size=5.0)

    def turned(values):  # (x, y) -> (-y, x) keeps the point (0, 0) of a periodic grid
        return values.transpose(-2, -1).flip(-1).roll(1, -1)

    times = np.array([0.0, 1.0])
    flow = problem.solve(initial, times=times)
    assert relative(problem.solve(turned(initial), times=times) - turned(flow), flow) < 1e-12


def test_reflection_changes_the_sign_of_vorticity():
    problem = unforced(nu=1e-3)
    initial = smooth_vorticity(problem.grid(32), size=5.0)
    times = np.array([0.0, 1.0])
    flow = problem.solve(initial, times=times)
    assert relative(problem.solve(-initial.mT, times=times) + flow.mT, flow) < 1e-12


@pytest.mark.parametrize(("name", "nu", "span"), [("navier_stokes", 1e-3, 5.0), ("navier_stokes_forced", 0.002, 1.0)])
def test_spectrum_falls_three_decades_before_the_cut_off(name, nu, span):
    problem = problems.get(name, nu=nu, span=span)
    grid = problem.grid(64 if name == "navier_stokes" else 128)
    w = torch.zeros(1, *grid.shape, dtype=torch.float64)
    if problem.initial is not None:
        w = problem.initial.sample(grid, 1, 0, 0, problem.values)
    w = problem.integrate(w, problem.sample_forcing(grid, 1, 0, 0), grid, np.array([0.0, span]))[:, -1]
    energy = velocity(w, grid)
    power = fourier(energy, grid).abs().square().sum(0)[0]
    shell = sum((k * length / (2 * math.pi)) ** 2 for k, length in zip(wavenumbers(grid), grid.lengths, strict=True))
    spectrum = torch.zeros(200, dtype=torch.float64).index_add_(
        0, shell.sqrt().round().long().flatten(), power.flatten()
    )
    cut_off = grid.shape[0] // 3
    assert float(spectrum[cut_off - 1]) < 1e-3 * float(spectrum.max())


def test_residual_is_small_on_solutions_and_large_on_wrong_ones():
    problem = problems.get("navier_stokes", nu=0.002, span=0.4, frames=21)
    grid = problem.grid(32)
    times = torch.from_numpy(problem.times)
    w = problem.solve(smooth_vorticity(grid, samples=2, size=5.0))
    size = problem.residual_of(grid, time=times, w=w.mean(1, keepdim=True).expand_as(w)).square().mean().sqrt()
    assert float(problem.residual_of(grid, time=times, w=w).abs().max()) < 1e-4 * float(size)
    assert float(problem.residual_of(grid, time=times, w=1.1 * w).square().mean().sqrt()) > 0.03 * float(size)
    viscous = problem.with_parameters(nu=0.004)
    assert float(viscous.residual_of(grid, time=times, w=w).square().mean().sqrt()) > 0.03 * float(size)


def test_residual_of_stored_data_is_that_of_single_precision():
    problem = problems.get("navier_stokes_forced", span=0.2, frames=11)
    dataset = problem.simulate(2, resolution=64)
    residual = problem.residual(dataset)["residual"]
    assert residual.dims == ("sample", "time", "x", "y")
    assert float(np.abs(residual).max()) < 1e-3 * float(np.abs(dataset["f"]).max())


def test_residual_reads_as_the_text_of_the_equation():
    problem = problems.get("navier_stokes_forced", drag=0.3)
    grid = problem.grid(24)
    time = torch.linspace(0, 1, 5, dtype=torch.float64)
    low = Grid.uniform(8, dimension=2, lengths=2 * math.pi)
    w, f = (spectral_resample(gaussian_field(low, 2, seed, alpha=1, tau=1), low, 24) for seed in (0, 1))
    kx, ky = wavenumbers(grid)
    psi = inverse_fourier(fourier(w, grid) / (kx**2 + ky**2).clamp_min(1), grid)
    names = [field.name for field in problem.fields]
    right = parse_equation(problem.equation, fields=names, parameters=list(problem.values), dimension=2).rhs
    values = {**problem.values, "w": w, "psi": psi, "f": f}
    text = torch_function(right)(values, lambda u, axis, order: spectral_derivative(u, grid, "xy".index(axis), order))
    steady = w[:, None].expand(2, 5, *grid.shape)
    assert relative(problem.residual_of(grid, time=time, w=steady, f=f)[:, 2] + text, text) < 1e-12


def test_residual_has_the_gradients_of_finite_differences():
    problem = problems.get("navier_stokes_forced", nu=0.05)
    grid = problem.grid(6)
    time = torch.linspace(0, 1, 5, dtype=torch.float64)
    w = gaussian_field(grid, 5, 0, alpha=1, tau=1)[None].requires_grad_()
    f = gaussian_field(grid, 1, 9, alpha=1, tau=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda w, f: problem.residual_of(grid, time=time, w=w, f=f), (w, f), fast_mode=True)


def test_sample_does_not_depend_on_its_batch():
    problem = unforced(nu=1e-3)
    slow = smooth_vorticity(problem.grid(32), samples=2)
    fast = 100 * smooth_vorticity(problem.grid(32), samples=1, seed=5)
    times = np.array([0.0, 0.5])
    together = problem.solve(torch.cat([slow, fast]), times=times)
    assert relative(together[:2] - problem.solve(slow, times=times), slow) < 1e-13
    assert relative(together[2:] - problem.solve(fast, times=times), fast) < 1e-13


def test_fast_flow_takes_shorter_steps_of_its_own():
    problem = unforced(nu=1e-3)
    fast = 100 * smooth_vorticity(problem.grid(32))
    times = np.array([0.0, 0.5])
    finest = problem.solve(fast, times=times, dt=1e-3)
    assert relative(problem.solve(fast, times=times) - finest, finest) < 1e-4


@pytest.mark.parametrize("name", ["navier_stokes", "navier_stokes_forced"])
def test_samples_depend_only_on_seed_and_number(name):
    problem = problems.get(name, span=0.2, frames=5)
    whole = problem.simulate(3, seed=5, resolution=32)
    part = problem.simulate(1, seed=5, resolution=32, first=2)
    assert whole.identical(problem.simulate(3, seed=5, resolution=32))
    for variable in whole.data_vars:
        difference = np.abs(whole[variable].values[2:] - part[variable].values).max()
        assert difference < 1e-6 * np.abs(part[variable].values).max()
    assert whole["sample"].values[2] == part["sample"].values[0]


@pytest.mark.parametrize("name", ["navier_stokes", "navier_stokes_forced"])
def test_every_resolution_shows_the_same_flow(name):
    problem = problems.get(name, span=1.0, frames=3)
    coarse, fine = problem.simulate(1, seed=2, resolution=32), problem.simulate(1, seed=2, resolution=64)
    reduced = problem.restrict(fine, 32)
    for variable in coarse.data_vars:
        assert np.linalg.norm(reduced[variable] - coarse[variable]) < 1e-4 * np.linalg.norm(coarse[variable])


def test_random_forcing_acts_from_rest_with_the_stated_deviation():
    problem = problems.get("navier_stokes_forced", span=0.01, frames=2)
    dataset = problem.simulate(12, resolution=32)
    w, f = dataset["w"].values, dataset["f"].values
    assert not w[:, 0].any()
    assert np.abs(w[:, 1] / 0.01 - f).max() < 0.05 * np.abs(f).max()
    assert 0.8 < f.std() < 1.1


def test_printed_amplitude_gives_a_nearly_linear_flow():
    problem = problems.get("navier_stokes_forced", amplitude=1 / (2 * math.pi * math.sqrt(27)), frames=2)
    view = problem.operator_view(problem.simulate(1, resolution=32))
    assert np.linalg.norm(view["target"] - 5 * view["input"]) < 0.35 * np.linalg.norm(view["target"])


def test_operator_views_take_the_first_field_to_the_last():
    flow = problems.get("navier_stokes", span=0.5, frames=2).simulate(2, resolution=16)
    view = problems.get("navier_stokes").operator_view(flow)
    assert view["input"].dims == ("sample", "channel", "x", "y")
    assert np.array_equal(view["input"][:, 0], flow["w"][:, 0])
    assert np.array_equal(view["target"][:, 0], flow["w"][:, -1])
    assert set(flow.data_vars) == {"w"}


def test_initial_vorticity_has_the_deviation_of_the_recipe():
    w = problems.get("navier_stokes", span=0.04, frames=2).simulate(12, resolution=32)["w"][:, 0]
    # 0.185 on all modes (Li et al. 2020, code); the grid of 32 points keeps nearly all of it
    assert float(w.std()) == pytest.approx(0.185, rel=0.1)


def test_dataset_says_how_it_was_made():
    dataset = problems.get("navier_stokes_forced", span=0.1, frames=2).simulate(1, seed=3, resolution=32, first=4)
    grid = Grid.from_json(dataset.attrs["grid"])
    assert grid.lengths == pytest.approx((2 * math.pi, 2 * math.pi))
    assert dataset.attrs["solver_resolution"] == 128
    assert json.loads(dataset.attrs["parameters"]) == {"nu": 0.002, "amplitude": 1.0, "drag": 0.0}
    assert all({"units", "long_name"} <= set(dataset[v].attrs) for v in dataset.variables)


def test_wrong_fields_are_refused():
    problem = unforced()
    with pytest.raises(InvalidArgument, match="vorticity must have shape"):
        problem.solve(torch.zeros(16, 16))
    with pytest.raises(InvalidArgument, match="vorticity must be finite"):
        problem.solve(torch.full((1, 16, 16), math.nan))
    with pytest.raises(InvalidArgument, match="forcing must have the shape of vorticity"):
        problem.solve(torch.zeros(2, 16, 16), torch.zeros(3, 16, 16))
    with pytest.raises(InvalidArgument, match="needs the times"):
        problem.residual_of(problem.grid(8), w=torch.zeros(1, 5, 8, 8))
    with pytest.raises(InvalidArgument, match="not periodic on a box"):
        problems.get("navier_stokes", length=1.5).simulate(1, resolution=8)
    with pytest.raises(InvalidArgument, match="nu must be"):
        problem.with_parameters(nu=0.0)


def test_flow_that_outruns_every_step_is_named():
    w = smooth_vorticity(unforced().grid(16), samples=3)
    w[1] *= 1e9
    with pytest.raises(SolutionBlewUp, match="sample 1 moves too fast"):
        unforced().solve(w)
