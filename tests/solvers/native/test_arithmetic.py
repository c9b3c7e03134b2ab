"""exp and log of the lanes to an ulp, at all numbers that there are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solvers.lanes import of_lanes

from limitlab.solvers.native.arithmetic import WIDTH

EXP = of_lanes(lambda lanes, load: (1, lanes.exp(load(0))))
LOG = of_lanes(lambda lanes, load: (1, lanes.log(load(0))))


def in_lanes(strategy):
    return st.lists(strategy, min_size=WIDTH, max_size=WIDTH)


@settings(deadline=None)
@given(in_lanes(st.floats(allow_nan=False)))
def test_exp_is_right_to_an_ulp_or_two(numbers):
    with np.errstate(over="ignore"):
        expected = np.exp(np.array(numbers))
    finite = np.isfinite(expected)
    assert (np.abs(EXP(numbers)[finite] - expected[finite]) <= 2 * np.spacing(expected[finite])).all()
    assert (EXP(numbers)[~finite] == np.inf).all()


@settings(deadline=None)
@given(in_lanes(st.floats(min_value=0.0, allow_nan=False)))
def test_log_is_right_to_an_ulp_or_two(numbers):
    with np.errstate(divide="ignore"):
        expected = np.log(np.array(numbers))
    finite = np.isfinite(expected)
    assert (np.abs(LOG(numbers)[finite] - expected[finite]) <= 2 * np.spacing(np.abs(expected[finite]))).all()
    assert (LOG(numbers)[~finite] == expected[~finite]).all()


def test_what_is_no_number_stays_none_and_spoils_its_own_lane_alone():
    numbers = [np.nan, -1.0, 1.0, -np.inf, 0.0, 2.0, np.inf, -0.0]
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(LOG(numbers), np.log(numbers), rtol=1e-15)
        np.testing.assert_allclose(EXP(numbers), np.exp(numbers), rtol=1e-15)


@pytest.mark.parametrize(("name", "expected"), [("minimum", np.minimum), ("maximum", np.maximum)])
def test_where_one_is_no_number_the_second_is_taken(name, expected):
    """What keeps a controller going: its limits stand second."""
    run = of_lanes(lambda lanes, load: (2, getattr(lanes, name)(load(0), load(1))))
    first, second = np.array([1.0, 2.0, np.nan, 4.0, -1.0, 0.0, 7.0, np.nan]), np.arange(8.0) / 2
    known = np.isfinite(first)
    assert (run(first, second)[known] == expected(first, second)[known]).all()
    assert (run(first, second)[~known] == second[~known]).all()


def test_zeros_are_left_out_of_sums():
    """An infinite number with the weight zero does not count, as it does in torch's sums."""
    run = of_lanes(lambda lanes, load: (2, lanes.combined(load(0), [0.0, 2.0], [load(1), load(0)])))
    assert (run(np.ones(WIDTH), np.full(WIDTH, np.inf)) == 3.0).all()


def test_a_loop_goes_on_while_a_lane_does_and_no_further_than_it_may():
    """Halvings down to one: lanes that are there wait for the others."""

    def halvings(most):
        def emit(lanes, load):
            def body(count, values):
                number, halved = values
                above = lanes.is_less(lanes.number(1.0), number)
                number = lanes.select(above, lanes.scaled(number, 0.5), number)
                halved = lanes.select(above, lanes.add(halved, lanes.number(1.0)), halved)
                return [number, halved], lanes.is_less(lanes.number(1.0), number)

            return 1, lanes.repeated(most, [load(0), lanes.number(0.0)], body)[1]

        return of_lanes(emit)

    numbers = [1.0, 2.0, 3.0, 0.5, 1000.0, np.nan, 2.0**20, -5.0]
    assert halvings(100)(numbers).tolist() == [0, 1, 2, 0, 10, 0, 20, 0]
    assert halvings(7)(numbers).tolist() == [0, 1, 2, 0, 7, 0, 7, 0]
