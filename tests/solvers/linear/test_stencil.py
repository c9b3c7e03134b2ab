import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limitlab.errors import InvalidArgument
from limitlab.solvers.linear import Multigrid, diffusion
from limitlab.solvers.linear.stencil import probed

BOUNDARIES = ("dirichlet", "wall", "neumann", "periodic", ("neumann", "periodic"), (("neumann", "wall"), "wall"))


def random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def coefficient(*shape):
    return 1 + random(*shape, seed=3).square()


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("masked", [False, True])
def test_the_product_is_that_of_the_sparse_and_of_the_dense_matrix_and_symmetric(boundary, masked):
    solid = random(7, 6, seed=1) > 1 if masked else None
    operator = diffusion((7, 6), boundary, coefficient=coefficient(2, 7, 6), solid=solid)
    u, v = random(2, 7, 6), random(2, 7, 6, seed=9)
    image = operator(u)
    for sample in range(2):
        sparse = operator.to_scipy(sample)
        assert (
            np.abs(sparse @ u[sample].numpy().ravel() - image[sample].numpy().ravel()).max()
            <= 1e-13 * image.abs().max()
        )
        assert np.array_equal(sparse.toarray(), operator.dense()[sample].numpy())
    difference = ((v * image).flatten(1).sum(1) - (u * operator(v)).flatten(1).sum(1)).abs().max()
    assert difference <= 1e-12 * image.norm() * v.norm()


@pytest.mark.parametrize("masked", [False, True])
def test_in_three_dimensions_too(masked):
    solid = random(3, 4, 6, seed=1) > 1 if masked else None
    boundary, options = ("wall", "dirichlet", "periodic"), {"spacing": (1, 2, 0.5), "solid": solid}
    operator = diffusion((3, 4, 6), boundary, coefficient=coefficient(3, 4, 6), **options)
    u = random(1, 3, 4, 6)
    assert np.allclose(operator.to_scipy() @ u.numpy().ravel(), operator(u).numpy().ravel(), rtol=1e-13, atol=1e-12)


@settings(deadline=None, max_examples=20)
@given(
    shape=st.lists(st.integers(3, 7), min_size=1, max_size=3),
    periodic=st.lists(st.booleans(), min_size=3, max_size=3),
    seed=st.integers(0, 99),
)
def test_an_operator_is_known_by_its_products(shape, periodic, seed):
    boundary = ["periodic" if wraps else "wall" for wraps in periodic[: len(shape)]]
    operator = diffusion(shape, boundary, coefficient=1 + random(*shape, seed=seed).square())
    found = probed(operator, operator.shape, operator.periodic, 1, operator.diagonal)
    for offset, value in operator.coefficients.items():
        assert torch.allclose(found.pop(offset)[0], value, atol=1e-12)
    assert all(bool((value == 0).all()) for value in found.values())


def test_galerkins_operator_is_the_triple_product_of_matrices():
    operator = diffusion((7, 9), coefficient=coefficient(7, 9), solid=random(7, 9, seed=4) > 1.5)
    level, below = Multigrid(operator).levels[0], Multigrid(operator, smoothing=(0, 1))._coarsest
    units = torch.eye(12, dtype=torch.float64).reshape(12, 3, 4)
    prolongation = level.down.prolonged(units).masked_fill(operator.solid, 0.0).flatten(1).T
    product = prolongation.T @ torch.from_numpy(operator.to_scipy().toarray()) @ prolongation / 4
    assert torch.allclose(below.dense()[0], product, atol=1e-12)


def test_gradients_of_the_product():
    a = coefficient(4, 3).requires_grad_()
    u = random(1, 4, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, u: diffusion((4, 3), "wall", coefficient=a)(u), (a, u))


def test_what_does_not_fit_is_refused():
    operator = diffusion((4, 4))
    for wrong in (torch.zeros(4, 4), torch.zeros(1, 4, 5), "u"):
        with pytest.raises(InvalidArgument, match=r"u must have shape \(batch, 4, 4\)"):
            operator(wrong)
