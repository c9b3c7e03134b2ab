import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.solvers.linear import box_eigenvalues, diffusion, lanczos


def test_ends_of_the_spectrum_are_found_and_vectors_are_orthonormal():
    operator = diffusion((20, 20))
    start = torch.randn(2, 20, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    values, vectors = lanczos(operator, start, 80)
    exact = box_eigenvalues((20, 20)).flatten()
    assert torch.allclose(values[:, -1], exact.max(), rtol=1e-8)
    assert torch.allclose(values[:, 0], exact.min(), rtol=1e-4)
    flat = vectors.flatten(2)
    assert torch.allclose(flat @ flat.mT, torch.eye(80, dtype=torch.float64), atol=1e-10)
    assert bool((values.diff(dim=1) >= 0).all())


def test_a_start_in_few_eigenvectors_goes_on_and_every_value_is_one_of_the_operator():
    operator = diffusion((6,))
    values, _ = lanczos(operator, torch.linalg.eigh(operator.dense()[0])[1][:, 2][None], 6)
    assert torch.allclose(values[0], box_eigenvalues((6,)), atol=1e-10)


def test_no_start_and_too_many_steps_are_refused():
    with pytest.raises(InvalidArgument, match="start must not be zero"):
        lanczos(diffusion((4,)), torch.zeros(1, 4, dtype=torch.float64), 2)
    with pytest.raises(InvalidArgument, match="steps"):
        lanczos(diffusion((4,)), torch.ones(1, 4, dtype=torch.float64), 5)
