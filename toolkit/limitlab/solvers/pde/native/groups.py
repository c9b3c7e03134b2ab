"""Samples in groups of lanes: how a batch becomes groups and a batch again, and who asks a group to go on.

A group runs several steps while it is in the cache, then the next group does. Where torch may use several threads,
and the work is worth it, as many groups run at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from limitlab.interruption import ask_to_go_on
from limitlab.solvers.pde.native.lanes import width_of
from limitlab.threads import mapping, threads_for

Room = TypeVar("Room")
WORK_BETWEEN_QUESTIONS = 2**19
"""Numbers times steps of a group: tens of milliseconds."""
WORK_OF_THREADS = 2**22


def to_groups(waves: Complex[Tensor, "batch *modes"]) -> Float[Tensor, "group numbers"]:
    """Real and imaginary parts (group, mode, 2, lane), flat; lanes without a sample are zero."""
    parts = torch.view_as_real(waves.detach().resolve_conj().contiguous()).flatten(1)
    batch, numbers = parts.shape
    lanes = width_of(parts.dtype)
    groups = -(-batch // lanes)
    padded = torch.zeros(groups * lanes, numbers, dtype=parts.dtype)
    padded[:batch] = parts
    return padded.reshape(groups, lanes, numbers).transpose(1, 2).reshape(groups, numbers * lanes).contiguous()


def from_groups(groups: Float[Tensor, "group numbers"], like: Complex[Tensor, "batch *modes"]) -> Tensor:
    """What `to_groups` was made from."""
    lanes = width_of(groups.dtype)
    parts = groups.reshape(len(groups), -1, lanes).transpose(1, 2).flatten(0, 1)[: len(like)]
    return torch.view_as_complex(parts.reshape(*like.shape, 2).contiguous())


def buffer_of(numbers: int, dtype: torch.dtype) -> np.ndarray:
    """Room for complex groups of lanes, zero; torch begins it with a line of the cache."""
    return torch.zeros(2 * numbers * width_of(dtype), dtype=dtype).numpy()


def run_groups(
    advance: Callable[[Room, int, int], None], rooms: Callable[[], Room], groups: Tensor, steps: int
) -> None:
    """Call advance(room, group, some steps) until all groups have run all steps, and ask in between.

    rooms: makes what a group needs while it runs; two that run at once share none.
    """
    count, numbers = groups.shape
    each = max(1, WORK_BETWEEN_QUESTIONS // numbers)
    threads = threads_for(count if groups.numel() * steps > WORK_OF_THREADS else 1)
    parts = [min(each, steps - done) for done in range(0, steps, each)]
    own = [rooms() for _ in range(threads)]
    with mapping(threads) as on_all:
        for first in range(0, count, threads):
            some = range(first, min(first + threads, count))
            for part in parts:
                ask_to_go_on()
                on_all(advance, own[: len(some)], some, [part] * len(some))
