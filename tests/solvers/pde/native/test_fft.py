"""Fourier transforms of groups of lanes against NumPy's."""

import numpy as np
import pytest
import torch

from limitlab.solvers.pde.native.fft import fft, twiddles_of
from limitlab.solvers.pde.native.lanes import width_of


def transformed(x):
    """The transform of (n, 2, lane): real and imaginary parts of complex numbers, lane by lane."""
    n = len(x)
    buffer = np.concatenate([x.ravel(), np.zeros_like(x.ravel())])
    place = fft(buffer, twiddles_of(n, x.dtype), n)
    return buffer.reshape(2, *x.shape)[place // n]


def numbers(n, dtype):
    lanes = width_of(torch.float32 if dtype == "float32" else torch.float64)
    return np.random.default_rng(n).standard_normal((n, 2, lanes)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [4, 8, 16, 32, 128, 512])
def test_transform_equals_numpys_in_every_lane(n, dtype):
    x = numbers(n, dtype)
    found, expected = transformed(x), np.fft.fft(x[:, 0] + 1j * x[:, 1].astype("float64"), axis=0)
    tolerance = 8 * np.finfo(dtype).eps * np.abs(expected).max()
    assert np.abs(found[:, 0] - expected.real).max() < tolerance
    assert np.abs(found[:, 1] - expected.imag).max() < tolerance


def test_exchanged_parts_make_the_inverse():
    x = numbers(64, "float64")
    back = transformed(transformed(x)[:, ::-1])[:, ::-1] / 64
    assert np.abs(back - x).max() < 1e-14
