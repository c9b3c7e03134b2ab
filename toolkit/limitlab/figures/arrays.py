"""What figures ask of the arrays they draw: named dims, small float32 values, no more points than pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from limitlab.errors import InvalidArgument, unknown_name

if TYPE_CHECKING:
    import xarray as xr

SPACE = ("x", "y", "z")
PIXELS = 200
PANEL_PIXELS = 128
LINE_PIXELS = 1000


def variable_of(dataset: xr.Dataset, name: str) -> xr.DataArray:
    """A variable of the dataset. Raises UnknownName with the ones there are, InvalidArgument for what is no dataset."""
    if not hasattr(dataset, "data_vars"):
        raise InvalidArgument(f"a figure of {name!r} needs an xarray.Dataset; got {type(dataset).__name__}")
    if name not in dataset:
        raise unknown_name("variable", name, map(str, dataset.data_vars))
    return dataset[name]


def require_dims(array: xr.DataArray, *needed: str) -> None:
    """Raise InvalidArgument unless the array has all these dims."""
    missing = [dim for dim in needed if dim not in array.dims]
    if missing:
        raise InvalidArgument(f"{array.name or 'the array'} needs the dims {needed}; it has {array.dims}")


def exactly(array: xr.DataArray, *choices: Sequence[str]) -> xr.DataArray:
    """The array with its dims in the order of the choice that fits, dims of size one dropped.

    Raises InvalidArgument, saying what to select, when other dims are left or no choice fits.
    """
    dims = {dim for choice in choices for dim in choice}
    array = array.squeeze([dim for dim in array.dims if dim not in dims and array.sizes[dim] == 1], drop=True)
    for choice in choices:
        if set(array.dims) == set(choice):
            return array.transpose(*choice)
    name = array.name or "the array"
    accepted = " or ".join(str(tuple(choice)) for choice in choices)
    surplus = [dim for dim in array.dims if dim not in dims]
    advice = f"; choose one, as in .isel({', '.join(f'{dim}=0' for dim in surplus)})" if surplus else ""
    raise InvalidArgument(f"{name} needs the dims {accepted}; it has {array.dims}{advice}")


def thin(array: xr.DataArray, most: int, *dims: str) -> xr.DataArray:
    """Every s-th point along each dim, up to and with the last, s the smallest step that leaves at most `most`."""
    steps = {dim: -(-array.sizes[dim] // most) for dim in dims}
    return array.isel({dim: slice((array.sizes[dim] - 1) % step, None, step) for dim, step in steps.items()})


def numbers(array: xr.DataArray) -> np.ndarray:
    """Values as contiguous float32, which plotly sends in half the bytes of float64."""
    return np.ascontiguousarray(array.values, dtype=np.float32)


def coordinate(array: xr.DataArray, dim: str) -> np.ndarray:
    """Coordinates along a dim, or its positions where it has none."""
    return np.asarray(array[dim].values, dtype=np.float32)


def labels(array: xr.DataArray, dim: str) -> list[str]:
    """Names along a dim such as model or resolution."""
    return [str(label) for label in array[dim].values]


def over_seeds(values: xr.DataArray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, lowest and highest over the seeds, three times the values where there are none."""
    if "seed" not in values.dims:
        return (numbers(values),) * 3
    return numbers(values.mean("seed")), numbers(values.min("seed")), numbers(values.max("seed"))
