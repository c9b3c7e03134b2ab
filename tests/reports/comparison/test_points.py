"""What differs between runs is an axis or a metric; all else is said once."""

import math

from limitlab.reports import Point
from limitlab.reports.comparison.points import differences, is_number


def test_what_has_one_value_is_no_axis_and_no_metric():
    points = [Point({"modes": modes, "width": 8}, {"error": 1 / modes, "claims": 3}) for modes in (16, 4)]
    varied = differences(points)
    assert varied.axes == {"modes": (4, 16)}
    assert varied.metrics == ("error",)
    assert varied.same == {"width": 8, "claims": 3}


def test_a_result_of_one_run_alone_is_not_the_same_in_all():
    points = [Point({"modes": 4}, {"error": 0.5}), Point({"modes": 8}, failure="boom")]
    assert differences(points).metrics == ("error",)


def test_numbers_come_first_as_abscissa_and_seeds_last():
    points = [
        Point({"seed": seed, "kind": kind, "modes": modes}) for seed in (0, 1) for kind in "ab" for modes in (4, 8)
    ]
    varied = differences(points)
    assert (varied.along, varied.others) == ("modes", ("kind",))
    assert differences([Point({"seed": seed}) for seed in (0, 1)]).along == "seed"


def test_values_that_python_calls_equal_are_told_apart():
    points = [Point({"modes": modes}, {"flag": flag}) for modes, flag in ((4, True), (8, 1))]
    assert differences(points).metrics == ("flag",)
    lists = [Point({"grids": grids}) for grids in ([1, 2], [1, 3])]
    assert differences(lists).axes == {"grids": ([1, 2], [1, 3])}


def test_truth_values_and_what_is_not_finite_are_no_numbers_of_an_axis():
    assert [is_number(value) for value in (1, 0.5, True, math.nan, math.inf, "1")] == [True, True, *[False] * 4]
