"""Functions of a reader's file where an experiment on operators expects those of a problem.

A file has one grid, so coarser ones are made of it: blocks of cells are averaged, nodes are skipped, and a periodic
function is truncated in its Fourier modes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab import data
from limitlab.errors import InvalidArgument
from limitlab.spaces import Grid, block_average
from limitlab.spaces.grid import Axis
from limitlab.spaces.transforms import spectral_resample

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class OwnFunctions:
    """`input` and `target` of a file, (sample, channel, *grid). A resolution counts points along the first axis.

    read_as: what decided how they were read, by which they are told from others.
    """

    name: str
    pairs: xr.Dataset = field(compare=False, repr=False)
    read_as: tuple[Any, ...] = ()

    @property
    def grid(self) -> Grid:
        return Grid.from_json(self.pairs.attrs["grid"])

    @property
    def samples(self) -> int:
        return int(self.pairs.sizes["sample"])

    def dataset(
        self, samples: int, seed: int = 0, resolution: int | None = None, *, split: Any = "train", **options: Any
    ) -> xr.Dataset:
        """So many of the samples, in an order of the seed: the first to learn from, the last to test on."""
        order = np.random.default_rng([seed, 29]).permutation(self.samples)
        chosen = order[:samples] if split == "train" else order[len(order) - samples :]
        part = self.pairs.isel(sample=chosen).assign_coords(sample=chosen).load()
        return part if resolution in (None, self.grid.shape[0]) else self.restrict(part, int(resolution or 0))

    def restrict(self, dataset: xr.Dataset, resolution: int) -> xr.Dataset:
        """The dataset on a coarser grid. Raises InvalidArgument for one that the points do not allow."""
        import xarray as xr

        fine = Grid.from_json(dataset.attrs["grid"])
        coarse = Grid(tuple(coarser(axis, fine.axes[0], resolution) for axis in fine.axes))
        variables = {}
        for name, function in dataset.data_vars.items():
            values = torch.tensor(function.values, dtype=torch.float64)
            for number, (axis, part) in enumerate(zip(fine.axes, coarse.axes, strict=True)):
                values = _reduced(values, number - fine.dimension, axis, part.size)
            variables[name] = (function.dims, values.float().numpy(), function.attrs)
        others = {name: c for name, c in dataset.coords.items() if name not in fine.names}
        return xr.Dataset(variables, {**others, **coarse.coordinates()}, {**dataset.attrs, "grid": coarse.to_json()})

    def operator_view(self, dataset: xr.Dataset) -> xr.Dataset:
        """The dataset: it is one already."""
        return dataset


def coarser(axis: Axis, first: Axis, resolution: int) -> Axis:
    """The axis with as many times fewer points as the first axis has at this resolution. Raises InvalidArgument."""
    ends = 1 if first.kind == "nodes" else 0
    every, rest = divmod(first.size - ends, max(resolution - ends, 1))
    own_ends = 1 if axis.kind == "nodes" else 0
    if rest or every < 1 or (axis.size - own_ends) % every:
        intervals = "intervals between its nodes" if ends else "points"
        raise InvalidArgument(
            f"a resolution must divide the {first.size - ends} {intervals} of axis {first.name!r}, and the other axes"
            f" alike; got {resolution} for {axis.name!r} of {axis.size}"
        )
    return replace(axis, size=(axis.size - own_ends) // every + own_ends)


def _reduced(values: Float[Tensor, "..."], dim: int, axis: Axis, size: int) -> Float[Tensor, "..."]:
    """Values on fewer points of one axis."""
    if size == axis.size:
        return values
    along = values.movedim(dim, -1)
    if axis.kind == "nodes":
        along = along[..., :: (axis.size - 1) // (size - 1)]
    elif axis.kind == "cells":
        along = block_average(along, Grid((axis,)), size)
    else:
        along = spectral_resample(along, Grid((axis,)), size)
    return along.movedim(-1, dim)


def seen(path: str) -> tuple[str, int]:
    """A file by its path and when it changed, by which what was read of it is kept."""
    place = Path(path).expanduser()
    return str(place), place.stat().st_mtime_ns if place.exists() else 0


def functions_of(
    path: str, *, inputs: tuple[str, ...] = (), targets: tuple[str, ...] = (), dims: str = "", kind: str = ""
) -> OwnFunctions:
    """The pairs of a file, read once while it does not change; what is empty, the file says. Raises InvalidArgument."""
    return _read((*seen(path), inputs, targets, dims, kind))


@lru_cache(maxsize=2)
def _read(read_as: tuple[Any, ...]) -> OwnFunctions:
    path, _, inputs, targets, dims, kind = read_as
    pairs = data.pairs(data.open(path, dims=dims or None, kind=kind or None), inputs or None, targets or None)
    return functions_in(pairs, str(path), read_as)


def functions_in(dataset: xr.Dataset, name: str, read_as: tuple[Any, ...] = ()) -> OwnFunctions:
    """`input` and `target` of a dataset, which are finite and two or more. Raises InvalidArgument."""
    pairs = data.pairs(dataset)
    # for its checks alone, sample by sample
    data.batches(pairs, size=1, lazy=True)
    if pairs.sizes["sample"] < 2:
        raise InvalidArgument(f"{name} must have two samples or more, one to learn from and one to test on; it has one")
    return OwnFunctions(Path(name).name, pairs.astype("float32"), read_as)
