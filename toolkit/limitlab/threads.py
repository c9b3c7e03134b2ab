"""Calls that run at once, on as many threads as are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch


def threads_for(pieces: int) -> int:
    """As many threads as torch may use, at most one for each of so many pieces of work, and one at least."""
    return max(1, min(torch.get_num_threads(), pieces))


@contextmanager
def mapping(threads: int) -> Iterator[Callable[..., list[Any]]]:
    """`map` as a list whose calls run on so many threads, the caller's among them.

    Raises what a call raises; those that have not begun then never do.
    """
    if threads <= 1:
        yield lambda run, *columns: [run(*call) for call in zip(*columns, strict=True)]
        return
    pool = ThreadPoolExecutor(threads - 1)
    try:
        yield lambda run, *columns: _shared(pool, run, zip(*columns, strict=True))
    finally:
        pool.shutdown(cancel_futures=True)


def _shared(pool: ThreadPoolExecutor, run: Callable[..., Any], calls: Iterable[tuple[Any, ...]]) -> list[Any]:
    """The caller works as well: a system likes to wake the threads of one that waits on one and the same core."""
    first, *others = calls
    begun = [pool.submit(run, *call) for call in others]
    front, back = [run(*first)], []
    # the pool goes on from the other end
    while begun and begun[-1].cancel():
        begun.pop()
        back.append(run(*others[len(begun)]))
    return front + [future.result() for future in begun] + back[::-1]
