"""Descent in H1 on a grid: fixed points, contraction, independence of the mesh, the Nyquist mode, a peer."""

import math

import numpy as np
import pytest
import torch

from limitlab.discovery import variational as v
from limitlab.errors import InvalidArgument
from limitlab.spaces import fourier, inverse_fourier


def two_waves(x):
    return torch.sin(2 * math.pi * x[0]) * torch.cos(2 * math.pi * x[1]) + 0.3 * torch.cos(4 * math.pi * x[0])


TARGET = v.from_function(two_waves, 2)


def problem_of(name="V3", resolution=32, **parameters):
    parameters = {"alpha": 1.0, "scale": 0.05} | parameters if name == "V3" else parameters
    return v.grid_problem(v.instance(name, **parameters), TARGET, v.Band(resolution, 2))


def random_values(band, seed):
    generator = torch.Generator().manual_seed(seed)
    u = band.projected(torch.randn(band.grid.shape, generator=generator, dtype=torch.float64))
    # smooth, and of the solution's size
    return 10 * inverse_fourier(fourier(u, band.grid) / band.weight, band.grid)


@pytest.mark.parametrize(("alpha", "iterations"), [(0.0, 1), (1.0, 16), (4.0, 40)])
def test_iterations_to_1e_8_are_the_same_on_every_grid(alpha, iterations):
    """With the step 2/(2 + alpha), within the theory's factor alpha/(2 + alpha)."""
    runs = [v.descend(problem_of(resolution=n, alpha=alpha)) for n in (16, 32, 64)]
    assert [run.iterations for run in runs] == [iterations] * 3
    assert all(run.converged and run.factor <= alpha / (2 + alpha) + 1e-12 for run in runs)


def test_a_grid_of_256_takes_as_many_iterations_as_one_of_32():
    counts = [v.descend(problem_of(resolution=n)).iterations for n in (32, 256)]
    assert abs(counts[0] - counts[1]) <= 1


def test_without_the_preconditioner_a_finer_grid_is_slower():
    runs = [v.descend(problem_of(resolution=n), preconditioned=False, iterations=100) for n in (16, 32, 48)]
    errors = [float(run.history["error"][-1]) for run in runs]
    assert errors[0] < 0.2 < errors[1] < errors[2]


def test_the_semilinear_problem_takes_87_iterations_also_where_the_highest_mode_is_near():
    """At N = 16 a mode n/2 that the preconditioner damps but no derivative moves would take hundreds of steps."""
    for resolution in (16, 32):
        assert abs(v.descend(problem_of("V2", resolution, beta=5.0), step=2 / 11).iterations - 87) <= 2


def test_descent_stays_at_a_solution_whose_right_hand_side_is_differentiated():
    """f by automatic differentiation, no discrete operator in it: a step of one moves by less than 1e-12 in H1."""
    band = v.Band(64, 2)
    energy = v.instance("V3", alpha=1.0, scale=0.05).plus(*v.instance("V2", beta=5.0).terms[2:])
    f = v.manufactured(energy, TARGET)(band.points)
    exact = TARGET.value(band.points)
    problem = v.GridProblem(energy, band, fourier(f, band.grid) * band.mask, exact)
    assert band.norm(problem.direction(exact)) < 1e-12 * band.norm(exact)


def test_the_energy_falls_with_steps_up_to_one_over_m():
    problem = problem_of(alpha=4.0)
    for step in (0.05, 0.2):
        energies = v.descend(problem, step=step, iterations=30).history["energy"].values
        assert (np.diff(energies) <= 1e-12 * abs(energies[-1])).all()
        assert energies[-1] < 0.99 * energies[1]


def test_the_gradient_of_the_discrete_energy_is_the_operator():
    """Central differences of E along random directions, relative to 1e-8."""
    problem = v.grid_problem(
        v.instance("V2", beta=5.0).plus(*v.instance("V3", alpha=2.0).terms[2:]), TARGET, v.Band(16, 2)
    )
    u, w = (random_values(problem.band, seed) for seed in (0, 1))
    h = 1e-4
    slope = (problem.value(u + h * w) - problem.value(u - h * w)) / (2 * h)
    force = inverse_fourier(problem.operator(u) - problem.source, problem.band.grid)
    assert slope == pytest.approx(float((force * w).mean()), rel=1e-8)


def test_energy_and_error_bound_each_other():
    """m/2 e^2 <= E(u) - E(u*) <= M/2 e^2 for 20 random perturbations, with m = 1 and M = 1 + alpha."""
    problem, alpha = problem_of(alpha=4.0), 4.0
    for seed in range(20):
        w = random_values(problem.band, seed) * 10.0 ** -(seed % 3)
        square = problem.band.norm(w) ** 2
        excess = problem.value(problem.exact + w) - problem.value(problem.exact)
        assert square / 2 * (1 - 1e-9) <= excess <= (1 + alpha) / 2 * square * (1 + 1e-9)


def test_curvature_is_that_of_the_constant_mode():
    """For V2 at a constant u the largest second derivative in H1 is 1 + 3 beta u^2, of the constant."""
    problem = problem_of("V2", 16, beta=5.0)
    u = torch.full(problem.band.grid.shape, 0.7, dtype=torch.float64)
    assert v.largest_curvature(problem, u) == pytest.approx(1 + 15 * 0.49, rel=1e-6)


def test_a_step_that_is_too_large_is_named_with_the_curvature_or_halved():
    problem = problem_of("V2", 16, beta=5.0)
    with pytest.raises(v.StepTooLarge, match=r"step 3 makes the energy rise at iteration \d+.*M = \d"):
        v.descend(problem, step=3.0)
    halved = v.descend(problem, step=3.0, backtracking=True)
    assert halved.converged
    assert halved.history["step"].min() < 3


def test_a_step_of_a_huge_size_is_named_and_not_carried_on():
    with pytest.raises(v.StepTooLarge):
        v.descend(problem_of("V6", 16), step=1e6)


def test_an_energy_without_a_bound_asks_for_a_step():
    with pytest.raises(InvalidArgument, match="no bound M"):
        v.descend(problem_of("V5", 16, q=4.0))
    assert v.descend(problem_of("V5", 16, q=4.0), step=1.0, backtracking=True, iterations=5).history["energy"][-1] < 0


def test_neumann_walls_are_the_even_reflection():
    """u* = sum cos(pi x_i) / sqrt(2), not periodic with period one."""
    problem = v.grid_problem(v.instance("V2"), v.cosines(2), v.Band(12, 2, walls="neumann"))
    run = v.descend(problem)
    assert run.converged
    assert torch.allclose(run.values, v.cosines(2).value(problem.band.points), atol=1e-7)


def test_a_solution_that_is_not_known_is_stopped_by_the_step():
    known = problem_of()
    run = v.descend(v.GridProblem(known.energy, known.band, known.source), step=0.6, tolerance=1e-9)
    assert run.converged
    assert known.error(run.values) < 1e-8


def test_the_solution_is_that_of_finite_elements():
    """V2 with Neumann walls against scikit-fem, P2 on a 64^2 grid, Newton: relative L2 difference below 1e-5."""
    skfem = pytest.importorskip("skfem")
    from skfem.helpers import dot, grad

    f = v.manufactured(v.instance("V2"), v.cosines(2))
    basis = skfem.Basis(skfem.MeshTri.init_tensor(*[np.linspace(0, 1, 65)] * 2), skfem.ElementTriP2())
    jacobian = skfem.BilinearForm(lambda u, w, p: dot(grad(u), grad(w)) + (1 + 3 * p["y"] ** 2) * u * w)

    def residual(w, p):
        points = torch.from_numpy(np.moveaxis(p.x, 0, -1))
        return dot(grad(p["y"]), grad(w)) + (p["y"] + p["y"] ** 3 - f(points).numpy()) * w

    y = basis.zeros()
    for _ in range(6):
        at = basis.interpolate(y)
        step = skfem.solve(jacobian.assemble(basis, y=at), skfem.LinearForm(residual).assemble(basis, y=at))
        y = y - step
        # Newton's next step would be of the square of this one's size
        if abs(step).max() < 1e-4:
            break
    problem = v.grid_problem(v.instance("V2"), v.cosines(2), v.Band(32, 2, walls="neumann"))
    band, run = problem.band, v.descend(problem, tolerance=1e-10)
    index = torch.stack(torch.meshgrid(*[torch.arange(0, 65, 8)] * 2, indexing="ij"), -1).reshape(-1, 2)
    points = band.points[index[:, 0], index[:, 1]]
    ours = run.values[index[:, 0], index[:, 1]].numpy()
    theirs = basis.probes(np.clip(points.T.numpy(), 1e-12, 1 - 1e-12)) @ y
    assert np.linalg.norm(ours - theirs) < 1e-5 * np.linalg.norm(ours)


def test_dimensions_that_differ_are_refused():
    with pytest.raises(InvalidArgument, match="target has dimension 2, the band 1"):
        v.grid_problem(v.instance("V2"), TARGET, v.Band(16, 1))
