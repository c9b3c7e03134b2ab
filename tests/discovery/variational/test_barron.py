"""The spectral norm: closed values, its algebra on random polynomials, samples in many dimensions with their floor."""

import math

import pytest
import torch

from limitlab.discovery import variational as v
from limitlab.errors import InvalidArgument
from limitlab.spaces import Grid, fourier, inverse_fourier, spectral_derivative, wavenumbers

GRID = Grid.uniform(32, dimension=2)
WIDTH = 5


def polynomial(seed):
    """A random polynomial of frequencies |k| <= 5 on the grid."""
    generator = torch.Generator().manual_seed(seed)
    coefficients = fourier(torch.randn(GRID.shape, generator=generator, dtype=torch.float64), GRID)
    k = torch.stack(torch.broadcast_tensors(*wavenumbers(GRID))).norm(dim=0)
    return inverse_fourier(coefficients * (k <= 2 * math.pi * WIDTH), GRID)


def smoothed(u):
    return inverse_fourier(fourier(u, GRID) / (1 + sum(k**2 for k in wavenumbers(GRID))), GRID)


def norm(u):
    return v.barron_norm(u, GRID)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x, y: (2 * math.pi * x).sin() * (2 * math.pi * y).cos() + 0.3 * (4 * math.pi * x).cos(),
         1 + 2 * math.pi * math.sqrt(2) + 0.3 * (1 + 4 * math.pi)),
        (lambda x, y: ((2 * math.pi * x).cos() + (2 * math.pi * y).cos()) / math.sqrt(2),
         math.sqrt(2) * (1 + 2 * math.pi)),
        (lambda x, y: (2 * math.pi * x).sin() * (2 * math.pi * y).sin(), 1 + 2 * math.pi * math.sqrt(2)),
    ],
)  # fmt: skip
def test_closed_values(function, expected):
    assert norm(function(*GRID.points().unbind(-1))) == pytest.approx(expected, abs=1e-10)


def test_a_gaussian_has_one_plus_the_mean_size_of_its_frequencies():
    """exp(-s^2 x^2/2) on the line, as its sum over periods: E|w| = s sqrt(2/pi) for w ~ N(0, s^2), by quadrature."""
    s = 20.0
    images = [
        lambda x, shift=shift: torch.exp(-(s**2) * (x[..., 0] - 0.5 - shift).square() / 2) for shift in (-1, 0, 1)
    ]
    measured = v.barron_of(lambda x: sum(image(x) for image in images), 1, 64)
    assert measured.limit == pytest.approx(1 + s * math.sqrt(2 / math.pi), rel=0.01)
    assert measured.error < 1e-8


def test_the_norm_is_an_algebra():
    """Sums, products, derivatives, the inverse of I - Lap, and that inverse after a divergence: 100 polynomials."""
    for seed in range(0, 200, 2):
        g, h = polynomial(seed), polynomial(seed + 1)
        slack = 1 + 1e-10
        assert norm(g + h) <= (norm(g) + norm(h)) * slack
        assert norm(g * h) <= norm(g) * norm(h) * slack
        assert norm(spectral_derivative(g, GRID, 0)) <= 2 * math.pi * WIDTH * norm(g) * slack
        assert norm(smoothed(g)) <= norm(g) * slack
        divergence = spectral_derivative(g, GRID, 0) + spectral_derivative(h, GRID, 1)
        assert norm(smoothed(divergence)) <= 0.5 * (norm(g) + norm(h)) * slack


def test_the_norm_does_not_see_translations_and_is_homogeneous():
    g = polynomial(0)
    assert norm(g.roll((3, 5), (0, 1))) == pytest.approx(norm(g), rel=1e-12)
    assert norm(2 * g) == pytest.approx(2 * norm(g), rel=1e-12)


def test_the_path_norm_is_a_sum_over_units():
    network = v.TwoLayer(3, 4, seed=0)
    expected = sum(
        abs(a) * (sum(map(abs, w)) + abs(b))
        for a, w, b in zip(network.outer.tolist(), network.inner.tolist(), network.bias.tolist(), strict=True)
    )
    assert network.path_norm().item() == pytest.approx(expected, rel=1e-5)


def test_frequencies_within_a_radius_are_half_of_all():
    rows = v.frequencies_within(3, 2)
    expected = [
        (a, b, c) for a in range(-2, 3) for b in range(-2, 3) for c in range(-2, 3) if 0 < abs(a) + abs(b) + abs(c) <= 2
    ]
    assert {tuple(k) for k in rows.tolist()} | {tuple(-i for i in k) for k in rows.tolist()} == set(expected)
    assert 2 * len(rows) == len(expected)
    with pytest.raises(InvalidArgument, match="at most 20000"):
        v.frequencies_within(50, 4)


def test_a_greedy_search_in_ten_dimensions_has_the_norm_of_the_waves():
    x = torch.rand(4000, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    spectrum = v.greedy_spectrum(x, v.wave_sum(10)(x))
    assert spectrum.norm == pytest.approx(math.sqrt(10) * (1 + 2 * math.pi), rel=1e-6)
    assert len(spectrum.frequencies) == 10


def test_noise_has_no_spectrum_but_a_floor():
    """Of pure noise the pursuit finds no wave, or one; a sum over all of them would be the floor."""
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(2000, 10, generator=generator, dtype=torch.float64)
    spectrum = v.greedy_spectrum(x, torch.randn(2000, generator=generator, dtype=torch.float64))
    assert len(spectrum.frequencies) <= 1
    assert spectrum.floor == pytest.approx(len(v.frequencies_within(10, 2)) / math.sqrt(2000), rel=0.1)
