import math

import pytest
from scipy.optimize._dcsrch import DCSRCH

from limitlab.training.optimizers.line_search import strong_wolfe

FUNCTIONS = {
    # the first three are like More and Thuente's own
    "rational": (lambda a: -a / (a * a + 2), lambda a: (a * a - 2) / (a * a + 2) ** 2),
    "quintic": (lambda a: (a + 0.1) ** 5 - 2 * (a + 0.1) ** 4, lambda a: (a + 0.1) ** 3 * (5 * a - 7.5)),
    "wavy": (
        lambda a: -a + 0.045 * math.sin(20 * a) + 0.02 * a * a,
        lambda a: -1 + 0.9 * math.cos(20 * a) + 0.04 * a,
    ),
    "exponential": (lambda a: math.exp(a) - 5 * a, lambda a: math.exp(a) - 5),
    "quartic": (lambda a: (a - 3) ** 4 - a, lambda a: 4 * (a - 3) ** 3 - 1),
}


def search(name, first):
    value, slope = FUNCTIONS[name]
    lengths = []

    def evaluate(length):
        lengths.append(length)
        return value(length), slope(length)

    return strong_wolfe(evaluate, value(0.0), slope(0.0), first), lengths


@pytest.mark.parametrize("first", [1e-3, 0.1, 1.0, 10.0])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_accepted_trial_satisfies_both_conditions_and_is_the_last_one(name, first):
    value, slope = FUNCTIONS[name]
    trial, lengths = search(name, first)
    assert trial.loss <= value(0.0) + 1e-4 * trial.length * slope(0.0)
    assert abs(trial.slope) <= 0.9 * abs(slope(0.0))
    assert lengths[-1] == trial.length


@pytest.mark.parametrize("first", [1e-3, 0.1, 1.0, 10.0])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_trials_are_those_of_minpack(name, first):
    value, slope = FUNCTIONS[name]
    theirs = []
    minpack = DCSRCH(lambda a: theirs.append(a) or value(a), slope, 1e-4, 0.9, 1e-14, 1e-100, 1e100)
    minpack(first, value(0.0), slope(0.0))
    assert search(name, first)[1] == pytest.approx(theirs[1:] if theirs[0] == 0 else theirs, rel=1e-9)


def test_trials_that_are_not_finite_count_as_too_long():
    def barrier(a):
        return (-math.log(1 - a) - 3 * a, 1 / (1 - a) - 3) if a < 1 else (math.nan, math.nan)

    trial = strong_wolfe(barrier, 0.0, -2.0, 64.0)
    assert 0 < trial.length < 1
    assert trial.loss < 0


def test_search_goes_on_where_losses_differ_by_rounding_alone():
    # a parabola of height 1e-18 on a loss of one
    trial = strong_wolfe(lambda a: (1 + 1e-18 * (a - 1) ** 2, 2e-18 * (a - 1)), 1.0, -2e-18, 1.0)
    assert trial.length == 1.0


def test_slope_that_no_loss_confirms_is_no_length():
    assert strong_wolfe(lambda a: (1.0 + a, -1.0), 1.0, -1.0, 1.0) is None
