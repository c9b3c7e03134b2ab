"""The files of The Well: fields of tensor order 0, 1 and 2 in groups t0_fields, t1_fields, t2_fields.

    dimensions          @spatial_dims; time, and an array for each of these
    boundary_conditions groups with @associated_dims and @bc_type: an axis is periodic where that is PERIODIC
    scalars             @field_names; numbers that do not vary in space
    t0_fields           @field_names; each (sample, time, *axes), without what @sample_varying, @time_varying and
                        @dim_varying say that it does not depend on; t1_fields have one more dim, t2_fields two more

Components are channels. Source: Ohana et al., The Well (2024), arXiv 2412.00568, and the format that its documentation
describes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from limitlab.data.axes import Kind
from limitlab.data.files.layouts.plain import with_grid
from limitlab.data.files.row import Contents, Dims, Layout
from limitlab.errors import InvalidArgument
from limitlab.spaces.grid import NAMES, AxisKind

if TYPE_CHECKING:
    import xarray

GROUPS = ("t0_fields", "t1_fields", "t2_fields")


def recognises(contents: Contents) -> bool:
    """Whether it has dimensions and one group of fields or more."""
    return "dimensions" in contents.attrs and any(group in contents.attrs for group in GROUPS)


def label(contents: Contents, dims: Dims, kind: Kind) -> xarray.Dataset:
    """The fields on their axes, all of them of all samples and times; parameters as attributes."""
    import xarray

    if dims is not None:
        raise InvalidArgument(f"dims of {contents.name} must be left out: it is of The Well, which says them")
    if (grid_type := contents.attribute("", "grid_type", "cartesian")) != "cartesian":
        raise InvalidArgument(f"{contents.name} must be on a cartesian grid; got {grid_type!r}")
    axes = tuple(contents.attribute("dimensions", "spatial_dims"))
    if not 1 <= len(axes) <= len(NAMES):
        raise InvalidArgument(f"{contents.name} must have 1 to {len(NAMES)} spatial dims; got {axes}")
    names = dict(zip(axes, NAMES, strict=False))
    points = {names[axis]: _points(contents, axis) for axis in axes}
    time = _points(contents, "time")
    sizes = {"sample": int(contents.attribute("", "n_trajectories")), "time": len(time)}
    sizes |= {axis: len(array) for axis, array in points.items()}
    variables: dict[str, Any] = {}
    for order, group in enumerate(GROUPS):
        for name in contents.attribute(group, "field_names", []) if group in contents.attrs else []:
            variables[name] = _field(contents, f"{group}/{name}", order, sizes)
    if not variables:
        raise InvalidArgument(f"{contents.name} must name its fields in field_names; it names none")
    coordinates = {"time": ("time", time), **{axis: (axis, array) for axis, array in points.items()}}
    dataset = xarray.Dataset(variables, coords=coordinates, attrs=_parameters(contents))
    kinds = [_kind(contents, axis) for axis in axes] if kind is None else kind
    # points alone tell where no boundary is periodic
    return with_grid(dataset, kinds if any(kinds) else None)


def _points(contents: Contents, axis: str) -> Any:
    path = f"dimensions/{axis}"
    array = contents.arrays.get(path)
    if array is None or array.ndim != 1:
        got = "nothing" if array is None else f"shape {array.shape}, which varies between samples or in time"
        raise InvalidArgument(f"{path} in {contents.name} must be one array of coordinates; got {got}")
    return array


def _field(contents: Contents, path: str, order: int, sizes: dict[str, int]) -> xarray.Variable:
    """The field (sample, time, [channel], *axes), repeated along what it does not depend on."""
    import xarray

    if (array := contents.arrays.get(path)) is None:
        raise InvalidArgument(f"{contents.name} names the field {path}, and does not hold it as numbers")
    varying = {
        "sample": bool(contents.attribute(path, "sample_varying", True)),
        "time": bool(contents.attribute(path, "time_varying", True)),
    }
    axes = [dim for dim in sizes if dim not in varying]
    along = contents.attribute(path, "dim_varying", [True] * len(axes))
    varying |= dict(zip(axes, along, strict=False))
    dims = [dim for dim in sizes if varying.get(dim)]
    components = [f"component_{number}" for number in range(order)]
    # a tensor may lie flat
    components = components if array.ndim == len(dims) + order else components[:1]
    wrong = [dim for dim, size in zip(dims, array.shape, strict=False) if size != sizes[dim]]
    if array.ndim != len(dims) + len(components) or wrong:
        expected = ", ".join(f"{dim} {sizes[dim]}" for dim in dims)
        raise InvalidArgument(
            f"{path} in {contents.name} must be ({expected}) with {order} dims of components behind; got shape"
            f" {array.shape}"
        )
    channel = f"{path.rpartition('/')[2]}_channel"
    names = [channel] if len(components) == 1 else components
    field = xarray.Variable([*dims, *names], array)
    field = field.stack({channel: components}) if len(components) > 1 else field
    # repeated by name, not in memory
    whole = field.set_dims({**sizes, **dict(field.sizes)})
    return whole.transpose("sample", "time", *[dim for dim in whole.dims if dim not in sizes], *axes)


def _kind(contents: Contents, axis: str) -> AxisKind | None:
    """Periodic where a boundary condition says so; else what the points say."""
    groups = [path for path in contents.attrs if path.startswith("boundary_conditions/") and path.count("/") == 1]
    for group in groups:
        if axis in contents.attribute(group, "associated_dims", []):
            told = str(contents.attribute(group, "bc_type", ""))
            if told.lower() == "periodic":
                return "periodic"
    return None


def _parameters(contents: Contents) -> dict[str, Any]:
    """The name of the set and its parameters, numbers and texts."""
    names = contents.attribute("", "simulation_parameters", [])
    found = {name: contents.attribute("", name, "") for name in names}
    return {"dataset_name": contents.attribute("", "dataset_name", ""), **found}


ROW = Layout("The Well", recognises, label)
