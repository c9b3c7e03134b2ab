"""Distances of marginal laws: those of shifted, of scaled and of equal ensembles."""

import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.neural_des.sde import increment_ratio, marginal_distances


def test_a_shift_is_its_size_over_the_deviation():
    paths = torch.randn(300, 4, generator=torch.Generator().manual_seed(0)).double()
    assert torch.allclose(marginal_distances(paths + 2, paths), 2 / paths.std(0), rtol=1e-6)


def test_two_normal_laws_have_the_distance_of_their_deviations():
    """W1 of N(0, a^2) and N(0, b^2) is |a - b| (2/pi)^(1/2)."""
    generator = torch.Generator().manual_seed(1)
    paths, reference = (torch.randn(40_000, 1, generator=generator).double() for _ in range(2))
    distance = marginal_distances(2 * paths, reference)
    assert abs(float(distance) - (2 / torch.pi) ** 0.5) < 0.02


def test_missing_values_are_left_out():
    paths = torch.randn(50, 2).double()
    gaps = torch.cat([paths, torch.full((5, 2), torch.nan).double()])
    assert marginal_distances(gaps, paths).abs().max() < 1e-12


def test_rougher_paths_have_the_larger_ratio():
    walk = torch.randn(500, 40, generator=torch.Generator().manual_seed(2)).cumsum(1)
    assert abs(increment_ratio(walk + torch.randn(500, 40), walk) - 3**0.5) < 0.05


def test_other_times_are_refused():
    with pytest.raises(InvalidArgument, match="the same times"):
        marginal_distances(torch.zeros(3, 2), torch.zeros(3, 4))
