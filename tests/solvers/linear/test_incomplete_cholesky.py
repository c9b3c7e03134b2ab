import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from scipy.sparse.linalg import spsolve_triangular

from limitlab.errors import InvalidArgument
from limitlab.solvers.linear import IncompleteCholesky, conjugate_gradients, diffusion
from limitlab.solvers.linear.stencil import Stencil


def random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def product(factors, points):
    """factored as a matrix, from what its inverse makes of units."""
    units = torch.eye(points, dtype=torch.float64).reshape(points, *factors._shape)
    return torch.linalg.inv(factors(units).flatten(1))


@pytest.mark.parametrize("shape", [(5, 4), (3, 4, 3)])
def test_it_is_the_matrix_wherever_that_has_entries(shape):
    operator = diffusion(shape, "wall", coefficient=1 + random(*shape).square(), solid=random(*shape, seed=2) > 1.2)
    dense = torch.from_numpy(operator.to_scipy().toarray())
    pattern = dense != 0
    factored = product(IncompleteCholesky(operator), len(dense))
    assert (factored - dense)[pattern].abs().max() < 1e-12 * dense.abs().max()


def test_on_a_line_it_is_exact():
    operator = diffusion((40,), coefficient=1 + random(40).square())
    assert (
        int(conjugate_gradients(operator, random(3, 40), preconditioner=IncompleteCholesky(operator)).iterations.max())
        == 1
    )


def test_wavefronts_solve_as_triangular_matrices_do():
    operator, r = diffusion((6, 7)), random(1, 6, 7)
    factors = IncompleteCholesky(operator)
    lower = np.tril(operator.to_scipy().toarray(), -1)
    pivots = factors._pivots[0, :-1].numpy()
    y = spsolve_triangular(csr_array(lower + np.diag(pivots)), r.numpy().ravel(), lower=True)
    z = spsolve_triangular(csr_array(lower.T + np.diag(pivots)), pivots * y, lower=False)
    assert np.allclose(factors(r).numpy().ravel(), z, atol=1e-13)


def test_what_is_dropped_can_be_moved_to_the_diagonal():
    operator = diffusion((12, 12))
    ones = torch.ones(144, dtype=torch.float64)
    factored, modified = (product(IncompleteCholesky(operator, relaxation=share), 144) for share in (0.0, 1.0))
    rows = torch.from_numpy(operator.to_scipy().toarray()) @ ones
    assert torch.allclose(modified @ ones, rows, atol=1e-10)
    assert (factored @ ones - rows).abs().max() > 0.1
    larger, b = diffusion((63, 63)), random(1, 63, 63)
    plain, relaxed = (
        int(conjugate_gradients(larger, b, preconditioner=IncompleteCholesky(larger, share)).iterations)
        for share in (0.0, 0.97)
    )
    assert relaxed < plain


def test_samples_have_factors_of_their_own():
    operator, r = diffusion((5, 6), coefficient=1 + random(3, 5, 6).square()), random(3, 5, 6, seed=1)
    together = IncompleteCholesky(operator)(r)
    for sample in range(3):
        assert torch.allclose(
            IncompleteCholesky(operator.of_sample(sample))(r[sample, None])[0], together[sample], atol=1e-12
        )


def test_what_it_cannot_factor_is_refused():
    with pytest.raises(InvalidArgument, match="periodic"):
        IncompleteCholesky(diffusion((4, 4), "periodic"))
    operator = diffusion((4, 4))
    across = Stencil({**operator.coefficients, (1, 1): torch.ones(4, 4, dtype=torch.float64)}, operator.boundary)
    with pytest.raises(InvalidArgument, match="axes alone"):
        IncompleteCholesky(across)
    skewed = Stencil({**operator.coefficients, (1, 0): 2 * operator.coefficients[1, 0]}, operator.boundary)
    with pytest.raises(InvalidArgument, match="symmetric"):
        IncompleteCholesky(skewed)
    negative = Stencil({o: -c for o, c in operator.coefficients.items()}, operator.boundary)
    with pytest.raises(InvalidArgument, match="positive definite"):
        IncompleteCholesky(negative)
