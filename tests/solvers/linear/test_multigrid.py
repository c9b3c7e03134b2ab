import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.solvers.linear import Multigrid, conjugate_gradients, diffusion, solve_box, stationary


def random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def contraction(operator, **options):
    """What the residual shrinks by in a cycle, in the long run."""
    solved = stationary(
        operator, random(1, *operator.shape), Multigrid(operator, **options), tolerance=1e-13, max_iterations=24
    )
    return float((solved.residuals[-1] / solved.residuals[-6]).item() ** 0.2)


@pytest.mark.parametrize("n", [31, 32, 63])
def test_a_cycle_contracts_as_smoothing_analysis_says_whatever_the_grid(n):
    operator = diffusion((n, n))
    assert 0.30 <= contraction(operator) <= 0.38
    assert contraction(operator, smoothing=(2, 2)) <= 0.14
    assert contraction(operator, smoother="red_black", symmetric=False) <= 0.14


def test_operators_of_the_equation_on_coarser_grids_do_as_well():
    n = 31
    operator = diffusion((n, n))
    assert (
        0.30 <= contraction(operator, coarse=lambda shape: diffusion(shape, spacing=(n + 1) / (shape[0] + 1))) <= 0.40
    )


@pytest.mark.parametrize(
    ("shape", "boundary"),
    [
        ((31,), "dirichlet"),
        ((32, 32), "wall"),
        ((32, 16), "neumann"),
        ((32, 32), "periodic"),
        ((32, 16), ("neumann", "periodic")),
        ((16, 15), ("periodic", "dirichlet")),
        ((32, 32), (("neumann", "wall"), "wall")),
        ((15, 15, 15), "dirichlet"),
        ((16, 16, 16), "wall"),
    ],
)
def test_as_a_preconditioner_it_needs_few_iterations_at_any_boundary(shape, boundary):
    operator, b = diffusion(shape, boundary), random(2, *shape)
    if operator.singular:
        b = b - b.mean(tuple(range(1, b.dim())), keepdim=True)
    solved = conjugate_gradients(operator, b, preconditioner=Multigrid(operator))
    assert bool(solved.converged.all())
    assert int(solved.iterations.max()) <= 12


def test_jumps_of_three_orders_and_samples_with_coefficients_of_their_own():
    a = torch.where(random(3, 32, 32) > 0.5, 1e3, 1.0)
    operator, b = diffusion((32, 32), "wall", coefficient=a), random(3, 32, 32, seed=1)
    together = conjugate_gradients(operator, b, preconditioner=Multigrid(operator))
    assert bool(together.converged.all())
    assert int(together.iterations.max()) < int(conjugate_gradients(operator, b).iterations.max()) / 4
    one = operator.of_sample(1)
    alone = conjugate_gradients(one, b[1, None], preconditioner=Multigrid(one))
    assert torch.allclose(alone.x[0], together.x[1], atol=1e-9)


def test_full_multigrid_solves_to_the_error_of_the_scheme_at_once():
    n = 63
    i = torch.arange(1, n + 1, dtype=torch.float64) * torch.pi / (n + 1)
    u = torch.sin(i)[:, None] * torch.sin(2 * i)
    b = (5 * torch.pi**2 * u / (n + 1) ** 2)[None]
    scheme = float((solve_box(b)[0] - u).norm())
    assert float((Multigrid(diffusion((n, n))).full(b)[0] - u).norm()) < 3 * scheme


@pytest.mark.parametrize("cycle", ["W", "F"])
def test_other_cycles_cost_more_and_are_no_worse(cycle):
    operator = diffusion((63, 63))
    plain, other = Multigrid(operator), Multigrid(operator, cycle=cycle)
    assert other.work > plain.work
    assert 4 < plain.work < 6
    assert contraction(operator, cycle=cycle) <= contraction(operator) + 0.01


def test_a_smoother_of_ones_own_takes_its_place():
    operator = diffusion((31, 31))
    own = contraction(operator, smoother=lambda level: lambda r: 0.8 * r / level.diagonal)
    assert own == pytest.approx(contraction(operator), rel=1e-4)  # the last residuals are near rounding


def test_a_cycle_in_single_precision_preconditions_as_well_whatever_the_size_of_the_residual():
    operator = diffusion((64, 64), "wall", coefficient=1 + 9 * (random(3, 64, 64, seed=2) > 0).double())
    b = random(3, 64, 64) * torch.tensor([1.0, 1e-50, 0.0], dtype=torch.float64).reshape(-1, 1, 1)
    long, short = Multigrid(operator), Multigrid(operator, precision=torch.float32)
    assert short.levels[0].operator.diagonal.dtype == torch.float32
    solved = [conjugate_gradients(operator, b, preconditioner=cycle, tolerance=1e-12) for cycle in (long, short)]
    assert bool(solved[1].converged.all())
    assert (solved[1].iterations - solved[0].iterations).abs().max() <= 1
    assert short.full(b).dtype == torch.float64
    with pytest.raises(InvalidArgument, match="precision must be a floating-point dtype"):
        Multigrid(operator, precision=torch.int32)


@pytest.mark.parametrize("boundary", ["wall", ("periodic", "wall"), "neumann", ("wall", ("neumann", "wall"))])
def test_coarse_cells_are_half_of_the_product_with_piecewise_constants(boundary):
    solid = torch.zeros(8, 8, dtype=torch.bool)
    solid[2:4, 4:7] = True
    operator = diffusion((8, 8), boundary, coefficient=1 + random(2, 8, 8).square(), solid=solid)
    levels = Multigrid(operator).levels
    blocks = torch.kron(torch.eye(4, dtype=torch.float64), torch.ones(2, 1, dtype=torch.float64))
    p = torch.kron(blocks, blocks)
    live = operator.live.double().flatten()
    fine = live[:, None] * operator.dense() * live
    coarse = levels[1].operator if len(levels) > 1 else Multigrid(operator)._coarsest
    unknown = coarse.live.flatten()
    expected = (p.T @ fine @ p / 8)[:, unknown][:, :, unknown]
    assert torch.allclose(coarse.dense()[:, unknown][:, :, unknown], expected, atol=1e-13)


def test_grids_that_cannot_be_halved_are_refused():
    with pytest.raises(InvalidArgument, match="cannot be halved"):
        Multigrid(diffusion((75, 75), "wall"))
    with pytest.raises(InvalidArgument, match="cannot be halved"):
        Multigrid(diffusion((70, 70), ("wall", "dirichlet")))
    with pytest.raises(InvalidArgument, match="smoothing"):
        Multigrid(diffusion((7, 7)), smoothing=(0, 0))
    with pytest.raises(InvalidArgument, match="did you mean 'jacobi'"):
        Multigrid(diffusion((7, 7)), smoother="jakobi")
