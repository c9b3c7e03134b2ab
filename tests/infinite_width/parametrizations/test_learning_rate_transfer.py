import math

import numpy as np
import pytest
import xarray as xr

from limitlab.errors import InvalidArgument
from limitlab.infinite_width import best_learning_rate, octaves


def valley(bottom, rates=range(-11, -3)):
    return [math.exp(0.1 * (octave - bottom) ** 2 + 0.5) for octave in rates]


def losses(*bottoms):
    return xr.DataArray(
        [valley(bottom) for bottom in bottoms],
        dims=("width", "learning_rate"),
        coords={"width": [2**k for k in range(len(bottoms))], "learning_rate": [2.0**k for k in range(-11, -3)]},
    )


def test_bottom_of_a_parabola_is_found_between_the_rates():
    best = best_learning_rate(losses(-6.3, -8.45))
    np.testing.assert_allclose(np.log2(best["learning_rate"]), [-6.3, -8.45], atol=1e-9)
    np.testing.assert_allclose(best["loss"], math.exp(0.5), rtol=1e-9)
    assert float(octaves(best["learning_rate"])) == pytest.approx(2.15)


def test_order_of_the_rates_does_not_matter():
    xr.testing.assert_allclose(
        best_learning_rate(losses(-6.3, -8.45).isel(learning_rate=slice(None, None, -1))),
        best_learning_rate(losses(-6.3, -8.45)),
    )


def test_at_the_edge_and_beside_a_divergence_the_lowest_point_itself_is_the_best():
    edge = losses(-13.0)
    beside = losses(-6.3)
    beside[0, 6] = np.inf
    assert float(best_learning_rate(edge)["learning_rate"][0]) == 2.0**-11
    assert float(best_learning_rate(beside)["learning_rate"][0]) == 2.0**-6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: best_learning_rate(losses(-6.0).isel(learning_rate=[0, 1])), "three rates or more"),
        (lambda: best_learning_rate(losses(-6.0) * np.inf), "no finite loss"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(InvalidArgument, match=message):
        call()
