import math

import numpy as np
import pytest
import torch
from scipy.sparse import linalg as peer

from limitlab.errors import InvalidArgument
from limitlab.solvers.linear import (
    Deflation,
    IncompleteCholesky,
    Jacobi,
    Multigrid,
    box_eigenvalues,
    conjugate_directions,
    conjugate_gradients,
    diffusion,
    flexible_conjugate_gradients,
    lanczos,
    solve_box,
    stationary,
)


def random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("n", [32, 64])
def test_iterations_are_as_many_as_scipys(n):
    operator, b = diffusion((n, n)), random(1, n, n)
    counted = []
    peer.cg(operator.to_scipy(), b.numpy().ravel(), rtol=1e-8, callback=lambda x: counted.append(1))
    assert abs(int(conjugate_gradients(operator, b).iterations) - len(counted)) <= 2


def test_algebraic_multigrid_has_the_same_matrix_and_needs_as_few_iterations():
    """Ruge and Stüben's hierarchy with conjugate gradients takes 5 of them to 1e-8, whatever the grid; ours 9."""
    pyamg = pytest.importorskip("pyamg")
    for n in (32, 64):
        operator, b = diffusion((n, n)), random(1, n, n)
        matrix = pyamg.gallery.poisson((n, n), format="csr")
        assert abs(operator.to_scipy() - matrix).max() == 0
        norms = []
        exact = pyamg.ruge_stuben_solver(matrix).solve(b.numpy().ravel(), tol=1e-8, accel="cg", residuals=norms)
        solved = conjugate_gradients(operator, b, preconditioner=Multigrid(operator))
        assert 4 <= len(norms) - 1 <= int(solved.iterations) <= len(norms) + 4
        assert np.linalg.norm(solved.x.numpy().ravel() - exact) < 1e-6 * np.linalg.norm(exact)


def test_iterations_of_the_card():
    """White noise, to 1e-4 and 1e-8, within three of what another draw of it took."""
    operator, b = diffusion((32, 32)), random(1, 32, 32)
    for preconditioner, expected in (
        (None, (65, 102)),
        (IncompleteCholesky(operator), (20, 35)),
        (Multigrid(operator), (5, 9)),
    ):
        found = [
            int(conjugate_gradients(operator, b, preconditioner=preconditioner, tolerance=t).iterations)
            for t in (1e-4, 1e-8)
        ]
        assert np.abs(np.subtract(found, expected)).max() <= 3


def test_growth_with_the_grid():
    counts = {}
    for n in (31, 63):
        operator, b = diffusion((n, n)), random(1, n, n)
        for name, preconditioner in (
            ("cg", None),
            ("ic", IncompleteCholesky(operator)),
            ("multigrid", Multigrid(operator)),
        ):
            counts[name, n] = int(conjugate_gradients(operator, b, preconditioner=preconditioner).iterations)
    assert 1.7 < counts["cg", 63] / counts["cg", 31] < 2.2
    assert 1.6 < counts["ic", 63] / counts["ic", 31] < 2.2
    assert abs(counts["multigrid", 63] - counts["multigrid", 31]) <= 1


def test_the_error_keeps_to_the_bound_of_chebyshev():
    operator, b = diffusion((24, 24)), random(1, 24, 24)
    solved = conjugate_gradients(operator, b, reference=solve_box(b), max_iterations=60, tolerance=1e-14)
    values = box_eigenvalues((24, 24))
    root = math.sqrt(float(values.max() / values.min()))
    k = torch.arange(len(solved.errors))
    bound = 2 * ((root - 1) / (root + 1)) ** k * solved.errors[0]
    assert bool((solved.errors[:, 0] <= bound * (1 + 1e-9)).all())
    assert bool((solved.errors.diff(dim=0) <= 1e-12).all())


def test_as_many_steps_as_different_eigenvalues():
    class Diagonal:
        shape, singular = (12,), False

        def __call__(self, u):
            return u * torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64).repeat(4)

    solved = conjugate_gradients(Diagonal(), random(2, 12), tolerance=1e-10)
    assert solved.iterations.tolist() == [3, 3]


def test_right_hand_sides_do_not_see_each_other():
    operator, b = diffusion((15, 15), coefficient=1 + random(7, 15, 15).square()), random(7, 15, 15, seed=2)
    b[3] *= 1e6
    b[5] = 0
    together = conjugate_gradients(operator, b, preconditioner=Jacobi(operator))
    for sample in range(7):
        one = operator.of_sample(sample)
        alone = conjugate_gradients(one, b[sample, None], preconditioner=Jacobi(one))
        assert int(alone.iterations) == int(together.iterations[sample])
        assert torch.allclose(alone.x[0], together.x[sample], rtol=1e-10, atol=1e-10 * float(b[sample].abs().max()))
    assert together.iterations[5] == 0
    assert bool(together.converged.all())


def test_one_that_has_converged_does_not_move():
    operator, b = diffusion((31, 31)), random(2, 31, 31)
    easy = torch.zeros_like(b)
    easy[0] = solve_box(b)[0]
    solved = conjugate_gradients(operator, b, initial=easy)
    assert solved.iterations[0] == 0
    assert torch.equal(solved.x[0], easy[0])


def test_the_diagonal_changes_nothing_where_it_is_constant_and_helps_where_it_jumps():
    operator, b = diffusion((31, 31)), random(1, 31, 31)
    assert int(conjugate_gradients(operator, b).iterations) == int(
        conjugate_gradients(operator, b, preconditioner=Jacobi(operator)).iterations
    )
    jumps = diffusion((31, 31), coefficient=torch.where(random(31, 31, seed=5) > 0, 1e3, 1.0))
    plain, scaled = (int(conjugate_gradients(jumps, b, preconditioner=p).iterations) for p in (None, Jacobi(jumps)))
    assert scaled < plain / 2


def test_deflation_is_exact_in_what_it_knows():
    n, k = 31, 12
    operator, b = diffusion((n,)), random(1, n)
    values, vectors = torch.linalg.eigh(operator.dense()[0])
    deflation = Deflation(operator, vectors[:, :k].T.reshape(k, n))
    solved = conjugate_gradients(operator, b, deflation=deflation, reference=solve_box(b), tolerance=1e-12)
    root = math.sqrt(float(values[-1] / values[k]))
    bound = 2 * ((root - 1) / (root + 1)) ** torch.arange(len(solved.errors)) * solved.errors[0]
    assert bool((solved.errors[:, 0] <= bound * (1 + 1e-9) + 1e-12).all())


@pytest.mark.parametrize("boundary", ["neumann", "periodic"])
def test_where_constants_are_the_kernel_the_mean_is_zero(boundary):
    operator, b = diffusion((16, 16), boundary), random(2, 16, 16)
    with pytest.raises(InvalidArgument, match="mean zero"):
        conjugate_gradients(operator, b)
    b = b - b.mean((1, 2), keepdim=True)
    for preconditioner in (None, Multigrid(operator)):
        solved = conjugate_gradients(operator, b, preconditioner=preconditioner, tolerance=1e-10)
        assert solved.x.mean((1, 2)).abs().max() <= 1e-12
        assert torch.allclose(solved.x, solve_box(b, boundary), atol=1e-8)


def test_a_body_in_the_way_is_as_the_sparse_solver_has_it():
    place = torch.arange(48.0) - 24
    solid = place[:, None].square() + place.square() < 100
    operator, b = diffusion((48, 48), solid=solid), random(1, 48, 48).masked_fill(solid, 0.0)
    exact = peer.spsolve(operator.to_scipy().tocsc(), b.numpy().ravel()).reshape(48, 48)
    for preconditioner in (None, IncompleteCholesky(operator), Multigrid(operator)):
        solved = conjugate_gradients(operator, b, preconditioner=preconditioner, tolerance=1e-11)
        assert np.abs(solved.x[0].numpy() - exact).max() <= 1e-8
        assert bool((solved.x[0][solid] == 0).all())


def test_directions_of_the_residual_are_conjugate_gradients():
    operator, b = diffusion((15, 15)), random(1, 15, 15)
    assert int(conjugate_directions(operator, b, lambda r: r).iterations) == int(
        conjugate_gradients(operator, b).iterations
    )
    steepest = conjugate_directions(operator, b, lambda r: r, window=0, tolerance=1e-3)
    assert int(steepest.iterations) > 2 * int(conjugate_gradients(operator, b, tolerance=1e-3).iterations)


def test_a_preconditioner_that_bends_needs_the_flexible_method():
    operator, b = diffusion((31, 31)), random(1, 31, 31)
    cycle = Multigrid(operator)

    def bent(r):
        return cycle(r) * (1 + 0.3 * torch.sin(1e3 * r))

    flexible = flexible_conjugate_gradients(operator, b, bent, max_iterations=40)
    assert bool(flexible.converged.all())
    assert not bool(conjugate_gradients(operator, b, preconditioner=bent, max_iterations=40).converged.any())


def test_jacobis_method_contracts_as_its_spectrum_says():
    operator, b = diffusion((7,)), random(1, 7)
    solved = stationary(operator, b, Jacobi(operator), tolerance=1e-12, max_iterations=200)
    ratio = float(solved.residuals[-1, 0] / solved.residuals[-11, 0]) ** 0.1
    assert ratio == pytest.approx(math.cos(math.pi / 8), abs=1e-3)


def test_float32_ends_where_its_rounding_is_and_says_so():
    operator, b = diffusion((63, 63), dtype=torch.float32), random(1, 63, 63).float()
    with pytest.raises(InvalidArgument, match="below the rounding"):
        conjugate_gradients(operator, b, tolerance=1e-8)
    stuck = conjugate_gradients(operator, b, tolerance=2e-7, max_iterations=400)
    assert bool(stuck.residual < 1e-4)
    assert bool(stuck.converged) == bool(stuck.residual <= 2e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_an_accelerator_takes_as_many_iterations():
    b = random(3, 31, 31)
    counts = []
    for device in ("cpu", "cuda"):
        operator = diffusion((31, 31)).to(device=device)
        counts.append(
            [
                conjugate_gradients(operator, b.to(device), preconditioner=p).iterations.tolist()
                for p in (None, Multigrid(operator))
            ]
        )
    assert counts[0] == counts[1]


def test_costs_are_counted():
    operator, b = diffusion((31, 31)), random(1, 31, 31)
    plain, helped = (
        conjugate_gradients(operator, b),
        conjugate_gradients(operator, b, preconditioner=Multigrid(operator)),
    )
    assert plain.matvecs == int(plain.iterations) + int(plain.iterations) // 50
    assert helped.preconditionings == int(helped.iterations)
    assert helped.work > helped.matvecs + 4 * helped.preconditionings
    assert plain.to_xarray()["residual"].dims == ("iteration", "sample")


def test_what_cannot_be_solved_is_refused():
    operator, b = diffusion((5, 5)), random(1, 5, 5)
    with pytest.raises(InvalidArgument, match="b must have shape"):
        conjugate_gradients(operator, b[0])
    with pytest.raises(InvalidArgument, match="finite"):
        conjugate_gradients(operator, b * float("nan"))
    with pytest.raises(InvalidArgument, match="initial must have shape"):
        conjugate_gradients(operator, b, initial=random(2, 5, 5))

    class Indefinite:
        shape, singular = (5, 5), False

        def __call__(self, u):
            return operator(u) - 4 * u

    with pytest.raises(InvalidArgument, match="sample 0 has a direction of negative energy"):
        conjugate_gradients(Indefinite(), b)
    assert not bool(conjugate_gradients(operator, b, max_iterations=2).converged.any())


def test_ritz_vectors_of_the_right_hand_side_deflate_it():
    """Sixteen Ritz vectors of b: fewer iterations than plain conjugate gradients, by more than the card's 16."""
    operator, b = diffusion((32, 32)), random(1, 32, 32)
    vectors = lanczos(operator, b, 60)[1][:, :16]
    deflated = conjugate_gradients(operator, b, deflation=Deflation(operator, vectors), tolerance=1e-4)
    assert int(deflated.iterations) <= int(conjugate_gradients(operator, b, tolerance=1e-4).iterations) - 16
