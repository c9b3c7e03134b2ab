"""The exponential function in pieces is that of NumPy."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")

from limitlab.discovery.exponential import reduced


def test_the_pieces_make_the_exponential_function_to_two_units_in_the_last_place():
    for x in np.random.default_rng(0).uniform(-700, 700, 2000):
        rest, exponent = reduced(x)
        assert abs(np.ldexp(1.0 + rest, exponent) / np.exp(x) - 1) <= 2 * np.finfo(float).eps
        assert abs(rest) < 0.42


def test_near_zero_no_digit_of_the_difference_from_one_is_lost():
    for x in np.logspace(-300, -1, 500):
        rest, exponent = reduced(x)
        assert exponent == 0
        assert abs(rest / np.expm1(x) - 1) <= 2 * np.finfo(float).eps
