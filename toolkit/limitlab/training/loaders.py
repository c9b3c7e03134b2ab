"""A torch DataLoader or Dataset as batches of `fit`: the batch of a step, whatever was asked for before.

Epoch e of a loader is one pass over it. Torch's own generator is set by (seed, e, position) before every batch and put
back after it, and so are the loader's and its sampler's: the order of an epoch, and what a dataset draws from torch,
are functions of the step. A resumed training skips to its step by loading what lies before it in the epoch.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from limitlab.errors import InvalidArgument, check_number

ROLES = ("input", "target")


def loaded(
    data: DataLoader[Any] | Dataset[Any], *, size: int | None = None, seed: int = 0, shuffle: bool | None = None
) -> LoadedBatches:
    """Batches from a DataLoader, or from a Dataset in batches of `size` (32 where nothing is said), shuffled.

    A sample is a mapping of names to tensors, or a pair, which becomes {"input": ..., "target": ...}. size and shuffle
    are of a Dataset: a DataLoader has its own. Raises InvalidArgument.

    >>> pairs = torch.utils.data.TensorDataset(torch.rand(10, 1, 8), torch.rand(10, 1, 8))
    >>> ll.training.loaded(pairs, size=4).batch(0)["input"].shape
    torch.Size([4, 1, 8])
    """
    seed = int(check_number("seed", seed, low=0, high=2**63 - 1, integer=True))
    if isinstance(data, DataLoader):
        if size is not None or shuffle is not None:
            raise InvalidArgument("size and shuffle must be left out for a DataLoader, which has its own")
        return LoadedBatches(data, seed)
    if not isinstance(data, Dataset):
        raise InvalidArgument(f"data must be a torch DataLoader or Dataset; got {type(data).__name__}")
    size = int(check_number("size", 32 if size is None else size, low=1, integer=True))
    if isinstance(data, IterableDataset):
        if shuffle:
            raise InvalidArgument("shuffle must be left out for an IterableDataset, which has its own order")
        return LoadedBatches(DataLoader(data, size), seed)
    count = len(data)  # type: ignore[arg-type]
    if count == 0:
        raise InvalidArgument("the dataset has no samples")
    # a set smaller than a batch is a batch
    return LoadedBatches(DataLoader(data, min(size, count), shuffle=shuffle is not False, drop_last=True), seed)


class LoadedBatches:
    """The batch of a step of a DataLoader; made by `loaded`, and by a Recipe that is given a loader."""

    def __init__(self, loader: DataLoader[Any], seed: int = 0, rank: int = 0, world: int = 1) -> None:
        self.loader, self.seed, self.rank, self.world = loader, seed, rank, world
        # an iterable of unknown length has none
        self._length = None if isinstance(loader.dataset, IterableDataset) else len(loader)
        if self._length == 0:
            raise InvalidArgument("the DataLoader has no batches: fewer samples than a batch, and drop_last")
        self._epoch, self._position = 0, 0
        self._batches: Iterator[Any] | None = None
        # the steps of the epochs before
        self._before = 0

    def __repr__(self) -> str:
        return f"LoadedBatches({type(self.loader.dataset).__name__}, batches of {self.loader.batch_size})"

    def batch(self, step: int) -> Mapping[str, Any]:
        """The batch of a step, counted from 0 over all epochs; of `world` processes each takes every world-th."""
        step = int(check_number("step", step, low=0, integer=True)) * self.world + self.rank
        if step < self._before + self._position:
            self._restart(0, 0)
        if self._length is not None and step >= self._before + self._length:
            self._restart(step // self._length, step - step % self._length)
        while self._before + self._position < step:
            self._next()
        return _named(self._next())

    def shard(self, rank: int, world: int) -> LoadedBatches:
        """The part of one of `world` processes. Raises InvalidArgument."""
        if self.world > 1:
            raise InvalidArgument(f"already the share of rank {self.rank} of {self.world}")
        world = int(check_number("world", world, low=1, integer=True))
        return LoadedBatches(self.loader, self.seed, int(check_number("rank", rank, high=world - 1, low=0)), world)

    def _restart(self, epoch: int, before: int) -> None:
        self._epoch, self._before, self._position, self._batches = epoch, before, 0, None

    def _next(self) -> Any:
        """The next batch of the loader, of the next epoch where this one has ended."""
        for attempt in itertools.count():
            with torch.random.fork_rng(devices=[]):
                self._seed_generators()
                if self._batches is None:
                    self._batches = iter(self.loader)
                batch = next(self._batches, None)
            if batch is not None:
                self._position += 1
                return batch
            if attempt:
                raise InvalidArgument("the DataLoader gives no batches")
            self._restart(self._epoch + 1, self._before + self._position)

    def _seed_generators(self) -> None:
        draws = np.random.SeedSequence([self.seed, self._epoch, self._position]).generate_state(1, np.uint64)
        # torch takes 63 bits
        number = int(draws[0] >> np.uint64(1))
        torch.manual_seed(number)
        generators = (getattr(holder, "generator", None) for holder in (self.loader, self.loader.sampler))
        for generator in generators:
            if generator is not None:
                generator.manual_seed(number)


def _named(batch: Any) -> Mapping[str, Any]:
    """A batch by names: a pair is input and target, a tensor alone the input."""
    if isinstance(batch, Mapping):
        return batch
    parts = [batch] if isinstance(batch, Tensor) else batch
    if not isinstance(parts, list | tuple) or not 1 <= len(parts) <= len(ROLES):
        got = f"{len(parts)} of them" if isinstance(parts, list | tuple) else type(batch).__name__
        raise InvalidArgument(f"a batch must be a mapping of names to tensors, or (input, target); got {got}")
    return dict(zip(ROLES, parts, strict=False))
