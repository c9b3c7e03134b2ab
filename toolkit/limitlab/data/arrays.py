"""Arrays of a reader's own as a labelled dataset, and its fields as inputs and targets of an operator.

    own = from_arrays(coefficients, pressures, axes={"x": (0, 1), "y": (0, 1)}, kind="cells")
    batches(own, size=20)

`open` reads files into the same kind of dataset. `pairs` takes what is to be learned out of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from limitlab.data.axes import KINDS, Kind, axis_from, grid_of, is_channel, kinds_of, require_one_unit
from limitlab.errors import InvalidArgument, check_numbers, one_of, unknown_name
from limitlab.labels import labelled
from limitlab.numbers import tensor_of
from limitlab.spaces.grid import NAMES, Axis, AxisKind, Grid

if TYPE_CHECKING:
    import xarray

Names = str | Sequence[str] | None


def from_arrays(
    inputs: Any,
    targets: Any,
    axes: Mapping[str, Any],
    *,
    kind: Kind = None,
    units: Mapping[str, str] | None = None,
) -> xarray.Dataset:
    """The dataset of pairs of functions on a grid, for `batches` and experiments.

    inputs, targets: numbers (sample, *axes) or (sample, channel, *axes), of arrays, tensors or lists. axes: name to
    points of each axis, in the order of the dims, or to its ends (first, last): with kind "nodes" of the first and the
    last point, else of the box. kind: "periodic", "cells" or "nodes", one for all or one an axis; without it points
    tell cells from nodes, and ends are those of cells. units: of "input", "target" and axes, "1" where nothing is said.
    Raises InvalidArgument: other shapes, an axis that is missing or not uniform, values that are not finite, axes of
    different units.

    >>> import numpy as np
    >>> x = np.linspace(0, 1, 32, endpoint=False)
    >>> waves = np.sin(2 * np.pi * (x + np.random.default_rng(0).random((20, 1))))
    >>> own = ll.data.from_arrays(waves, waves**2, axes={"x": x}, kind="periodic")
    >>> ll.data.batches(own, size=5).batch(0)["target"].shape
    torch.Size([5, 1, 32])
    """
    if not isinstance(axes, Mapping) or not axes or not set(axes) <= set(NAMES):
        raise InvalidArgument(
            f"axes must map {', '.join(NAMES)}, in the order of the dims, to points or ends; got {axes!r:.80}"
        )
    arrays = {"input": _numbers("inputs", inputs), "target": _numbers("targets", targets)}
    sizes = arrays["input"].shape[-len(axes) :]
    if arrays["input"].ndim not in (len(axes) + 1, len(axes) + 2):
        raise InvalidArgument(
            f"inputs must be (sample, {', '.join(axes)}) or (sample, channel, {', '.join(axes)}); got shape"
            f" {arrays['input'].shape}"
        )
    kinds = kinds_of(kind, len(axes))
    parts = (_axis(name, axes[name], size, each) for name, size, each in zip(axes, sizes, kinds, strict=True))
    grid = Grid(tuple(parts))
    units = dict(units or {})
    for name in units:
        if name not in (*arrays, *axes):
            raise unknown_name("name in units", name, (*arrays, *axes))
    require_one_unit({axis: units.get(axis, "1") for axis in axes})
    variables: dict[str, Any] = {}
    for name, array in arrays.items():
        _require_shape(f"{name}s", array, len(arrays["input"]), grid)
        # each with a channel dim of its own, since their numbers may differ
        channel = (f"{name}_channel",) if array.ndim == grid.dimension + 2 else ()
        dims = " ".join(("sample", *channel, *grid.names))
        variables[name] = (dims, array, f"{name} function", units.get(name, "1"))
    coordinates = {
        axis: (axis, points, f"position {axis}", units.get(axis, "1")) for axis, points in grid.coordinates().items()
    }
    samples = ("sample", np.arange(len(arrays["input"])), "sample")
    return labelled({"grid": grid.to_json()}, **variables, **coordinates, sample=samples)


def pairs(dataset: xarray.Dataset, inputs: Names = None, targets: Names = None, *, kind: Kind = None) -> xarray.Dataset:
    """`input` and `target` (sample, channel, *grid) of a dataset's fields, one or several of them by name.

    A field with a time axis enters at its first frame and is a target at its last. Where nothing is said, `input` and
    `target` are those of the dataset, else what its attributes `inputs` and `targets` name, else all fields that
    evolve. kind: of the axes, where the dataset has no attribute `grid`, or another one.
    Raises UnknownName, InvalidArgument.

    >>> heat = ll.problems.get("heat", frames=3).simulate(4, resolution=16)
    >>> ll.data.pairs(heat)["target"].dims, ll.data.pairs(heat, "u", "u")["input"].shape
    (('sample', 'channel', 'x'), (4, 1, 16))
    """
    import xarray

    chosen = {"input": _chosen(dataset, "input", inputs), "target": _chosen(dataset, "target", targets)}
    grid = grid_of(dataset, chosen["input"][0], kind)
    frames = {"input": 0, "target": -1}
    variables = {
        role: xarray.concat(
            [_on_grid(dataset, name, grid, frames[role]) for name in names], "channel", combine_attrs="drop_conflicts"
        ).transpose("sample", "channel", ...)
        for role, names in chosen.items()
    }
    for role, names in chosen.items():
        units = {str(dataset[name].attrs.get("units", "1")) for name in names}
        meaning = ", ".join(str(dataset[name].attrs.get("long_name", name)) for name in names)
        variables[role].attrs = {"long_name": meaning, "units": units.pop() if len(units) == 1 else "1"}
        variables[role] = variables[role].rename(channel=f"{role}_channel" if len(names) > 1 else "channel")
    result = xarray.Dataset(variables, attrs={**dataset.attrs, "grid": grid.to_json()})
    return result.assign_coords(grid.coordinates())


def _chosen(dataset: xarray.Dataset, role: str, names: Names) -> tuple[str, ...]:
    """The names of the fields of a role."""
    if names is None:
        told = str(dataset.attrs.get(f"{role}s", ""))
        evolving = [str(name) for name, field in dataset.data_vars.items() if "time" in field.dims]
        names = [role] if role in dataset.data_vars else told.split() or evolving
        if not names:
            known = ", ".join(map(str, dataset.data_vars))
            raise InvalidArgument(f"{role}s must be named, as no field has a time axis; there are {known}")
    listed = (names,) if isinstance(names, str) else tuple(names)
    for name in listed:
        if name not in dataset.data_vars:
            raise unknown_name("field", name, [str(known) for known in dataset.data_vars])
    if not listed:
        raise InvalidArgument(f"{role}s must name one field or more; got none")
    return listed


def _on_grid(dataset: xarray.Dataset, name: str, grid: Grid, frame: int) -> xarray.DataArray:
    """The field as (sample, channel, *grid), of one frame."""
    field = dataset[name]
    if "time" in field.dims:
        field = field.isel(time=frame, drop=True)
    channels = [dim for dim in field.dims if is_channel(dim)]
    field = field.expand_dims("channel", axis=1) if not channels else field.rename({channels[0]: "channel"})
    if set(field.dims) != {"sample", "channel", *grid.names}:
        raise InvalidArgument(
            f"field {name!r} must have the dims sample and {', '.join(grid.names)}; got {dataset[name].dims}"
        )
    plain = field.transpose("sample", "channel", *grid.names)
    return plain.drop_vars([coordinate for coordinate in plain.coords if coordinate != "sample"])


def _numbers(argument: str, values: Any) -> np.ndarray:
    array = tensor_of(argument, values).detach().cpu().numpy()
    if array.dtype.kind not in "fiu" or array.ndim < 2 or not array.size:
        raise InvalidArgument(
            f"{argument} must be real numbers (sample, *axes), not empty; got {array.dtype} {array.shape}"
        )
    array = array if array.dtype.kind == "f" else array.astype(np.float32)
    good = np.isfinite(array).reshape(len(array), -1).all(1)
    if not good.all():
        raise InvalidArgument(f"{argument} must be finite; sample {int(good.argmin())} is not")
    return array


def _axis(name: str, given: Any, size: int, kind: AxisKind | None) -> Axis:
    """The axis of so many points that is told by them, or by its ends."""
    if np.shape(given) == (2,) and size != 2:
        low, high = check_numbers(f"axis {name!r}", given, 2)
        if not low < high:
            raise InvalidArgument(f"axis {name!r} must end after it starts; got {low:g} to {high:g}")
        return Axis(name, size, high - low, low, one_of("kind", kind or "cells", KINDS))
    if np.shape(given) != (size,):
        raise InvalidArgument(
            f"axis {name!r} must have {size} points, as inputs have, or two ends; got shape {np.shape(given)}"
        )
    return axis_from(name, given, kind)


def _require_shape(argument: str, array: np.ndarray, samples: int, grid: Grid) -> None:
    fits = array.ndim in (grid.dimension + 1, grid.dimension + 2) and array.shape[-grid.dimension :] == grid.shape
    if not fits or len(array) != samples:
        accepted = f"({samples}, {', '.join(map(str, grid.shape))}), or with channels after the first"
        raise InvalidArgument(f"{argument} must be {accepted}; got shape {array.shape}")
