"""Helmholtz problems: exact homogeneous media, bounds below resonance, residual and data."""

import numpy as np
import pytest
import torch

from limitlab import problems

NAMES = ("helmholtz", "helmholtz_sourced")


def relative(error, reference):
    return float(np.linalg.norm(error) / np.linalg.norm(reference))


@pytest.mark.parametrize(("name", "length"), [("helmholtz", 1.0), ("helmholtz", 0.5), ("helmholtz_sourced", 1.0)])
def test_finite_volumes_converge_to_the_exact_solution_with_order_two(name, length):
    problem = problems.get(name, length=length)
    problem = problem.with_parameters(omega=100.0) if name == "helmholtz_sourced" else problem
    errors = []
    for n in (20, 40, 80):
        known = problem.exact(n)
        c, u = (torch.tensor(known[v].values, dtype=torch.float64) for v in ("c", "u"))
        errors.append(relative(problem.solve(c) - u, u))
    assert np.all(abs(-np.diff(np.log2(errors)) - 2) < 0.15)


def test_many_waves_are_resolved():
    problem = problems.get("helmholtz_sourced")
    n = problem.solver_resolution(16)
    known = problem.exact(n)
    c, u = (torch.tensor(known[v].values, dtype=torch.float64) for v in ("c", "u"))
    assert relative(problem.solve(c) - u, u) < 0.2
    assert problem.with_parameters(omega=1000.0).solver_resolution(16) > 2 * n


def test_below_resonance_a_slower_medium_is_lifted_higher():
    problem = problems.get("helmholtz")
    c = problem.sample_input(problem.grid(32), 2, 0, 0)
    assert float((c - 1).abs().max()) < 0.3
    u, slower, still = (problem.solve(c), problem.solve(0.95 * c), problem.with_parameters(omega=0.0).solve(c))
    assert bool((slower > u).all())
    assert bool((u > still).all())
    assert bool((still > 0).all())


@pytest.mark.parametrize("name", NAMES)
def test_data_solve_their_equation_and_are_one_function_at_every_resolution(name):
    problem = problems.get(name)
    grid = problem.grid(problem.solver_resolution(32))
    c = problem.sample_input(grid, 1, 3, 0)
    u = problem.solve(c)
    scale = float(u.abs().max()) * grid.shape[0] ** 2
    assert float(problem.residual_of(grid, c=c, u=u).abs().max()) < 1e-11 * scale
    assert float(problem.residual_of(grid, c=c, u=u.flip(-1)).abs().max()) > 1e-3 * scale / grid.shape[0]
    fine, coarse = problem.simulate(1, seed=3, resolution=64), problem.simulate(1, seed=3, resolution=32)
    assert fine.attrs["solver_resolution"] == coarse.attrs["solver_resolution"]
    for variable in problem.operator:
        assert relative(problem.restrict(fine, 32)[variable] - coarse[variable], coarse[variable]) < 1e-6
    assert coarse.equals(problem.simulate(2, seed=3, resolution=32).isel(sample=[0]))
    assert not coarse.equals(problem.simulate(1, seed=4, resolution=32))
