"""The files of PDEBench: `tensor` or named fields (sample, time, *axes) beside x-coordinate, ..., or a group a seed.

    tensor (sample, time, x), x-coordinate, t-coordinate            advection, Burgers, reaction and diffusion in 1-D
    nu (sample, x, y), tensor (sample, 1, x, y), x-coordinate, ...  Darcy flow: nu is the input, tensor the target
    density, pressure, Vx, Vy, Vz (sample, time, x[, y[, z]]), ...  compressible flow
    0000/data (time, x[, y], channel), 0000/grid/{t, x, y}          a group for each seed: sorption, dam break, ...

Source: Takamoto et al., PDEBench (2022), arXiv 2210.07182; the layouts are those that its loaders read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from limitlab.data.axes import Kind
from limitlab.data.files.layouts.plain import require_one_size, with_grid
from limitlab.data.files.row import Contents, Dims, Layout, listed
from limitlab.errors import InvalidArgument
from limitlab.spaces.grid import NAMES

if TYPE_CHECKING:
    import xarray

SUFFIX = "-coordinate"


def recognises(contents: Contents) -> bool:
    """Whether there are coordinates by its names, or groups of seeds with data and grid."""
    return f"x{SUFFIX}" in contents.arrays or bool(_seeds(contents))


def label(contents: Contents, dims: Dims, kind: Kind) -> xarray.Dataset:
    """The fields with their coordinates; times beyond the last frame, which some files have, are left out."""
    if dims is not None:
        raise InvalidArgument(f"dims of {contents.name} must be left out: it is of PDEBench, which says them")
    seeds = _seeds(contents)
    return with_grid(_of_seeds(contents, seeds) if seeds else _of_fields(contents), kind)


def _of_fields(contents: Contents) -> xarray.Dataset:
    import xarray

    points = {path.removesuffix(SUFFIX): array for path, array in contents.arrays.items() if path.endswith(SUFFIX)}
    axes = tuple(axis for axis in NAMES if axis in points)
    steady = ("sample", *axes)
    variables: dict[str, tuple[tuple[str, ...], Any]] = {}
    for path, array in contents.arrays.items():
        if path.endswith(SUFFIX) or array.ndim < len(steady):
            continue
        if array.ndim == len(steady):
            variables[path] = (steady, array)
        elif array.ndim == len(steady) + 1 and array.shape[1] == 1:
            variables[path] = (steady, array[:, 0])
        elif array.ndim == len(steady) + 1:
            variables[path] = (("sample", "time", *axes), array)
        else:
            raise InvalidArgument(
                f"{path} in {contents.name} must be (sample, time, {', '.join(axes)}); got shape {array.shape}"
            )
    if not variables:
        raise InvalidArgument(f"{contents.name} must hold fields beside coordinates; got {listed(contents.arrays)}")
    require_one_size(contents.name, {**variables, **{axis: ((axis,), points[axis]) for axis in axes}})
    frames = {array.shape[1] for dims, array in variables.values() if "time" in dims}
    coordinates = {axis: (axis, points[axis]) for axis in axes}
    if frames and "t" in points and len(points["t"]) >= max(frames):
        coordinates["time"] = ("time", points["t"][: max(frames)])
    dataset = xarray.Dataset(variables, coords=coordinates)
    if {"nu", "tensor"} <= set(variables):
        return dataset.assign_attrs(inputs="nu", targets="tensor")
    return dataset


def _of_seeds(contents: Contents, seeds: list[str]) -> xarray.Dataset:
    import xarray

    first = f"{seeds[0]}/grid/"
    points = {path.removeprefix(first): array for path, array in contents.arrays.items() if path.startswith(first)}
    axes = tuple(axis for axis in NAMES if axis in points)
    dims = ("time", *axes, "channel")
    parts = []
    for seed in seeds:
        data = contents.arrays[f"{seed}/data"]
        if data.ndim != len(dims) or data.shape != contents.arrays[f"{seeds[0]}/data"].shape:
            raise InvalidArgument(
                f"{seed}/data in {contents.name} must be ({', '.join(dims)}), as large as that of {seeds[0]}; got shape"
                f" {data.shape}"
            )
        parts.append(xarray.Variable(dims, data))
    whole = xarray.Variable.concat(parts, "sample")
    require_one_size(contents.name, {"data": (whole.dims, whole), **{axis: ((axis,), points[axis]) for axis in axes}})
    field = whole.transpose("sample", "time", "channel", *axes)
    coordinates = {axis: (axis, points[axis]) for axis in axes}
    if "t" in points and len(points["t"]) == field.sizes["time"]:
        coordinates["time"] = ("time", points["t"])
    single = field.sizes["channel"] == 1
    return xarray.Dataset({"data": field.isel(channel=0) if single else field}, coords=coordinates)


def _seeds(contents: Contents) -> list[str]:
    """The groups that hold data and a grid, in order."""
    groups = (path.removesuffix("/data") for path in contents.arrays if path.count("/") == 1 and path.endswith("/data"))
    return sorted(group for group in groups if f"{group}/grid/x" in contents.arrays)


ROW = Layout("PDEBench", recognises, label)
