import math

import numpy as np
import pytest

from limitlab.errors import InvalidArgument
from limitlab_widgets.shared.drawing.curve_pad import DIGITS, CurvePad, on_points, read_curve

HOSTILE = [
    None,
    [],
    "0.0, 0.0, 0.0, 0.0",
    [0.5, 0.5, 0.5],
    [0.5] * 5,
    [0.5, math.nan, 0.5, 0.5],
    [0.5, math.inf, 0.5, 0.5],
    [0.5, 0.5, 0.5, 1.001],
    [0.5, "0.5; import os", 0.5, 0.5],
    [[0.5], 0.5, 0.5, 0.5],
    {"u": 0.5},
]


@pytest.mark.parametrize("values", HOSTILE)
def test_what_is_no_function_within_the_height_is_refused_by_name(values):
    with pytest.raises(InvalidArgument, match=r"u(\[\d\])? must"):
        read_curve(values, 4, "u", (-1.0, 1.0))


def test_both_ends_of_the_height_are_values_and_others_have_few_digits():
    assert read_curve([-1, 1, 0, 1 / 3], 4, "u", (-1.0, 1.0)) == (-1.0, 1.0, 0.0, pytest.approx(1 / 3, abs=1e-3))
    (value,) = read_curve([123.456789], 1, "u", (0.0, 1000.0))
    assert abs(value - 123.456789) <= 0.5 * 1000 * 10.0**-DIGITS
    # an end that has more digits than a value stays inside
    assert read_curve([0.123456], 1, "u", (0.0, 0.123456)) == (pytest.approx(0.123456, abs=1e-4),)
    assert read_curve([0.123456], 1, "u", (0.0, 0.123456))[0] <= 0.123456


def test_a_periodic_curve_goes_on_from_its_end_to_its_begin_and_another_does_not():
    values, share = np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.0, 0.25, 0.875])
    np.testing.assert_allclose(on_points(values, share, periodic=True), [0.0, 1.0, 1.5])
    np.testing.assert_allclose(on_points(values, share, periodic=False), [0.0, 0.75, 2.625])


def test_what_a_page_sends_is_taken_or_refused_and_what_is_offered_is_not_sent_back():
    taken, refused = [], []
    pad = CurvePad(taken.append, refused.append)
    pad.offer(("x", "u"), (0.0, 1.0), (-1.0, 1.0), [0.0, 2.0, 0.0, -5.0])
    assert pad.values == [0.0, 1.0, 0.0, -1.0]
    assert (taken, refused) == ([], [])
    pad.set_state({"asked": [0.5, 0.5, 0.5, 0.5]})
    pad.set_state({"asked": [0.5, 0.5, 0.5, 7.0]})
    assert taken == [(0.5, 0.5, 0.5, 0.5)]
    assert len(refused) == 1
    pad.offer(("x", "u"), (0.0, 1.0), (-1.0, 1.0), [0.25] * 4)
    assert pad.asked is None
    assert len(taken) == 1
    pad.close()
