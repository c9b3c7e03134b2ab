"""The seeds of several trainings of one model: a stream of their own for every first seed.

With seed, seed + 1, ... 200 networks at seed 7 would have 193 in common with those at seed 0, and what holds at one
would seem to hold at the other. A stream begins at 1000 times its first seed.
"""

from __future__ import annotations

from limitlab.errors import check_number

LONGEST = 1000


def seeds(seed: int, count: int) -> tuple[int, ...]:
    """The seeds of `count` trainings, at most 1000; those of two different `seed` have none in common.

    Raises InvalidArgument.

    >>> ll.training.seeds(0, 3), ll.training.seeds(7, 2)
    ((0, 1, 2), (7000, 7001))
    """
    first = LONGEST * int(check_number("seed", seed, low=0, integer=True))
    return tuple(range(first, first + int(check_number("count", count, low=1, high=LONGEST, integer=True))))
