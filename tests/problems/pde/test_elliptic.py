"""Darcy and Poisson problems: their text, their data at every resolution, their residual and their exact solutions."""

import json
import math

import numpy as np
import pytest
import sympy
import torch

from limitlab import problems
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.spaces import Grid, block_average

STEADY = ("darcy", "darcy_lognormal", "poisson")


def relative(error, reference):
    return float(np.linalg.norm(error) / np.linalg.norm(reference))


def smooth_fields(points):
    """u, a, f as sympy expressions of x and y, and as tensors at these points."""
    x, y = sympy.symbols("x y", real=True)
    expressions = {
        "u": sympy.sin(sympy.pi * x) * sympy.sin(2 * sympy.pi * y),
        "a": 2 + sympy.cos(x + 2 * y),
        "f": x * y,
    }
    arrays = points.unbind(-1)
    tensors = {name: sympy.lambdify((x, y), e, "torch")(*arrays)[None] for name, e in expressions.items()}
    return expressions, tensors


@pytest.mark.parametrize("name", STEADY)
def test_residual_discretises_the_text_of_the_equation(name):
    problem = problems.get(name)
    grid = problem.grid(64)
    expressions, tensors = smooth_fields(grid.points())
    equation = problem.expression()
    difference = equation.lhs - equation.rhs
    t, x, y = sympy.symbols("t x y", real=True)
    for field, expression in expressions.items():
        difference = difference.subs(sympy.Function(field, real=True)(t, x, y), expression)
    text = sympy.lambdify((x, y), difference.doit(), "numpy")(*grid.points().numpy().transpose(2, 0, 1))
    fields = {f.name: tensors[f.name] for f in problem.fields}
    inner = (slice(1, -1), slice(1, -1))
    assert relative((problem.residual_of(grid, **fields)[0].numpy() - text)[inner], text[inner]) < 2e-3


@pytest.mark.parametrize("name", STEADY)
def test_solution_has_no_residual_and_a_wrong_one_has(name):
    problem = problems.get(name)
    grid = problem.grid(64)
    given = problem.sample_input(grid, 2, 0, 0)
    solution = problem.solve(given)
    fields = dict(zip(problem.operator, (given, solution), strict=True))
    forcing = float(given.square().mean().sqrt()) if name == "poisson" else 1.0
    assert float(problem.residual_of(grid, **fields).square().mean().sqrt()) < 1e-10 * forcing
    fields[problem.operator[1]] = solution.flip(0)
    assert float(problem.residual_of(grid, **fields).square().mean().sqrt()) > 0.1 * forcing


@pytest.mark.parametrize("name", STEADY)
def test_stored_data_have_the_residual_of_single_precision(name):
    problem = problems.get(name)
    residual = problem.residual(problem.simulate(2, seed=1))["residual"]
    assert residual.dims == ("sample", "x", "y")
    # a rounded u of size 0.02 under second differences of a/h^2, up to 12 * 64^2 * 8
    assert float(np.abs(residual).max()) < 0.01


@pytest.mark.parametrize("name", STEADY)
def test_residual_has_the_gradients_of_finite_differences(name):
    problem = problems.get(name)
    grid = problem.grid(4)
    given = problem.sample_input(grid, 1, 0, 0).requires_grad_()
    solution = problem.solve(given.detach()).requires_grad_()

    def residual(given, solution):
        return problem.residual_of(grid, **dict(zip(problem.operator, (given, solution), strict=True)))

    assert torch.autograd.gradcheck(residual, (given, solution))


@pytest.mark.parametrize("name", STEADY)
def test_coarse_data_are_block_averages_of_one_solution(name):
    problem = problems.get(name)
    fine, coarse = problem.simulate(2, seed=3, resolution=64), problem.simulate(2, seed=3, resolution=16)
    averaged = problem.restrict(fine, 16)
    for variable in problem.operator:
        assert relative(averaged[variable] - coarse[variable], coarse[variable]) < 1e-6
    assert averaged["x"].values.tolist() == coarse["x"].values.tolist()
    assert averaged.attrs == coarse.attrs


@pytest.mark.parametrize(("name", "bound"), [("darcy", 0.015), ("darcy_lognormal", 1e-3), ("poisson", 2e-3)])
def test_finer_solver_gives_the_same_functions(name, bound):
    problem = problems.get(name)
    at_64, at_128 = problem.simulate(2, seed=4, resolution=64), problem.simulate(2, seed=4, resolution=128)
    assert relative(problem.restrict(at_128, 64)["u"] - at_64["u"], at_64["u"]) < bound


@pytest.mark.parametrize("resolution", [16, 48, 64, 80])
def test_solver_resolution_is_a_multiple_of_at_least_64(resolution):
    size = problems.get("darcy").solver_resolution(resolution)
    assert size >= 64
    assert size % resolution == 0


@pytest.mark.parametrize("name", STEADY)
def test_sample_depends_only_on_seed_and_number(name):
    problem = problems.get(name)
    whole, part = problem.simulate(4, seed=5, resolution=16), problem.simulate(2, seed=5, resolution=16, first=2)
    assert whole.isel(sample=slice(2, 4)).equals(part)
    assert whole.identical(problem.simulate(4, seed=5, resolution=16))
    assert not whole.equals(problem.simulate(4, seed=6, resolution=16))


def test_two_phases_have_the_two_coefficients_in_like_shares():
    a = problems.get("darcy", a_low=0.5, a_high=2.0).simulate(20, resolution=64)["a"].values
    assert set(np.unique(a)) == {0.5, 2.0}
    assert 0.35 < float((a == 2.0).mean()) < 0.65


def test_logarithm_of_the_smooth_medium_scales_with_its_strength():
    weak, strong = (problems.get("darcy_lognormal", strength=s).simulate(2)["a"] for s in (0.5, 2.0))
    assert relative(np.log(strong) - 4 * np.log(weak), np.log(strong)) < 1e-5


def test_longer_box_scales_the_solution_of_a_homogeneous_medium():
    unit, double = (problems.get("darcy", length=length).exact(32)["u"].values for length in (1.0, 2.0))
    assert relative(double - 4 * unit, double) < 1e-6


@pytest.mark.parametrize("length", [1.0, 3.0])
@pytest.mark.parametrize("name", ["darcy", "darcy_lognormal"])
def test_finite_volumes_converge_to_the_exact_solution_with_order_two(name, length):
    problem = problems.get(name, length=length)
    errors = []
    for n in (16, 32, 64):
        known = problem.exact(n)
        a, u = (torch.tensor(known[variable].values, dtype=torch.float64) for variable in ("a", "u"))
        errors.append(relative(problem.solve(a) - u, u))
    orders = -np.diff(np.log2(errors))
    assert np.all((orders > 1.9) & (orders < 2.1))


def test_exact_homogeneous_solution_has_the_known_maximum():
    assert float(problems.get("darcy_lognormal").exact(65)["u"].max()) == pytest.approx(0.0736713, abs=1e-7)


def test_poisson_solves_its_exact_sample():
    problem = problems.get("poisson")
    known = problem.exact(16)
    f = torch.tensor(known["f"].values, dtype=torch.float64)
    assert relative(problem.solve(f).numpy() - known["u"].values, known["u"].values) < 1e-6
    u = torch.sin(math.pi * problem.grid(16).points()).prod(-1)[None]
    assert float(problem.residual_of(problem.grid(16), u=u, f=2 * math.pi**2 * u).abs().max()) < 1e-11


def test_averaging_the_exact_forcing_averages_the_exact_solution():
    problem = problems.get("poisson")
    known = problem.restrict(problem.exact(64), 16)
    grid = Grid.from_json(known.attrs["grid"])
    u = block_average(torch.sin(math.pi * problem.grid(64).points()).prod(-1), problem.grid(64), 16)
    assert grid == problem.grid(16)
    assert relative(known["u"].values[0] - u.numpy(), u) < 1e-6


@pytest.mark.parametrize("name", STEADY)
def test_operator_view_pairs_input_with_solution(name):
    problem = problems.get(name)
    dataset = problem.simulate(3, resolution=16)
    view = problem.operator_view(dataset)
    assert view["input"].dims == ("sample", "channel", "x", "y")
    assert view["target"].dtype == np.float32
    assert np.array_equal(view["input"][:, 0], dataset[problem.operator[0]])
    assert np.array_equal(view["target"][:, 0], dataset[problem.operator[1]])


@pytest.mark.parametrize("name", STEADY)
def test_dataset_says_how_it_was_made(name):
    problem = problems.get(name, tau=4.0)
    dataset = problem.simulate(1, seed=7, resolution=16, first=3)
    assert dataset.attrs["problem"] == name
    assert json.loads(dataset.attrs["parameters"])["tau"] == 4.0
    assert (dataset.attrs["seed"], dataset.attrs["first"], dataset.attrs["solver_resolution"]) == (7, 3, 64)
    assert Grid.from_json(dataset.attrs["grid"]).kinds == ("cells", "cells")
    assert all({"units", "long_name"} <= set(dataset[v].attrs) for v in dataset.variables)


def test_own_coefficients_are_validated():
    problem = problems.get("darcy")
    with pytest.raises(InvalidArgument, match="a must have shape"):
        problem.solve(torch.ones(16, 16))
    with pytest.raises(InvalidArgument, match="coefficient must be finite and positive"):
        problem.solve(torch.full((1, 16, 16), math.nan))
    with pytest.raises(InvalidArgument, match="f must have shape"):
        problems.get("poisson").solve(torch.ones(1, 16, 12))
    with pytest.raises(InvalidArgument, match="samples"):
        problem.simulate(0)
    with pytest.raises(InvalidArgument, match="a_low must be"):
        problem.with_parameters(a_low=-3.0)
    with pytest.raises(UnknownName, match="did you mean 'a_high'"):
        problem.with_parameters(ahigh=3.0)


def test_a_medium_of_many_scales_is_a_product_of_waves_between_its_bounds():
    problem = problems.get("darcy_multiscale")
    grid = problem.grid(128)
    a = problem.sample_input(grid, 3, 0, 0)
    assert 0.5**8 <= float(a.min()) < 0.1
    assert 3.0 < float(a.max()) <= 1.5**8
    assert torch.equal(a[2:], problem.sample_input(grid, 1, 0, 2))
    # one cell of one sample, written out
    draws = np.random.Generator(np.random.PCG64([0, 1])).uniform(1.0, 1.5, 4)
    (x, y), expected = grid.points()[17, 90].tolist(), 1.0
    for k, draw in enumerate(draws):
        wave = draw * 2**k * math.pi
        expected *= (1 + math.cos(wave * (x + y)) / 2) * (1 + math.cos(wave * (y - 3 * x)) / 2)
    assert float(a[1, 17, 90]) == pytest.approx(expected, rel=1e-12)
    assert torch.equal(problem.with_parameters(depth=0.0).sample_input(grid, 1, 0, 0), torch.ones(1, 128, 128).double())


def test_data_of_many_scales_solve_their_equation_and_converge():
    problem = problems.get("darcy_multiscale")
    coarse, fine = problem.simulate(2, seed=4, resolution=32), problem.simulate(2, seed=4, resolution=64)
    assert coarse.attrs["solver_resolution"] == fine.attrs["solver_resolution"] == 128
    assert relative(problem.restrict(fine, 32)["u"] - coarse["u"], coarse["u"]) < 1e-6
    a = problem.sample_input(problem.grid(128), 1, 4, 0)
    u = problem.solve(a)
    assert float(problem.residual_of(problem.grid(128), a=a, u=u).abs().max()) < 1e-7
    assert float(u.min()) > 0
    finer = problem.simulate(1, seed=4, resolution=256)
    assert relative(problem.restrict(finer, 64)["u"] - fine["u"][:1], fine["u"][:1]) < 0.05
