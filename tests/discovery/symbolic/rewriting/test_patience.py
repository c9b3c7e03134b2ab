"""What takes too long ends, and what fails says so."""

import time

import pytest

from limitlab.discovery.symbolic.rewriting.patience import within


def test_a_loop_without_end_ends_in_the_default():
    ended = []

    def spin():
        try:
            while True:
                pass
        finally:
            ended.append(True)

    start = time.monotonic()
    assert within(0.1, spin, default="default") == "default"
    assert time.monotonic() - start < 5
    assert ended == [True]


def test_what_is_raised_inside_is_raised_outside():
    with pytest.raises(ZeroDivisionError):
        within(1.0, lambda: 1 / 0, default=0)


def test_a_result_in_time_is_the_result():
    assert within(1.0, lambda x: x + 1, 1, default=0) == 2
