"""Arrays that share their samples: fields of two dims or more, and coordinates x, y, z, t of one.

Dims that are not told are those that sizes leave open to one reading: sample first, then time, channel and the axes
whose coordinates are there, or (sample, *axes, time), as the files of Li et al. (2021) have it. Without coordinates
they are (sample, x), (sample, x, y) of a square, or (sample, channel, x, y) of a square.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from limitlab.data.axes import Kind, grid_of, is_index, kinds_of
from limitlab.data.files.row import Contents, Dims, Layout, listed
from limitlab.errors import InvalidArgument, unknown_name
from limitlab.spaces.grid import NAMES, Grid

if TYPE_CHECKING:
    import xarray

TIMES = ("t", "time")
KNOWN = ("sample", "time", "channel", *NAMES)


def label(contents: Contents, dims: Dims, kind: Kind) -> xarray.Dataset:
    """The dataset of a file's arrays. Raises InvalidArgument where dims fit none or are not told by sizes."""
    import xarray

    coordinates = {
        axis: array
        for path, array in contents.arrays.items()
        if array.ndim == 1 and (axis := _axis_of(path.rpartition("/")[2])) is not None
    }
    fields = {path: array for path, array in contents.arrays.items() if array.ndim >= 2 and array.dtype.kind in "biuf"}
    if not fields:
        held = listed(f"{path} {array.dtype} {array.shape}" for path, array in contents.arrays.items())
        raise InvalidArgument(f"{contents.name} must hold fields, real arrays of two dims or more; it holds {held}")
    chosen = _chosen(contents.name, fields, dims)
    sizes = {axis: len(points) for axis, points in coordinates.items()}
    variables = {
        path: (_dims_of(contents.name, path, fields[path].shape, words, sizes), fields[path])
        for path, words in chosen.items()
    }
    require_one_size(contents.name, variables)
    used = {dim for field_dims, _ in variables.values() for dim in field_dims}
    named = {axis: (axis, points) for axis, points in coordinates.items() if axis in used}
    return with_grid(xarray.Dataset(variables, coords=named), kind)


def relabel(dataset: xarray.Dataset, name: str, dims: Dims, kind: Kind) -> xarray.Dataset:
    """A dataset that has dims, renamed where others are told: its real variables along `sample`.

    Raises InvalidArgument.
    """
    import xarray

    real = dataset[[key for key, array in dataset.data_vars.items() if array.dtype.kind in "biuf" and array.ndim]]
    if dims is not None:
        fields = {str(key): array for key, array in real.data_vars.items()}
        renamed = []
        for key, words in _chosen(name, fields, dims).items():
            new = _words(name, key, fields[key].shape, words or "")
            renamed.append(fields[key].rename(dict(zip(fields[key].dims, new, strict=True))).to_dataset(name=key))
        real = xarray.merge(renamed, join="exact", compat="equals")
    along = [key for key, array in real.data_vars.items() if "sample" in array.dims]
    if not along:
        told = listed(f"{key} {tuple(map(str, array.dims))}" for key, array in dataset.data_vars.items())
        raise InvalidArgument(
            f"{name} must have real fields with a dim 'sample'; it has {told}; dims='sample x y' says which is which"
        )
    whole = real[along].assign_attrs(dataset.attrs)
    return with_grid(whole, kind)


def with_grid(dataset: xarray.Dataset, kind: Kind) -> xarray.Dataset:
    """The dataset with the attribute `grid`, where all axes of its fields have coordinates.

    A kind without coordinates is that of the unit box.
    """
    if "grid" in dataset.attrs and kind is None:
        return dataset
    axes = [str(dim) for dim in dataset.dims if not is_index(dim)]
    axes.sort(key=lambda axis: (NAMES.index(axis) if axis in NAMES else len(NAMES), axis))
    if kind is not None and axes and not any(axis in dataset.coords for axis in axes):
        for axis, its_kind in zip(axes, kinds_of(kind, len(axes)), strict=True):
            points = Grid.uniform(dataset.sizes[axis], kind=its_kind or "cells").axes[0].points()
            dataset = dataset.assign_coords({axis: points})
    widest = max(dataset.data_vars, key=lambda name: sum(not is_index(dim) for dim in dataset[name].dims))
    if not axes or any(axis not in dataset.coords for axis in axes):
        return dataset
    return dataset.assign_attrs(grid=grid_of(dataset, str(widest), kind).to_json())


def require_one_size(name: str, variables: Mapping[str, tuple[Sequence[str], Any]]) -> None:
    """Raise InvalidArgument where a dim has different sizes in two fields."""
    first: dict[str, tuple[str, int]] = {}
    for path, (dims, array) in variables.items():
        for dim, size in zip(dims, array.shape, strict=True):
            other, before = first.setdefault(dim, (path, size))
            if before != size:
                raise InvalidArgument(
                    f"fields of {name} must have one size along {dim}; {other} has {before}, {path} has {size}"
                )


def _axis_of(name: str) -> str | None:
    lowered = name.lower()
    if lowered in TIMES:
        return "time"
    return lowered if lowered in NAMES else None


def _chosen(name: str, fields: Mapping[str, Any], dims: Dims) -> dict[str, str | None]:
    """The fields to read, with the dims that are told of each."""
    if not isinstance(dims, Mapping):
        return dict.fromkeys(fields, dims)
    for path in dims:
        if path not in fields:
            raise unknown_name(f"field of {name}", path, fields)
    return dict(dims)


def _words(name: str, path: str, shape: Sequence[int], dims: str) -> tuple[str, ...]:
    words = tuple(dims.split())
    strange = [word for word in words if word not in KNOWN and not word.endswith("_channel")]
    if len(words) != len(shape) or len(set(words)) < len(words) or "sample" not in words or strange:
        raise InvalidArgument(
            f"dims of {path} in {name} must be {len(shape)} of {', '.join(KNOWN)}, sample among them, for its shape"
            f" {tuple(shape)}; got {dims!r:.80}"
        )
    return words


def _dims_of(name: str, path: str, shape: Sequence[int], dims: str | None, sizes: Mapping[str, int]) -> tuple[str, ...]:
    """The dims of a field, told or the only ones that its sizes allow."""
    if dims is not None:
        words = _words(name, path, shape, dims)
        for word, size in zip(words, shape, strict=True):
            if sizes.get(word, size) != size:
                raise InvalidArgument(f"{path} in {name} has {size} along {word}, whose coordinates are {sizes[word]}")
        return words
    axes = [axis for axis in NAMES if axis in sizes]
    readings = _readings_on(axes, sizes) if axes else _readings_of(shape)
    fitting = [
        words
        for words in readings
        if len(words) == len(shape)
        and all(sizes.get(word, size) == size for word, size in zip(words, shape, strict=True))
    ]
    if len(fitting) != 1:
        why = "several readings fit" if fitting else "none fits"
        raise InvalidArgument(
            f"dims of {path} in {name}, of shape {tuple(shape)}, must be told, as in dims='sample x y'; {why} the"
            f" coordinates {listed(f'{axis} ({size})' for axis, size in sizes.items())}"
        )
    return fitting[0]


def _readings_on(axes: Sequence[str], sizes: Mapping[str, int]) -> list[tuple[str, ...]]:
    """Orders of dims that are usual where these axes have coordinates."""
    plain: list[tuple[str, ...]] = [("sample", *axes), ("sample", "channel", *axes)]
    if "time" in sizes:
        timed = [("sample", "time", *axes), ("sample", *axes, "time"), ("sample", "time", "channel", *axes)]
        plain += timed
    return plain


def _readings_of(shape: Sequence[int]) -> list[tuple[str, ...]]:
    """The one order that a shape without coordinates allows, if it does."""
    if len(shape) == 2:
        return [("sample", "x")]
    square = shape[-1] == shape[-2]
    if len(shape) == 3 and square:
        return [("sample", "x", "y")]
    if len(shape) == 4 and square and shape[1] != shape[2]:
        return [("sample", "channel", "x", "y")]
    return []


ROW = Layout("plain", lambda contents: True, label)
