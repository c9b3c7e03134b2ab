import math

import pytest
import scipy.fft
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limitlab.errors import InvalidArgument
from limitlab.spaces import (
    Grid,
    cosine_transform,
    dealias_mask,
    fourier,
    inverse_cosine_transform,
    inverse_fourier,
    inverse_sine_transform,
    sine_transform,
    spectral_derivative,
    spectral_resample,
)


def wave(grid: Grid) -> torch.Tensor:
    """A band-limited function of every coordinate."""
    angles = 2 * math.pi * grid.points() / torch.tensor(grid.lengths)
    return torch.cos(2 * angles[..., 0] + sum(angles[..., i] for i in range(1, grid.dimension))) + 0.3


@pytest.mark.parametrize("resolution", [12, 13, 32, (12, 9), (8, 16, 11)])
def test_fourier_coefficients_belong_to_the_function(resolution):
    grid = Grid.uniform(resolution, lengths=3.0)
    coefficients = fourier(wave(grid), grid)
    mode = (2,) + (1,) * (grid.dimension - 1)
    assert coefficients[(0,) * grid.dimension].real == pytest.approx(0.3, abs=1e-14)
    assert coefficients[mode].real == pytest.approx(0.5, abs=1e-14)
    assert torch.allclose(inverse_fourier(coefficients, grid), wave(grid), atol=1e-14)


@pytest.mark.parametrize("resolution", [16, 17, (16, 9), (9, 8, 12)])
def test_spectral_derivative_is_exact_on_band_limited_functions(resolution):
    grid = Grid.uniform(resolution, lengths=2.0)
    angles = math.pi * grid.points()
    phase = 2 * angles[..., 0] + sum(angles[..., i] for i in range(1, grid.dimension))
    assert torch.allclose(spectral_derivative(wave(grid), grid, 0), -2 * math.pi * torch.sin(phase), atol=1e-12)
    assert torch.allclose(
        spectral_derivative(wave(grid), grid, 0, order=2), -((2 * math.pi) ** 2) * torch.cos(phase), atol=1e-11
    )


def test_odd_derivative_of_the_highest_mode_is_zero():
    grid = Grid.uniform(8)
    sawtooth = torch.tensor([1.0, -1.0] * 4, dtype=torch.float64)
    assert spectral_derivative(sawtooth, grid, 0).abs().max() < 1e-12


@given(n=st.integers(9, 40), m=st.integers(9, 40), dimension=st.integers(1, 2))
@settings(max_examples=30, deadline=None)
def test_resampling_a_band_limited_function_evaluates_it(n, m, dimension):
    grid = Grid.uniform(n, dimension=dimension)
    assert torch.allclose(spectral_resample(wave(grid), grid, m), wave(grid.at(m)), atol=1e-12)


def test_dealiasing_keeps_two_thirds():
    kept = dealias_mask(Grid.uniform((12, 12)))
    assert kept[:, 0].sum() == 7  # |m| <= 3: strictly below n/3 = 4
    assert kept[0].sum() == 4


@pytest.mark.parametrize("n", [8, 9])
def test_cosine_and_sine_transforms_agree_with_scipy(n):
    grid = Grid.uniform((n, n), kind="cells")
    u = torch.randn(3, n, n, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    scale = torch.full((n,), 1.0 / n, dtype=torch.float64)
    for ours, theirs, edge in [(cosine_transform, scipy.fft.dctn, 0), (sine_transform, scipy.fft.dstn, n - 1)]:
        weights = scale.clone()
        weights[edge] /= 2
        expected = torch.from_numpy(theirs(u.numpy(), axes=(1, 2))) * weights[:, None] * weights
        assert torch.allclose(ours(u, grid), expected, atol=1e-13)
    assert torch.allclose(inverse_cosine_transform(cosine_transform(u, grid), grid), u, atol=1e-13)
    assert torch.allclose(inverse_sine_transform(sine_transform(u, grid), grid), u, atol=1e-13)


def test_sine_coefficients_are_those_of_the_function():
    grid = Grid.uniform(16, kind="cells")
    x = grid.points()[..., 0]
    coefficients = sine_transform(torch.sin(3 * math.pi * x), grid)
    assert coefficients[2] == pytest.approx(1.0, abs=1e-13)
    assert coefficients.abs().sum() == pytest.approx(1.0, abs=1e-12)


def test_transforms_refuse_the_wrong_kind_of_grid():
    with pytest.raises(InvalidArgument, match="'periodic'"):
        fourier(torch.zeros(8), Grid.uniform(8, kind="cells"))
    with pytest.raises(InvalidArgument, match="'cells'"):
        cosine_transform(torch.zeros(8), Grid.uniform(8))
