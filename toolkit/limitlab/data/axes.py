"""The grid that a reader's coordinates describe, and the fields of a dataset as they lie on it.

A dataset of the house says its grid in the attribute `grid`. In any other it is read from the coordinates of the dims
that are neither sample, time nor channel. Points at s + h/2, s + 3h/2, ... with s a multiple of the spacing h are
centres of cells; all others are taken for nodes, both ends among them. That a function is periodic is nothing that
points can say: `kind="periodic"` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from limitlab.errors import InvalidArgument, one_of, unknown_name
from limitlab.numbers import array_of
from limitlab.spaces.grid import NAMES, Axis, AxisKind, Grid

if TYPE_CHECKING:
    import xarray

KINDS = ("periodic", "cells", "nodes")
Kind = AxisKind | Sequence[AxisKind | None] | None
UNEVEN = 0.01
"""By how much of a spacing points may lie beside a uniform grid: coordinates are often stored in single precision."""


def grid_from(points: Mapping[str, Any], kind: Kind = None) -> Grid:
    """The uniform grid of these coordinates, name to increasing points of each axis. Raises InvalidArgument.

    >>> from limitlab.data.axes import grid_from
    >>> grid_from({"x": [0.125, 0.375, 0.625, 0.875]}).axes[0]
    Axis(name='x', size=4, length=1.0, start=0.0, kind='cells')
    """
    if not 1 <= len(points) <= len(NAMES):
        raise InvalidArgument(f"a grid has 1 to {len(NAMES)} axes; got {', '.join(points) or 'none'}")
    kinds = kinds_of(kind, len(points))
    return Grid(tuple(axis_from(name, points[name], each) for name, each in zip(points, kinds, strict=True)))


def kinds_of(kind: Kind, count: int) -> tuple[AxisKind | None, ...]:
    """The kind of each axis, of one for all or one for each. Raises InvalidArgument."""
    kinds = (kind,) * count if kind is None or isinstance(kind, str) else tuple(kind)
    if len(kinds) != count:
        raise InvalidArgument(f"kind must be one for all axes or {count}; got {kind!r:.80}")
    return kinds


def axis_from(name: str, points: Any, kind: AxisKind | None) -> Axis:
    """The uniform axis of these points. Raises InvalidArgument."""
    if kind is not None:
        one_of("kind", kind, KINDS)
    values = array_of(f"axis {name!r}", points)
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        raise InvalidArgument(
            f"axis {name!r} must be two or more finite coordinates; got shape {values.shape}"
            f"{'' if np.isfinite(values).all() else ', not all of them finite'}"
        )
    steps = np.diff(values)
    spacing = (values[-1] - values[0]) / (len(values) - 1)
    if not spacing > 0 or np.abs(steps - spacing).max() > UNEVEN * spacing:
        raise InvalidArgument(
            f"axis {name!r} must increase with one spacing; its steps go from {steps.min():.4g} to {steps.max():.4g}"
        )
    first = values[0] / spacing
    if kind is None:
        kind = "cells" if abs(first - np.floor(first) - 0.5) < UNEVEN else "nodes"
    start = values[0] - spacing / 2 if kind == "cells" else values[0]
    length = spacing * (len(values) - 1 if kind == "nodes" else len(values))
    # digits of single precision, in which 0.1 is stored as 0.10000000149
    return Axis(name, len(values), _rounded(length), _rounded(start, spacing), kind)


def _rounded(value: float, unit: float | None = None) -> float:
    """The value to six digits, or to a millionth of a unit."""
    size = abs(value) if unit is None else unit
    return float(round(value, 6 - int(np.floor(np.log10(size))))) if size else 0.0


def grid_of(dataset: xarray.Dataset, name: str, kind: Kind = None) -> Grid:
    """The grid on which a variable lives: the dataset's attribute `grid`, else that of its coordinates.

    Raises UnknownName, InvalidArgument.
    """
    if name not in dataset.data_vars:
        raise unknown_name("variable", name, [str(known) for known in dataset.data_vars])
    if "grid" in dataset.attrs and kind is None:
        try:
            return Grid.from_json(dataset.attrs["grid"])
        except (TypeError, ValueError) as problem:
            raise InvalidArgument(f"attribute 'grid' must be what Grid.to_json writes: {problem}") from None
    axes = [str(dim) for dim in dataset[name].dims if not is_index(dim)]
    bare = [axis for axis in axes if axis not in dataset.coords]
    if bare or not axes:
        raise InvalidArgument(
            f"the dataset has no attribute 'grid', and {name!r} of dims {dataset[name].dims} needs coordinates, as"
            f" dataset.assign_coords({bare[0] if bare else 'x'}=points) gives them; without: {', '.join(bare) or 'all'}"
        )
    units = {axis: str(dataset[axis].attrs.get("units", "1")) for axis in axes}
    require_one_unit(units)
    return grid_from({axis: dataset[axis].values for axis in axes}, kind)


def is_index(dim: Any) -> bool:
    """Whether a dim is one of sample, time and channel, and no axis of space."""
    return dim in ("sample", "time") or is_channel(dim)


def is_channel(dim: Any) -> bool:
    """Whether a dim counts channels: it ends in "channel"."""
    return str(dim).endswith("channel")


def require_one_unit(units: Mapping[str, str]) -> None:
    """Raise InvalidArgument unless all axes have one unit: a distance in the plane needs it."""
    if len(set(units.values())) > 1:
        told = ", ".join(f"{axis} in {unit}" for axis, unit in units.items())
        raise InvalidArgument(f"axes must have one unit; got {told}")
