"""Warnings of a studio's threads: for its reader, not for the stderr of whatever cell the kernel is at.

Python's own `catch_warnings` changes what the whole process sees; here threads are told apart.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

_listening = threading.local()
_elsewhere = warnings.showwarning


@contextmanager
def collected() -> Iterator[list[Warning]]:
    """The warnings that this thread gives meanwhile; those of other threads go where they always went."""
    global _elsewhere
    heard: list[Warning] = []
    # again after a `catch_warnings`, which puts back what was there before it
    if warnings.showwarning is not _by_thread:
        _elsewhere, warnings.showwarning = warnings.showwarning, _by_thread
    # changes no rule, but makes Python forget what it has warned of already
    warnings.simplefilter("default", Warning, append=True)
    outer, _listening.heard = getattr(_listening, "heard", None), heard
    try:
        yield heard
    finally:
        _listening.heard = outer


def summary(heard: Sequence[Warning]) -> str:
    """One sentence a kind of warning: the first, and how many there were."""
    kinds: dict[type, list[str]] = {}
    for warning in heard:
        kinds.setdefault(type(warning), []).append(str(warning))
    return "; ".join(texts[0] + (f" ({len(texts)} times)" if texts[1:] else "") for texts in kinds.values())


def _by_thread(*warning: Any, **more: Any) -> None:
    heard = getattr(_listening, "heard", None)
    if heard is None:
        _elsewhere(*warning, **more)
    else:
        heard.append(warning[0])
