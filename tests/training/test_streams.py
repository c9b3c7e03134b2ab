"""Ensembles of different first seeds share no seed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limitlab.errors import InvalidArgument
from limitlab.training import seeds

firsts, counts = st.integers(0, 2**31), st.integers(1, 1000)


@given(first=firsts, other=firsts, counts=st.tuples(counts, counts))
def test_streams_of_two_seeds_are_disjoint(first, other, counts):
    shared = set(seeds(first, counts[0])) & set(seeds(other, counts[1]))
    assert bool(shared) == (first == other)


def test_a_longer_ensemble_begins_with_the_shorter_one():
    assert seeds(3, 5)[:2] == seeds(3, 2)
    assert seeds(0, 3) == (0, 1, 2)


@pytest.mark.parametrize(("seed", "count"), [(-1, 1), (0, 0), (0, 1001), (0.5, 1), (0, "two")])
def test_what_is_no_stream_is_refused(seed, count):
    with pytest.raises(InvalidArgument, match=r"(seed|count) must be"):
        seeds(seed, count)
