"""Trajectories of a reader's file where an experiment on time steps expects those of a problem."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from limitlab import data
from limitlab.data.axes import grid_of, is_channel
from limitlab.errors import InvalidArgument, unknown_name
from limitlab.experiments.operators.own._functions import OwnFunctions, seen

if TYPE_CHECKING:
    import xarray as xr

UNEVEN = 1e-3
"""How much two steps in time may differ, relative to one."""


@dataclass(frozen=True)
class OwnField:
    """A field that evolves: its name and what it is."""

    name: str
    meaning: str


@dataclass(frozen=True)
class OwnTrajectories(OwnFunctions):
    """Fields that evolve, (sample, time, *grid) each, at even times."""

    @property
    def fields(self) -> tuple[OwnField, ...]:
        named = self.pairs.data_vars.items()
        return tuple(OwnField(str(name), str(field.attrs.get("long_name", name))) for name, field in named)

    @property
    def times(self) -> np.ndarray:
        return self.pairs["time"].values

    @property
    def frames(self) -> int:
        return int(self.pairs.sizes["time"])


def trajectories_of(path: str, *, fields: tuple[str, ...] = (), dims: str = "", kind: str = "") -> OwnTrajectories:
    """The trajectories of a file, read once while it does not change. Raises InvalidArgument."""
    return _read((*seen(path), fields, dims, kind))


@lru_cache(maxsize=2)
def _read(read_as: tuple[Any, ...]) -> OwnTrajectories:
    path, _, fields, dims, kind = read_as
    return trajectories_in(data.open(path, dims=dims or None, kind=kind or None), path, fields, kind, read_as)


def trajectories_in(
    dataset: xr.Dataset, name: str, fields: tuple[str, ...] = (), kind: str = "", read_as: tuple[Any, ...] = ()
) -> OwnTrajectories:
    """The fields of a dataset that evolve, or those that are named; a channel becomes a field of its own.

    Raises UnknownName, InvalidArgument: nothing evolves, fewer than two samples, values that are not finite, times that
    are not even.
    """
    import xarray as xr

    evolving = [str(key) for key, field in dataset.data_vars.items() if "time" in field.dims]
    for field in fields:
        if field not in evolving:
            raise unknown_name("field that evolves", field, evolving)
    chosen = fields or tuple(evolving)
    if not chosen:
        raise InvalidArgument(f"{name} must have a field with a time axis; it has {', '.join(map(str, dataset))}")
    grid = grid_of(dataset, chosen[0], kind or None)  # type: ignore[arg-type]
    parts: dict[str, Any] = {}
    for key in chosen:
        channels = [str(dim) for dim in dataset[key].dims if is_channel(dim)]
        of = dataset[key].transpose("sample", "time", *channels, *grid.names).astype("float32").load()
        pieces = {key: of}
        if channels:
            pieces = {f"{key}_{number}": of.isel({channels[0]: number}) for number in range(of.sizes[channels[0]])}
        parts |= {piece: (array.dims, array.values, dict(array.attrs)) for piece, array in pieces.items()}
    whole = xr.Dataset(parts, attrs={**dataset.attrs, "grid": grid.to_json()}).assign_coords(grid.coordinates())
    if whole.sizes["sample"] < 2:
        raise InvalidArgument(f"{name} must have two samples or more, one to learn from and one to test on; it has one")
    for piece, array in whole.data_vars.items():
        if not np.isfinite(array.values).all():
            raise InvalidArgument(f"{piece} in {name} must be finite")
    times = dataset["time"].values if "time" in dataset.coords else np.arange(whole.sizes["time"])
    steps = np.diff(times.astype(float))
    if not len(steps) or (steps <= 0).any() or np.ptp(steps) > UNEVEN * steps.mean():
        raise InvalidArgument(f"times of {name} must be even, as one model makes every step; got steps {steps[:5]}")
    return OwnTrajectories(Path(name).name, whole.assign_coords(time=times), read_as)
