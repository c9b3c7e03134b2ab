"""What a computation is about to allocate, compared with what is free; and what one has held at its peak."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import psutil
import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from limitlab.errors import InvalidArgument, check_number


def require_memory(
    needed: int, purpose: str, device: torch.device, limit: int | None = None, *, advice: str = "take fewer points"
) -> None:
    """Raise InvalidArgument where `needed` bytes exceed `limit`, by default what is free on the device.

    purpose: what needs them, as the message begins: "a kernel between 10000 and 10000 points". advice: how it ends.
    """
    if limit is None:
        # free by the driver: what torch caches is not counted as free
        free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    else:
        free = int(check_number("memory_limit", limit, low=1, integer=True))
    if needed > free:
        sizes = f"{needed / 2**30:.3g} GiB, but {free / 2**30:.3g} GiB are free"
        raise InvalidArgument(f"{purpose} needs {sizes}; {advice}")


def peak_memory(compute: Callable[[], object], device: torch.device | str = "cpu") -> int:
    """Most bytes that the tensors made by `compute` take at one time, of those on the CPU, or by CUDA's own count.

    What a training step holds for its gradient is among them; what was there before, and the workspace inside of an
    operation on the CPU, is not.

    >>> kept, dropped = torch.ones(256), lambda: [torch.ones(256).sum() for _ in range(9)]
    >>> ll.memory.peak_memory(lambda: kept.exp().exp()), ll.memory.peak_memory(dropped) < 1100
    (2048, True)
    """
    kind = torch.device(device)
    if kind.type == "cuda":
        torch.cuda.synchronize(kind)
        before = torch.cuda.memory_allocated(kind)
        torch.cuda.reset_peak_memory_stats(kind)
        compute()
        torch.cuda.synchronize(kind)
        return int(torch.cuda.max_memory_allocated(kind) - before)
    with _Counting() as counting:
        compute()
    return counting.peak


class _Counting(TorchDispatchMode):
    """Bytes of the storages that were made while it is on and are alive."""

    def __init__(self) -> None:
        super().__init__()
        self.alive = self.peak = 0
        self.known: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = {id(tensor.untyped_storage()) for tensor in _tensors((args, kwargs))}
        result = func(*args, **(kwargs or {}))
        for tensor in _tensors(result):
            storage = tensor.untyped_storage()
            # a view, or what was written in place, takes nothing
            if id(storage) not in before and storage not in self.known:
                self._add(storage)
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        size = storage.nbytes()
        self.known.add(storage)
        weakref.finalize(storage, self._drop, size)
        self.alive += size
        self.peak = max(self.peak, self.alive)

    def _drop(self, size: int) -> None:
        self.alive -= size


def _tensors(values: Any) -> list[torch.Tensor]:
    return [value for value in pytree.tree_leaves(values) if isinstance(value, torch.Tensor)]
