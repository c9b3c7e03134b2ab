"""Batches as a pure function of (seed, step): what a run sees does not depend on where it was stopped.

Epoch e visits the samples in the order of a permutation drawn from SeedSequence([seed, e]); batch `step` of b samples
is the rows step*b ... of the endless sequence of epochs, each without its last incomplete batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor
from torch.utils.data import Dataset

from limitlab.data.axes import grid_of, is_channel
from limitlab.data.stored_rows import StoredRows
from limitlab.errors import InvalidArgument, check_number, unknown_name
from limitlab.spaces.grid import Grid

if TYPE_CHECKING:
    import xarray

Batch = dict[str, Tensor]
Rows = Tensor | StoredRows


def batches(
    dataset: xarray.Dataset,
    inputs: str = "input",
    targets: str = "target",
    *,
    size: int,
    seed: int = 0,
    shuffle: bool = True,
    check: bool = True,
    lazy: bool = False,
) -> Batches:
    """Batches of two variables of dims (sample, channel, *grid); a channel dimension may be called "..._channel".

    A variable without one is one channel. The grid comes from the dataset's attribute `grid`, else from the
    coordinates of the other dims, as `limitlab.data.axes` reads them. Values are copied once, to float32 on the CPU;
    lazy: each time a batch asks for them, out of files larger than memory, as `limitlab.data.open` leaves them there.
    Raises UnknownName for a variable that is not there; InvalidArgument for other dims, a grid that does not fit, or
    (unless check=False) values that are not finite, naming variable and first sample.

    >>> grid = ll.spaces.Grid.uniform((16,), dimension=1)
    >>> pairs = ll.labels.labelled(
    ...     {"grid": grid.to_json()},
    ...     input=("sample channel x", torch.rand(8, 1, 16), "initial state"),
    ...     target=("sample channel x", torch.rand(8, 1, 16), "final state"),
    ... )
    >>> ll.data.batches(pairs, size=4).batch(0)["input"].shape
    torch.Size([4, 1, 16])
    """
    grid = grid_of(dataset, inputs)
    names = (("input", inputs), ("target", targets))
    stored = {role: StoredRows(_array(dataset, name, grid)) for role, name in names}
    rows: dict[str, Rows] = {**stored} if lazy else {role: part.whole() for role, part in stored.items()}
    if check:
        for role, name in names:
            _require_finite(dataset, name, rows[role])
    return Batches(rows, grid, size=size, seed=seed, shuffle=shuffle)


class ShuffledRows(Dataset[Batch]):
    """Batches of any tensors with the same samples along their first dimension, in an order of each epoch's own.

    `len()` is the number of batches in an epoch. A set smaller than a batch is one batch. Where there is CUDA, batches
    come in pinned memory. It is a torch Dataset of the batches of its first epoch, for a DataLoader of
    batch_size=None; `samples()` is one of single samples.

    >>> rows = ll.data.ShuffledRows({"x": torch.rand(6, 3), "label": torch.arange(6)}, size=2)
    >>> len(rows), rows.batch(7)["label"].dtype
    (3, torch.int64)
    """

    def __init__(self, tensors: Mapping[str, Rows], *, size: int, seed: int = 0, shuffle: bool = True) -> None:
        self.size = int(check_number("size", size, low=1, integer=True))
        self.seed = int(check_number("seed", seed, low=0, high=2**63 - 1, integer=True))
        self.shuffle, self.rank, self.world = shuffle, 0, 1
        self._tensors = tensors
        counts = {name: len(tensor) for name, tensor in tensors.items()}
        self._samples = next(iter(counts.values()), 0)
        self._order: tuple[int, Int64[Tensor, " sample"]] = (-1, torch.empty(0, dtype=torch.int64))
        if self._samples == 0:
            raise InvalidArgument("the dataset has no samples")
        if len(set(counts.values())) > 1:
            raise InvalidArgument(f"tensors must have the same number of samples; got {counts}")

    def __len__(self) -> int:
        # at least one: a set smaller than a batch is a batch
        return max(1, self._samples // (self.size * self.world))

    def __repr__(self) -> str:
        shapes = ", ".join(f"{role} {tuple(tensor.shape)}" for role, tensor in self._tensors.items())
        share = f", rank {self.rank} of {self.world}" if self.world > 1 else ""
        return f"{type(self).__name__}({len(self)} of {self.size} an epoch: {shapes}; seed {self.seed}{share})"

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0 over all epochs; tensors are new, so they may be changed."""
        epoch, position = divmod(int(check_number("step", step, low=0, integer=True)), len(self))
        # the processes' slices lie side by side, so that one process with the whole batch sees the same rows
        start = (position * self.world + self.rank) * self.size
        rows = self._epoch(epoch)[start : start + self.size]
        return {role: _rows(tensor, rows) for role, tensor in self._tensors.items()}

    def __getitem__(self, number: int) -> Batch:
        # an IndexError ends a loop over a torch Dataset
        if not -len(self) <= number < len(self):
            raise IndexError(f"there are {len(self)} batches in an epoch; got {number}")
        return self.batch(number % len(self))

    def samples(self) -> Samples:
        """Every sample on its own, in the order of the dataset: a torch Dataset for loaders of others.

        >>> rows = ll.data.ShuffledRows({"input": torch.rand(6, 3), "target": torch.rand(6, 1)}, size=2)
        >>> loader = torch.utils.data.DataLoader(rows.samples(), batch_size=3)
        >>> next(iter(loader))["input"].shape
        torch.Size([3, 3])
        """
        return Samples(self._tensors)

    def shard(self, rank: int, world: int) -> Self:
        """The part of one of `world` processes: a global batch has size * world rows, and `rank` takes its slice.

        So two processes with batches of b see together what one with 2 b sees. Raises InvalidArgument if the set is
        smaller than a global batch.
        """
        if self.world > 1:
            raise InvalidArgument(f"already the share of rank {self.rank} of {self.world}")
        world = int(check_number("world", world, low=1, integer=True))
        rank = int(check_number("rank", rank, low=0, high=world - 1, integer=True))
        if world > 1 and self._samples < self.size * world:
            raise InvalidArgument(
                f"{world} processes with batches of {self.size} need {self.size * world} samples; got {self._samples}"
            )
        part = copy(self)
        part.rank, part.world = rank, world
        return part

    def tensors(self) -> Batch:
        """The whole set in the order of the dataset: not copied, but read where it was lazy."""
        return {role: part.whole() if isinstance(part, StoredRows) else part for role, part in self._tensors.items()}

    def _epoch(self, epoch: int) -> Int64[Tensor, " sample"]:
        """Order of the samples in an epoch; the last one asked for is kept."""
        held, order = self._order
        if held == epoch:
            return order
        if self.shuffle:
            # a pair, not seed + epoch, by which the next seed's first epoch would be this one's second
            draws = np.random.default_rng(np.random.SeedSequence([self.seed, epoch]))
            order = torch.from_numpy(draws.permutation(self._samples))
        else:
            order = torch.arange(self._samples)
        self._order = (epoch, order)
        return order


class Samples(Dataset[Batch]):
    """Single samples {name: tensor}, in order."""

    def __init__(self, tensors: Mapping[str, Rows]) -> None:
        self._tensors = tensors

    def __len__(self) -> int:
        return len(next(iter(self._tensors.values())))

    def __getitem__(self, number: int) -> Batch:
        # an IndexError ends a loop over a torch Dataset
        if not -len(self) <= number < len(self):
            raise IndexError(f"there are {len(self)} samples; got {number}")
        row = torch.tensor([number % len(self)])
        return {role: _rows(tensor, row)[0] for role, tensor in self._tensors.items()}


class Batches(ShuffledRows):
    """Batches {"input": (batch, channel, *grid), "target": (batch, channel, *grid)} of functions on a grid.

    >>> grid = ll.spaces.Grid.uniform((8,), dimension=1)
    >>> pairs = ll.data.Batches({"input": torch.rand(6, 1, 8), "target": torch.rand(6, 1, 8)}, grid, size=2)
    >>> len(pairs), tuple(pairs.batch(7)["input"].shape)
    (3, (2, 1, 8))
    """

    def __init__(
        self, tensors: Mapping[str, Rows], grid: Grid, *, size: int, seed: int = 0, shuffle: bool = True
    ) -> None:
        super().__init__(tensors, size=size, seed=seed, shuffle=shuffle)
        self.grid = grid


def _rows(tensor: Rows, rows: Int64[Tensor, " batch"]) -> Tensor:
    if isinstance(tensor, StoredRows):
        return tensor.rows(rows)
    # written straight into pinned memory, from which a copy to the device need not wait
    shape = (len(rows), *tensor.shape[1:])
    chosen = torch.empty(shape, dtype=tensor.dtype, pin_memory=torch.cuda.is_available())
    return torch.index_select(tensor, 0, rows, out=chosen)


def _array(dataset: xarray.Dataset, name: str, grid: Grid) -> xarray.DataArray:
    """The variable as (sample, channel, *grid)."""
    if name not in dataset.data_vars:
        raise unknown_name("variable", name, [str(known) for known in dataset.data_vars])
    array = dataset[name]
    channels = [dim for dim in array.dims if is_channel(dim)]
    dims = ("sample", *channels, *grid.names)
    if len(channels) > 1 or set(array.dims) != set(dims):
        raise InvalidArgument(
            f"variable {name!r} needs the dims (sample, channel, {', '.join(grid.names)}), as"
            f" limitlab.data.pairs(dataset) gives them; got {array.dims}"
        )
    plain = array.transpose(*dims)
    plain = plain if channels else plain.expand_dims("channel", axis=1)
    if plain.shape[2:] != grid.shape:
        raise InvalidArgument(f"variable {name!r} must end in the grid's shape {grid.shape}; got shape {plain.shape}")
    return plain


def _require_finite(dataset: xarray.Dataset, name: str, rows: Rows) -> None:
    good = rows.finite() if isinstance(rows, StoredRows) else rows.isfinite().flatten(1).all(dim=1)
    if not good.all():
        position = int(good.int().argmin())
        label = dataset["sample"].values[position] if "sample" in dataset.coords else position
        raise InvalidArgument(
            f"variable {name!r} is not finite in float32, first at position {position} (sample {label}); check=False"
            " lets it pass"
        )
