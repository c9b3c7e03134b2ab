"""Finite-volume Darcy flow and fast Poisson solvers against exact solutions, sparse solvers and their symmetries."""

import math

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg
import torch

from limitlab.errors import InvalidArgument
from limitlab.solvers.linear import solve_box
from limitlab.solvers.pde.elliptic import darcy_operator, solve_darcy, solve_poisson
from limitlab.spaces import Grid, gaussian_field


def cells(resolution, lengths=1.0):
    return Grid.uniform(resolution, dimension=2, lengths=lengths, kind="cells")


def two_phase(grid, samples=1, seed=0):
    field = gaussian_field(grid, samples, seed, alpha=2, tau=3, boundary="neumann")
    return torch.where(field >= 0, 12.0, 3.0).double()


def log_normal(grid, samples=1, seed=0, strength=3.0):
    return torch.exp(strength * gaussian_field(grid, samples, seed, alpha=2, tau=3, boundary="neumann"))


def manufactured(grid):
    """Coefficient exp(x) (2 + sin(2 y)), solution sin(pi x) sin(2 pi y) and the forcing that belongs to them."""
    x, y = grid.points().unbind(-1)
    pi = math.pi
    a, a_y = torch.exp(x) * (2 + torch.sin(2 * y)), torch.exp(x) * 2 * torch.cos(2 * y)
    u = torch.sin(pi * x) * torch.sin(2 * pi * y)
    u_x = pi * torch.cos(pi * x) * torch.sin(2 * pi * y)
    u_y = 2 * pi * torch.sin(pi * x) * torch.cos(2 * pi * y)
    return a[None], u[None], (-(a * u_x) - a_y * u_y + a * 5 * pi**2 * u)[None]


def relative(error, reference):
    return float(torch.linalg.norm(error) / torch.linalg.norm(reference))


def second_difference(size, spacing, ends):
    """Three-point matrix of -d^2/dx^2 on cells whose first and last diagonal entries are `ends`, or periodic."""
    if ends is None:
        wrapped = scipy.sparse.eye(size, k=1) + scipy.sparse.eye(size, k=size - 1)
        return (2 * scipy.sparse.eye(size) - wrapped - wrapped.T).tocsr() / spacing**2
    diagonal = np.full(size, 2.0)
    diagonal[[0, -1]] = ends
    off = -np.ones(size - 1)
    return scipy.sparse.diags([off, diagonal, off], [-1, 0, 1]).tocsr() / spacing**2


def five_point_matrix(grid, ends):
    along_x, along_y = (second_difference(n, h, ends) for n, h in zip(grid.shape, grid.spacing, strict=True))
    identity_x, identity_y = (scipy.sparse.eye(n) for n in grid.shape)
    return (scipy.sparse.kron(along_x, identity_y) + scipy.sparse.kron(identity_x, along_y)).tocsc()


def test_darcy_has_order_two_on_a_manufactured_solution():
    errors = []
    for n in (16, 32, 64, 128):
        a, u, f = manufactured(cells(n))
        errors.append(relative(solve_darcy(a, f, cells(n)) - u, u))
    orders = -np.diff(np.log2(errors))
    assert np.all((orders > 1.95) & (orders < 2.05))


@pytest.mark.parametrize("n", [16, 31])
def test_operator_is_consistent_with_the_differential_operator(n):
    a, u, f = manufactured(cells(n))
    # first order at the walls, second order inside: the solution's order is two all the same
    inner = (slice(None), slice(1, -1), slice(1, -1))
    assert relative((darcy_operator(u, a, cells(n)) - f)[inner], f) < 14 / n**2


def test_harmonic_means_keep_order_two_across_a_jump_in_one_dimension():
    errors = []
    for n in (32, 64, 128, 256):
        grid = Grid.uniform(n, kind="cells")
        x = grid.points()[:, 0]
        a = torch.where(x < 0.5, 1.0, 10.0).double()
        matrix = darcy_operator(torch.eye(n, dtype=torch.float64), a, grid)
        # -(a u')' = 1: a u' = c - x, and c makes u continuous at 1/2 and zero at both walls
        c = (1 / 8 + 3 / 80) / (1 / 2 + 1 / 20)
        exact = torch.where(x < 0.5, c * x - x**2 / 2, ((1 - x**2) / 2 - c * (1 - x)) / 10)
        errors.append(relative(torch.linalg.solve(matrix, torch.ones_like(x)) - exact, exact))
    orders = -np.diff(np.log2(errors))
    assert np.all((orders > 1.95) & (orders < 2.05))


def test_operator_is_symmetric_and_positive():
    grid = cells((9, 13), lengths=(1.0, 2.0))
    u, v = torch.randn(2, 9, 13, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    a = log_normal(grid)[0]
    assert float((v * darcy_operator(u, a, grid)).sum()) == pytest.approx(
        float((u * darcy_operator(v, a, grid)).sum()), rel=1e-12
    )
    assert float((u * darcy_operator(u, a, grid)).sum()) > 0


def test_operator_has_the_gradients_of_finite_differences():
    grid = cells(5)
    u = gaussian_field(grid, 1, 0, alpha=2, tau=3, boundary="dirichlet").requires_grad_()
    a = log_normal(grid).requires_grad_()
    assert torch.autograd.gradcheck(lambda u, a: darcy_operator(u, a, grid), (u, a))


@pytest.mark.parametrize("shape", [(24, 40), (40, 24), (33, 33)])
@pytest.mark.parametrize("method", ["cholesky", "conjugate_gradients"])
def test_solution_satisfies_the_discrete_equations(shape, method):
    grid = cells(shape, lengths=(1.0, 1.5))
    a = log_normal(grid, samples=2)
    f = gaussian_field(grid, 2, 7, alpha=2, tau=3, boundary="dirichlet")
    u = solve_darcy(a, f, grid, method=method)
    assert relative(darcy_operator(u, a, grid) - f, f) < (1e-12 if method == "cholesky" else 1e-7)


def test_conjugate_gradients_agree_with_cholesky():
    a = two_phase(cells(48))
    direct = solve_darcy(a, 1.0, cells(48), method="cholesky")
    assert relative(solve_darcy(a, 1.0, cells(48), method="conjugate_gradients") - direct, direct) < 1e-10


def test_constant_coefficient_gives_the_known_maximum():
    # 0.0736713 is the continuous value; at 128 cells an even grid misses the centre by half a cell
    assert float(solve_darcy(torch.ones(1, 128, 128), 1.0, cells(128)).max()) == pytest.approx(0.07367, abs=1e-5)


def test_solution_is_positive_where_the_forcing_is():
    assert float(solve_darcy(log_normal(cells(32), samples=3, strength=8.0), 1.0, cells(32)).min()) > 0


def test_transposed_coefficient_has_the_transposed_solution():
    a = two_phase(cells(32))
    u = solve_darcy(a, 1.0, cells(32))
    assert relative(solve_darcy(a.mT.contiguous(), 1.0, cells(32)) - u.mT, u) < 1e-12


def test_solution_scales_inversely_with_the_coefficient():
    a = two_phase(cells(32))
    u = solve_darcy(a, 1.0, cells(32))
    assert relative(7.3 * solve_darcy(7.3 * a, 1.0, cells(32)) - u, u) < 1e-12


def test_two_phase_solution_converges_at_about_order_one():
    means = {}
    for n in (32, 64, 128, 256):
        u = solve_darcy(two_phase(cells(n), samples=2, seed=3), 1.0, cells(n))
        means[n] = u.unflatten(1, (32, -1)).unflatten(-1, (32, -1)).mean((2, 4))
    errors = [relative(means[n] - means[256], means[256]) for n in (32, 64, 128)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[0] < 0.02
    assert errors[2] < 0.005


def test_sample_does_not_depend_on_its_batch():
    a = two_phase(cells(32), samples=3)
    together = solve_darcy(a, 1.0, cells(32))
    assert torch.equal(together[2:], solve_darcy(a[2:], 1.0, cells(32)))


def test_result_has_the_dtype_of_the_coefficient():
    a = two_phase(cells(16))
    u = solve_darcy(a.float(), 1, cells(16))
    assert u.dtype == torch.float32
    assert relative(u.double() - solve_darcy(a, 1, cells(16)), u) < 1e-6


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_coefficient_must_be_finite_and_positive(bad):
    a = torch.ones(2, 8, 8)
    a[1, 3, 4] = bad
    with pytest.raises(InvalidArgument, match="coefficient must be finite and positive"):
        solve_darcy(a, 1.0, cells(8))


def test_darcy_names_the_argument_of_a_wrong_shape():
    grid, a = cells(8), torch.ones(2, 8, 8)
    with pytest.raises(InvalidArgument, match="coefficient must end in the grid's shape"):
        solve_darcy(torch.ones(2, 8, 9), 1.0, grid)
    with pytest.raises(InvalidArgument, match=r"coefficient must have shape \(batch, n, m\)"):
        solve_darcy(torch.ones(8, 8), 1.0, grid)
    with pytest.raises(InvalidArgument, match="forcing must be a number or have shape"):
        solve_darcy(a, torch.ones(3, 8, 8), grid)
    with pytest.raises(InvalidArgument, match="forcing must be finite"):
        solve_darcy(a, math.nan, grid)
    with pytest.raises(InvalidArgument, match="needs a grid of 'cells' axes"):
        solve_darcy(a, 1.0, Grid.uniform(8, dimension=2))
    with pytest.raises(InvalidArgument, match="two axes"):
        solve_darcy(torch.ones(2, 8), 1.0, Grid.uniform(8, kind="cells"))
    with pytest.raises(InvalidArgument, match="did you mean 'cholesky'"):
        solve_darcy(a, 1.0, grid, method="cholesk")
    with pytest.raises(InvalidArgument, match="u must end in the grid's shape"):
        darcy_operator(torch.ones(7), a, grid)


@pytest.mark.parametrize(("boundary", "ends"), [("dirichlet", 3.0), ("neumann", 1.0), ("periodic", None)])
@pytest.mark.parametrize("shape", [(16, 24), (9, 8)])
def test_five_point_equations_solved_fast_agree_with_a_sparse_solver(boundary, ends, shape):
    grid = Grid.uniform(shape, lengths=(1.0, 2.0), kind="periodic" if ends is None else "cells")
    f = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    f = f if boundary == "dirichlet" else f - f.mean()
    u = solve_box(f[None], {"dirichlet": "wall"}.get(boundary, boundary), spacing=grid.spacing)[0]
    residual = five_point_matrix(grid, ends) @ u.numpy().ravel() - f.numpy().ravel()
    assert np.abs(residual).max() < 1e-11  # entries of the matrix reach 2e3
    if boundary == "dirichlet":
        sparse = scipy.sparse.linalg.spsolve(five_point_matrix(grid, ends), f.numpy().ravel()).reshape(shape)
        assert np.abs(u.numpy() - sparse).max() < 1e-12
    else:
        assert abs(float(u.mean())) < 1e-14


@pytest.mark.parametrize(
    ("boundary", "kind", "wave"),
    [("dirichlet", "cells", torch.sin), ("neumann", "cells", torch.cos), ("periodic", "periodic", torch.sin)],
)
def test_poisson_is_exact_on_eigenfunctions(boundary, kind, wave):
    grid = Grid.uniform((12, 17), lengths=(1.0, 3.0), kind=kind)
    x, y = grid.points().unbind(-1)
    k, q = 4 * math.pi, 2 * math.pi / 3
    u = wave(k * x) * wave(q * y)
    assert torch.allclose(solve_poisson((k**2 + q**2) * u, grid, boundary), u, rtol=0, atol=1e-13)


def test_poisson_removes_the_mean_that_no_solution_has():
    grid = Grid.uniform(16, dimension=2)
    f = gaussian_field(grid, 1, 0, alpha=2, tau=3)
    assert torch.allclose(
        solve_poisson(f + 5, grid, "periodic"), solve_poisson(f, grid, "periodic"), rtol=0, atol=1e-13
    )


def test_poisson_is_differentiable():
    grid = cells(4)
    f = torch.randn(4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(lambda f: solve_poisson(f, grid, "neumann"), (f,))


def test_poisson_refuses_what_it_cannot_solve():
    with pytest.raises(InvalidArgument, match="did you mean 'dirichlet'"):
        solve_poisson(torch.ones(8, 8), cells(8), "dirichlett")
    with pytest.raises(InvalidArgument, match="forcing must be finite"):
        solve_poisson(torch.full((8, 8), math.nan), cells(8))
    with pytest.raises(InvalidArgument, match="grid"):
        solve_poisson(torch.ones(8, 8), cells(8), "periodic")


def test_a_forcing_is_read_from_an_array_that_runs_backwards():
    coefficient = torch.ones(1, 8, 8, dtype=torch.float64)
    forcing = np.arange(64.0).reshape(8, 8)
    backwards = solve_darcy(coefficient, forcing[::-1], cells(8))
    assert torch.allclose(backwards, solve_darcy(coefficient, torch.tensor(forcing[::-1].copy()), cells(8)))
