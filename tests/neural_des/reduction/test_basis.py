"""Proper orthogonal decomposition: optimal, orthonormal, and refused where there is nothing to span."""

import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.neural_des.reduction import pod


@pytest.fixture
def snapshots():
    torch.manual_seed(0)
    return torch.randn(30, 6).double() @ torch.randn(6, 50).double() + 1e-3 * torch.randn(30, 50).double()


def test_the_error_of_the_projection_is_the_rest_of_the_singular_values(snapshots):
    basis = pod(snapshots)
    for size in (1, 4, 6, 20):
        modes = basis.truncated(size).modes
        assert torch.allclose(modes.T @ modes, torch.eye(size).double(), atol=1e-12)
        error = (snapshots - modes @ modes.T @ snapshots).square().sum()
        assert torch.allclose(error, basis.singular_values[size:].square().sum(), rtol=1e-8)


def test_energy_grows_with_the_modes_and_names_how_many_are_needed(snapshots):
    basis = pod(snapshots)
    energies = [basis.energy(size) for size in range(1, basis.size + 1)]
    assert energies == sorted(energies)
    assert abs(energies[-1] - 1) < 1e-12
    size = basis.size_for(0.9)
    assert basis.energy(size) >= 0.9 > basis.energy(size - 1)
    assert basis.size_for(1.0) == basis.size


def test_a_centred_basis_spans_deviations_from_the_mean(snapshots):
    shifted = snapshots + 100
    basis = pod(shifted, centred=True)
    assert torch.allclose(basis.centre, shifted.mean(1))
    modes = basis.truncated(6).modes
    deviation = shifted - basis.centre[:, None]
    assert (deviation - modes @ modes.T @ deviation).norm() < 1e-3 * deviation.norm()


def test_directions_below_rounding_are_no_modes():
    torch.manual_seed(1)
    assert pod(torch.randn(20, 3).double() @ torch.randn(3, 40).double()).size == 3


@pytest.mark.parametrize(
    ("snapshots", "words"),
    [
        (torch.zeros(3, 4), "nothing but zeros"),
        (torch.tensor([[1.0, float("nan")]]), "column 1"),
        (torch.zeros(3), "state, column"),
        ([[1.0]], "list"),
    ],
)
def test_what_spans_nothing_is_refused(snapshots, words):
    with pytest.raises(InvalidArgument, match=words):
        pod(snapshots)


def test_more_modes_than_there_are_are_refused(snapshots):
    with pytest.raises(InvalidArgument, match="at most 30"):
        pod(snapshots).truncated(31)
