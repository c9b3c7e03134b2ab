"""The tangent of the machine code, against that of the C library."""

import math

import numpy as np

from limitlab.discovery.pinn.jets.tanh import tangents


def test_tangent_is_right_to_four_units_in_the_last_place():
    sizes = np.geomspace(1e-12, 30.0, 20_000)
    a = np.concatenate([sizes, -sizes, np.linspace(-3, 3, 10_001)])
    y = np.empty_like(a)
    tangents(a, y)
    assert (np.abs(y - np.tanh(a)) <= 4 * np.spacing(np.abs(np.tanh(a)))).all()


def test_ends_of_the_numbers():
    a = np.array([0.0, 1e-300, 700.0, -1e300, math.inf, -math.inf, math.nan])
    y = np.empty_like(a)
    tangents(a, y)
    assert y[:6].tolist() == [0.0, 1e-300, 1.0, -1.0, 1.0, -1.0]
    assert np.isnan(y[6])
