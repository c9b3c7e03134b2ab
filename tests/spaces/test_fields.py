import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limitlab.errors import InvalidArgument
from limitlab.spaces import Grid, cosine_transform, gaussian_field, sine_transform, spectral_resample

BOUNDED = [("neumann", cosine_transform), ("dirichlet", sine_transform)]


def test_pointwise_deviation_is_that_of_the_navier_stokes_benchmark():
    grid = Grid.uniform((32, 32))
    u = gaussian_field(grid, 400, seed=0, alpha=2.5, tau=7.0)
    assert float(u.std()) == pytest.approx(0.185, abs=0.004)


def test_deviation_does_not_depend_on_resolution():
    deviations = [float(gaussian_field(Grid.uniform((n, n)), 200, seed=0, alpha=2.5, tau=7.0).std()) for n in (32, 64)]
    assert deviations[0] == pytest.approx(deviations[1], rel=0.02)


@pytest.mark.parametrize("n", [16, 17])
@pytest.mark.parametrize("dimension", [1, 2])
def test_periodic_field_is_one_function_at_every_resolution(n, dimension):
    coarse, fine = (Grid.uniform(size, dimension=dimension, lengths=2.0) for size in (n, 2 * n))
    u, v = (gaussian_field(grid, 3, seed=5, alpha=2.0, tau=3.0) for grid in (coarse, fine))
    assert torch.allclose(spectral_resample(v, fine, n), u, atol=1e-13)


@pytest.mark.parametrize(("boundary", "transform"), BOUNDED)
def test_bounded_field_is_one_function_at_every_resolution(boundary, transform):
    coarse, fine = (Grid.uniform((n, n), kind="cells") for n in (12, 24))
    u, v = (gaussian_field(grid, 3, seed=5, alpha=2.0, tau=3.0, boundary=boundary) for grid in (coarse, fine))
    assert torch.allclose(transform(v, fine)[:, :12, :12], transform(u, coarse), atol=1e-13)


@given(first=st.integers(0, 50), count=st.integers(1, 5), seed=st.integers(0, 2**40))
@settings(max_examples=20, deadline=None)
def test_a_sample_does_not_depend_on_its_neighbours(first, count, seed):
    grid = Grid.uniform((8, 8))
    alone = gaussian_field(grid, 1, seed, alpha=2.0, tau=3.0, first=first + count - 1)
    beside = gaussian_field(grid, count, seed, alpha=2.0, tau=3.0, first=first)
    assert torch.equal(alone[0], beside[-1])


def test_covariance_is_the_formula():
    grid = Grid.uniform(16, lengths=2.0)
    u = gaussian_field(grid, 4000, seed=1, alpha=1.5, tau=4.0, sigma=3.0)
    modes = torch.arange(1, 8).double()
    variance = 9.0 * ((math.pi * modes) ** 2 + 16) ** -1.5
    shift = grid.axes[0].points()[:, None] - grid.axes[0].points()[None, :]
    expected = (variance * torch.cos(math.pi * modes * torch.from_numpy(shift)[..., None])).sum(-1) * 2 / 2.0
    sampled = u.T @ u / 4000
    # the standard error of a covariance is at most sqrt(2 / samples) times the variance
    assert (sampled - expected).abs().max() < 3 * math.sqrt(2 / 4000) * expected[0, 0]


def test_neumann_field_has_no_flux_and_dirichlet_field_no_value_at_the_wall():
    for boundary, order in [("neumann", 1), ("dirichlet", 0)]:
        grid = Grid.uniform(512, kind="cells")
        u = gaussian_field(grid, 20, seed=0, alpha=4.0, tau=3.0, boundary=boundary)
        inside = u.abs().max()
        wall = (u[:, 1] - u[:, 0]).abs().max() if order else u[:, 0].abs().max()
        assert wall < 0.02 * inside


def test_bad_fields_are_refused():
    with pytest.raises(InvalidArgument, match="needs a grid of 'cells'"):
        gaussian_field(Grid.uniform(8), 1, 0, alpha=2, tau=3, boundary="neumann")
    with pytest.raises(InvalidArgument, match="samples must be a whole number"):
        gaussian_field(Grid.uniform(8), 0, 0, alpha=2, tau=3)
