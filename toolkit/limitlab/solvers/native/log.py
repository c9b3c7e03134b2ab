"""A step log as the lanes left it, put in order by sample when it is first looked at: most solves are asked for states.

What the lanes leave is (round, row, lane), a round being an attempt of all lanes; the attempts of a sample follow each
other in one lane.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit

from limitlab.solvers.native.arithmetic import TINY
from limitlab.solvers.native.frame import LOGGED_BOTTOM, LOGGED_ERROR, LOGGED_SIZE, LOGGED_TIME, LOGGED_TOP
from limitlab.solvers.solution import StepLog

COLUMNS = ("time", "size", "error", "stiffness", "accepted")


class Part(NamedTuple):
    """What one flight left of the samples first to last - 1, in blocks of rounds."""

    first: int
    last: int
    blocks: Sequence[np.ndarray]


class Unordered(NamedTuple):
    """Parts, and by sample the round and the lane of the first attempt, and how many there are."""

    parts: Sequence[Part]
    rounds: np.ndarray
    lanes: np.ndarray
    attempts: np.ndarray


class LaneLog(StepLog):
    """A step log that is in order from the first look on."""

    @classmethod
    def of(cls, left: Unordered) -> LaneLog:
        """The log of what the lanes left."""
        log = cls.__new__(cls)
        log.__dict__["_left"] = left
        return log

    def __getattr__(self, name: str) -> Any:
        # asked for only where there is no such attribute yet; another thread may ask at the same time
        left = self.__dict__.get("_left")
        if left is not None and name in COLUMNS:
            self.__dict__.update(_ordered(left))
            self.__dict__.pop("_left", None)
        if name not in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self.__dict__[name]

    def __reduce__(self) -> tuple[type[StepLog], tuple[Any, ...]]:
        return StepLog, tuple(getattr(self, field.name) for field in fields(self))


def _ordered(left: Unordered) -> dict[str, torch.Tensor]:
    shape = (len(left.attempts), int(left.attempts.max()))
    columns, accepted = np.full((4, *shape), math.nan), np.zeros(shape, dtype=bool)
    for first, last, blocks in left.parts:
        if not blocks:
            continue
        samples = slice(first, last)
        log = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
        begun = np.stack([left.rounds[samples], left.lanes[samples]])
        _spread(log, begun, left.attempts[samples], columns[:, samples], accepted[samples])
    return dict(zip(COLUMNS, (*torch.from_numpy(columns).unbind(0), torch.from_numpy(accepted)), strict=True))


@njit(cache=True, nogil=True, error_model="numpy")
def _spread(log: Any, begun: Any, attempts: Any, columns: Any, accepted: Any) -> None:
    """A log (round, row, lane) by samples: columns (4, batch, step), accepted (batch, step).

    begun: round and lane of the first attempts of the samples. columns: NaN before.
    """
    for sample in range(len(attempts)):
        for step in range(attempts[sample]):
            entry, lane = log[begun[0, sample] + step], begun[1, sample]
            size = entry[LOGGED_SIZE, lane]
            # an attempt of no size is none
            if size == 0.0:
                continue
            columns[0, sample, step] = entry[LOGGED_TIME, lane]
            columns[1, sample, step] = abs(size)
            columns[2, sample, step] = entry[LOGGED_ERROR, lane]
            columns[3, sample, step] = np.sqrt(entry[LOGGED_TOP, lane]) / (np.sqrt(entry[LOGGED_BOTTOM, lane]) + TINY)
            accepted[sample, step] = size > 0.0
