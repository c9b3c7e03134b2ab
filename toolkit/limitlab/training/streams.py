"""The seeds of several trainings of one model, a stream of their own for every first seed, and weights of a seed.

With seed, seed + 1, ... 200 networks at seed 7 would have 193 in common with those at seed 0, and what holds at one
would seem to hold at the other. A stream begins at 1000 times its first seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

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


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Weights that are drawn inside come from the seed; torch's own generator goes on as if nothing was drawn.

    Raises InvalidArgument.

    >>> with ll.training.seeded(3):
    ...     layer = torch.nn.Linear(2, 1)
    >>> with ll.training.seeded(3):
    ...     bool((layer.weight == torch.nn.Linear(2, 1).weight).all())
    True
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(check_number("seed", seed, low=0, high=2**63 - 1, integer=True)))
        yield
