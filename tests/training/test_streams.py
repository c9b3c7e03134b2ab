"""Ensembles of different first seeds share no seed."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from limitlab.errors import InvalidArgument
from limitlab.training import seeded, seeds

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


def test_weights_of_a_seed_leave_torch_s_generator_as_it_was():
    before, drawn = torch.random.get_rng_state(), []
    for seed in (3, 3, 4):
        with seeded(seed):
            drawn.append(torch.randn(5))
    assert torch.random.get_rng_state().equal(before)
    assert drawn[0].equal(drawn[1])
    assert not drawn[0].equal(drawn[2])
    with pytest.raises(InvalidArgument, match="seed"), seeded(-1):
        pass
