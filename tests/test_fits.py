import math

import numpy as np
import pytest
from scipy.stats import linregress

from limitlab.fits import loglog_slope, power_law


def test_slope_is_that_of_the_regression_line_of_the_logarithms():
    draws = np.random.default_rng(0)
    x, y = draws.uniform(0.1, 10, 20), draws.lognormal(size=20)
    line = linregress(np.log(x), np.log(y))
    law = power_law(x, y)
    assert law.exponent == pytest.approx(line.slope)
    assert np.log(law(3.0)) == pytest.approx(line.intercept + line.slope * math.log(3))


def test_a_power_law_is_found_exactly():
    x = np.array([2.0, 3.0, 7.0])
    np.testing.assert_allclose(power_law(x, 5 * x**-1.5)(x), 5 * x**-1.5)


def test_what_has_no_logarithm_takes_no_part():
    assert loglog_slope([1, 2, 4, 8, 16], [3, 6, 0, math.nan, 48]) == pytest.approx(1)


@pytest.mark.parametrize(("x", "y"), [([], []), ([2], [3]), ([2, 2], [3, 4]), ([1, 2], [0, 3])])
def test_one_point_has_no_slope(x, y):
    assert math.isnan(loglog_slope(x, y))
