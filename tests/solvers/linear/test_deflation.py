import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.solvers.linear import Deflation, conjugate_gradients, diffusion, subdomains


def random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_the_projection_is_one_and_leaves_the_space_out():
    operator = diffusion((12, 12), coefficient=1 + torch.rand(12, 12, dtype=torch.float64))
    blocks = subdomains((12, 12), 3)
    deflation = Deflation(operator, blocks)
    u = torch.randn(4, 12, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    once = deflation.projected(u)
    assert torch.allclose(deflation.projected(once), once, atol=1e-10)
    assert torch.einsum("kxy,bxy->bk", blocks, operator(once)).abs().max() < 1e-10
    rest = u - operator(deflation.coarse(u))
    assert torch.einsum("kxy,bxy->bk", blocks, rest).abs().max() < 1e-10


def test_residuals_stay_orthogonal_to_the_space_at_every_step():
    operator = diffusion((12, 12), coefficient=1 + random(12, 12).square())
    blocks, b = subdomains((12, 12), 3), random(2, 12, 12, seed=1)
    deflation = Deflation(operator, blocks)
    for steps in range(1, 25):
        x = conjugate_gradients(operator, b, deflation=deflation, max_iterations=steps, tolerance=1e-14).x
        assert torch.einsum("kxy,bxy->bk", blocks, b - operator(x)).abs().max() < 1e-10 * b.norm()


def test_vectors_that_depend_on_each_other_are_refused():
    operator = diffusion((4,))
    with pytest.raises(InvalidArgument, match="independent"):
        Deflation(operator, torch.ones(2, 4, dtype=torch.float64))
    with pytest.raises(InvalidArgument, match="independent"):
        Deflation(diffusion((4,), "neumann"), torch.ones(1, 4, dtype=torch.float64))
    with pytest.raises(InvalidArgument, match="shape"):
        Deflation(operator, torch.ones(2, 5, dtype=torch.float64))


def test_more_blocks_than_points_are_refused():
    with pytest.raises(InvalidArgument, match="parts"):
        subdomains((4, 2), 3)
