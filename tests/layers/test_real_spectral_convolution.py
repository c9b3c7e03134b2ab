"""The real spectral convolution is the complex one, where wavenumbers are missing too."""

import pytest
import torch

from limitlab.layers.real_spectral_convolution import RealSpectralConv
from limitlab.operators import Compression, SpectralConv


@pytest.mark.parametrize("separable", [False, True], ids=["dense", "separable"])
@pytest.mark.parametrize(
    ("grid", "modes", "size"),
    [
        ((33,), (9,), (7,)),
        ((16, 12), (6, 6), None),
        # more modes than there are wavenumbers
        ((4, 5), (8, 8), None),
        ((8, 8), (8, 8), (4, 12)),
        ((8, 6, 10), (4, 5, 6), None),
    ],
)
def test_it_gives_the_same_numbers_on_any_grid(grid, modes, size, separable):
    conv = SpectralConv(3, 3, modes, separable=separable).double()
    u = torch.randn(2, 3, *grid, dtype=torch.float64)
    added = torch.randn(2, 3, *(size or grid), dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(RealSpectralConv(conv)(u, size, added), conv(u, size, added), rtol=0, atol=1e-12)


def test_it_has_the_modes_that_are_in_use_alone():
    conv, u = SpectralConv(1, 1, (8,)).double(), torch.randn(2, 1, 32, dtype=torch.float64)
    conv.use((4,))
    with torch.no_grad():
        torch.testing.assert_close(RealSpectralConv(conv)(u), conv(u), rtol=0, atol=1e-12)


def test_factors_become_the_weights_that_they_stand_for():
    (factors,) = Compression("tucker", 0.5).weights(1, (2, 2, 4, 3), std=1.0)
    conv, u = SpectralConv(2, 2, (4, 4), factors=factors), torch.randn(2, 2, 8, 10)
    with torch.no_grad():
        torch.testing.assert_close(RealSpectralConv(conv)(u), conv(u), rtol=1e-5, atol=1e-5)
