"""What `fit` needs of data: the batch of a step as a pure function, and the part of one process among several.

`limitlab.data.batches` reads them from a dataset; here are those of a problem with a handful of points.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Protocol

from torch import Tensor

from limitlab.errors import InvalidArgument


class Batches(Protocol):
    """The batch of a step, and the shard of one process."""

    def batch(self, step: int) -> Mapping[str, Any]: ...

    def shard(self, rank: int, world: int) -> Batches: ...


def fixed(**tensors: Tensor) -> Batches:
    """The same numbers at every step: full-batch training, in one process.

    Every batch has tensors of its own, since a model may write on its input, as ReLU(inplace=True) does.

    >>> ll.training.fixed(input=torch.zeros(3, 1)).batch(7)["input"].shape
    torch.Size([3, 1])
    """
    return _Fixed(tensors)


def deferred(make: Callable[[], Batches]) -> Batches:
    """Batches that are made when the first of them is asked for, so that a preparation need not wait for them.

    >>> ll.training.deferred(lambda: ll.training.fixed(input=torch.ones(2))).batch(0)["input"]
    tensor([1., 1.])
    """
    return _Deferred(make)


class _Fixed:
    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.tensors = tensors

    def batch(self, step: int) -> Mapping[str, Tensor]:
        return {name: tensor.clone() for name, tensor in self.tensors.items()}

    def shard(self, rank: int, world: int) -> Batches:
        raise InvalidArgument("full-batch training runs in one process")


class _Deferred:
    def __init__(self, make: Callable[[], Batches]) -> None:
        self._make = make

    @cached_property
    def batches(self) -> Batches:
        return self._make()

    def batch(self, step: int) -> Mapping[str, Any]:
        return self.batches.batch(step)

    def shard(self, rank: int, world: int) -> Batches:
        return self.batches.shard(rank, world)
