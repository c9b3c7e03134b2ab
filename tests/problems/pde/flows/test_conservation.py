"""Conservation laws of the catalogue: their text, balances, symmetry, and data."""

import numpy as np
import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.problems.compiled.periodic_terms import torch_function
from limitlab.problems.pde.flows.conservation import PROBLEMS
from limitlab.solvers.pde.finite_volume import rate_of_change
from limitlab.spaces.grid import Grid
from limitlab.spaces.transforms import spectral_derivative

CATALOGUE = {problem.name: problem for problem in PROBLEMS}


def smooth_state(problem, grid):
    x, y = (2 * torch.pi * grid.points()).unbind(-1)
    fields = [1.5 + 0.2 * torch.sin(x) * torch.cos(y), 0.2 * torch.cos(x + y), 0.3 * torch.sin(y - x)]
    return torch.stack([*fields, *([3 + 0.2 * torch.cos(x)] if len(problem.fields) == 4 else [])])[None]


@pytest.mark.parametrize("name", CATALOGUE)
def test_fluxes_are_those_of_the_text(name):
    """The scheme's rate of change tends to the right side of the text, by another method of derivatives."""
    problem = CATALOGUE[name]
    if "f" in problem.values:
        problem = problem.with_parameters(f=2.0)
    errors = []
    for n in (32, 64):
        torus, grid = Grid.uniform((n, n)), Grid.uniform((n, n), kind="cells")
        state = smooth_state(problem, grid)
        values = {**problem.values, **dict(zip(problem.names, state.unbind(1), strict=True))}

        def differentiate(quantity, axis, order, torus=torus):
            return spectral_derivative(quantity, torus, "xy".index(axis), order)

        exact = torch.stack([torch_function(e.rhs)(values, differentiate) for e in problem.expressions()], 1)
        found = rate_of_change(state, grid, problem.law(), "periodic")
        errors.append(float((found - exact).abs().mean() / exact.abs().mean()))
    assert errors[-1] < 0.02
    assert errors[0] / errors[1] > 3


@pytest.mark.parametrize("name", ["shallow_water", "compressible"])
def test_closed_boxes_keep_what_they_hold(name):
    data = CATALOGUE[name].with_domain(span=0.1, frames=3).simulate(1, resolution=16)
    for variable in {"h", "r", "E"} & set(data.data_vars):
        means = data[variable].mean(("x", "y")).values
        assert abs(means / means[:, :1] - 1).max() < 1e-6


def test_a_round_column_falls_alike_in_all_four_quarters():
    data = CATALOGUE["dam_break"].with_domain(span=0.5, frames=2).simulate(1, resolution=32)
    h, p, q = (data[name].values[0, -1] for name in "hpq")
    assert abs(h - h.T).max() < 1e-6
    assert abs(h - h[::-1]).max() < 1e-6
    assert abs(p - q.T).max() < 1e-6
    assert h.min() < 1.9 < 2.0


def test_the_residual_of_a_smooth_flow_is_small_and_that_of_a_wrong_one_is_not():
    problem = CATALOGUE["shallow_water"].with_domain(span=0.05, frames=6)
    grid = problem.grid(64)
    state = problem.initial.sample(grid, 1, 0, 0, problem.values)
    fields = dict(zip(problem.names, problem.integrate(state, grid, problem.times).unbind(2), strict=True))
    time = torch.from_numpy(problem.times)
    size = float(fields["h"].diff(dim=1).abs().amax() / (time[1] - time[0]))
    for name, residual in problem.residuals_of(grid, time=time, **fields).items():
        assert float(residual.abs().mean()) < 0.03 * size, name
    wrong = {**fields, "p": fields["p"].flip(-1)}
    assert float(problem.residual_of(grid, time=time, **wrong).abs().mean()) > 0.03 * size
    with pytest.raises(InvalidArgument, match="times of the frames"):
        problem.residual_of(grid, **fields)


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_sample_is_the_same_alone_and_at_every_resolution_that_shares_the_solver(name):
    problem = CATALOGUE[name].with_domain(span=0.02, frames=2)
    together, alone = (
        problem.simulate(2, seed=4, resolution=32, first=10),
        problem.simulate(1, seed=4, resolution=32, first=11),
    )
    fine = problem.restrict(problem.simulate(1, seed=4, resolution=64, first=11), 32)
    for variable in problem.names:
        assert np.array_equal(together[variable].values[1], alone[variable].values[0])
        assert abs(fine[variable].values - alone[variable].values).max() < 1e-6
    assert not problem.simulate(1, seed=5, resolution=32).equals(problem.simulate(1, seed=4, resolution=32))
    view = problem.operator_view(alone)
    assert view["input"].sizes["channel"] == len(problem.fields)
    assert alone.attrs["solver_resolution"] == 64
