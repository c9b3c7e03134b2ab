import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.solvers.linear import Chebyshev, IncompleteCholesky, Jacobi, Multigrid, conjugate_gradients, diffusion
from limitlab.solvers.linear.stencil import Stencil


def random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "make",
    [
        Jacobi,
        Chebyshev,
        IncompleteCholesky,
        Multigrid,
        lambda operator: Multigrid(operator, smoother="red_black"),
        lambda operator: Multigrid(operator, smoother="chebyshev", cycle="W", smoothing=(2, 2)),
    ],
)
@pytest.mark.parametrize("shape", [(15, 15), (31,), (7, 7, 7)])
def test_a_preconditioner_is_symmetric_and_positive(make, shape):
    operator = diffusion(shape, coefficient=1 + random(*shape).square(), solid=random(*shape, seed=2) > 1.5)
    inverse = make(operator)
    x, y = random(1, *shape, seed=3), random(1, *shape, seed=4)
    assert abs(float((x * inverse(y)).sum() - (y * inverse(x)).sum())) <= 1e-12 * float(x.norm() * y.norm())
    assert float((x * inverse(x)).sum()) > 0


def test_the_polynomial_is_small_on_its_interval():
    operator = diffusion((63,))
    inverse = Chebyshev(operator, degree=3, low=0.3)
    dense = operator.dense()[0]
    values, vectors = torch.linalg.eigh(dense)
    rest = (
        vectors.T @ (torch.eye(63, dtype=torch.float64) - inverse(torch.eye(63, dtype=torch.float64)) @ dense) @ vectors
    )
    damped = rest.diagonal().abs()[values > 0.35 * values.max()]
    # 1/T_3((1 + low)/(1 - low)) = 0.049 on the whole interval
    assert damped.max() < 0.06


def test_a_polynomial_helps_without_inner_products():
    operator, b = diffusion((31, 31)), random(1, 31, 31)
    few = conjugate_gradients(operator, b, preconditioner=Chebyshev(operator, degree=4, low=0.05))
    assert int(few.iterations) < int(conjugate_gradients(operator, b).iterations) / 2


def test_a_diagonal_below_zero_is_refused():
    operator = diffusion((4,))
    with pytest.raises(InvalidArgument, match="positive diagonal"):
        Jacobi(Stencil({o: -c for o, c in operator.coefficients.items()}, operator.boundary))
