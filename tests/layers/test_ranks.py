"""Ranks that hold the part of a dense tensor's numbers that was asked for, and refusals of those that mean nothing."""

import math
from itertools import pairwise

import numpy as np
import pytest

from limitlab.errors import InvalidArgument
from limitlab.layers.ranks import cp_rank, cp_shapes, held, train_ranks, train_shapes, tucker_ranks, tucker_shapes

FORMATS = {
    "cp": (cp_rank, cp_shapes),
    "tucker": (tucker_ranks, tucker_shapes),
    "tt": (train_ranks, train_shapes),
}
RULES = {name: rule for name, (rule, _) in FORMATS.items()}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("part", [0.05, 0.1, 0.5])
@pytest.mark.parametrize("shape", [(32, 32, 16, 9), (24, 24, 8, 5), (4, 24, 24, 8, 5), (48, 48, 17)])
def test_ranks_meet_the_part_that_was_asked_for(name, part, shape):
    rule, shapes = FORMATS[name]
    # one rank more along an axis of four is half as much again
    tolerance = 0.15 if min(shape) > 4 else 0.2
    assert held(shapes(shape, rule(shape, part))) == pytest.approx(part * math.prod(shape), rel=tolerance)


@pytest.mark.parametrize("name", FORMATS)
def test_a_larger_part_never_has_a_smaller_rank(name):
    ranks = [RULES[name]((12, 12, 7, 4), part) for part in np.linspace(0.01, 1, 60)]
    assert all(a <= b for before, after in pairwise(ranks) for a, b in zip(before, after, strict=True))
    assert ranks[0] < ranks[-1]


def test_counts_are_those_of_the_formulas():
    shape = (5, 6, 7)
    assert held(cp_shapes(shape, (4,))) == 4 * (1 + 5 + 6 + 7)
    assert held(tucker_shapes(shape, (2, 3, 4))) == 2 * 3 * 4 + 5 * 2 + 6 * 3 + 7 * 4
    assert held(train_shapes(shape, (2, 3))) == 5 * 2 + 2 * 6 * 3 + 3 * 7


def test_ranks_stay_within_those_of_the_unfoldings():
    assert tucker_ranks((3, 4, 5), 100) == (3, 4, 5)
    assert train_ranks((3, 4, 5, 2), 100) == (3, 10, 2)
    assert tucker_ranks((3, 4, 5), [1, 2, 3]) == (1, 2, 3)
    assert cp_rank((3, 4, 5), 7) == cp_rank((3, 4, 5), np.int64(7)) == (7,)


def test_a_whole_number_is_a_rank_and_a_part_is_a_float():
    assert cp_rank((8, 8, 8), 1) == (1,)
    assert cp_rank((8, 8, 8), 1.0) == (20,)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("rank", [0, 0.0, -1, 1.5, True, "0.1", math.nan, [1], [1, 2, 0], [2] * 9, None])
def test_ranks_that_mean_nothing_are_refused(name, rank):
    if name == "cp" and rank == [1]:
        rank = [0]
    with pytest.raises(InvalidArgument, match="rank"):
        RULES[name]((8, 8, 8, 4), rank)
