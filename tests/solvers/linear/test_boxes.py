import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.solvers.linear import box_eigenvalues, diffusion, solve_box

BOUNDARIES = ("dirichlet", "wall", "neumann", "periodic")


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_eigenvalues_are_those_of_the_matrix(boundary):
    dense = diffusion((4, 5), boundary, spacing=0.3).dense()[0]
    values = box_eigenvalues((4, 5), boundary, spacing=0.3).flatten().sort().values
    assert torch.allclose(values, torch.linalg.eigvalsh(dense), atol=1e-11)


def test_condition_numbers_of_the_card():
    kappa = [float((v := box_eigenvalues((n, n))).max() / v.min()) for n in (32, 64, 128)]
    assert kappa == pytest.approx([440.7, 1711.7, 6743.7], abs=0.06)


def test_sine_modes_are_eigenvectors():
    n, p, q = 16, 3, 7
    i = torch.arange(1, n + 1, dtype=torch.float64) * torch.pi / (n + 1)
    mode = torch.sin(p * i)[:, None] * torch.sin(q * i)
    value = box_eigenvalues((n, n))[p - 1, q - 1]
    assert torch.allclose(diffusion((n, n))(mode[None])[0], value * mode, atol=1e-12)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("shape", [(9,), (8, 6), (4, 6, 5)])
def test_the_residual_is_of_rounding(boundary, shape):
    operator = diffusion(shape, boundary, spacing=0.1)
    b = torch.randn(3, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x = solve_box(b, boundary, spacing=0.1)
    if operator.singular:
        b = b - b.mean(tuple(range(1, b.dim())), keepdim=True)
        assert x.flatten(1).mean(1).abs().max() < 1e-12
    assert (operator(x) - b).abs().max() < 1e-12 * b.abs().max() * 400


def test_integers_are_refused():
    with pytest.raises(InvalidArgument, match="floating-point"):
        solve_box(torch.ones(1, 3, dtype=torch.long))
