"""PDEBench's incompressible flows, which come without coordinates: told by velocity, force and particles together.

    velocity  (sample, time, x, y, 2)       particles (sample, time, x, y, 1)      t (sample, time), or (time), or none
    force     (sample, x, y, 2)

Components are channels, particles a field without any. The box is the unit square of PDEBench's simulations, in cells;
its attribute `grid` is that of these cells, and `kind` says another one.
Source: Takamoto et al., PDEBench (2022), arXiv 2210.07182, section 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from limitlab.data.axes import Kind
from limitlab.data.files.layouts.plain import require_one_size, with_grid
from limitlab.data.files.row import Contents, Dims, Layout
from limitlab.errors import InvalidArgument

if TYPE_CHECKING:
    import xarray

DIMS = {
    "velocity": ("sample", "time", "x", "y", "velocity_channel"),
    "particles": ("sample", "time", "x", "y", "particles_channel"),
    "force": ("sample", "x", "y", "force_channel"),
}


def recognises(contents: Contents) -> bool:
    """Whether it has the three fields and no coordinates."""
    return set(DIMS) <= set(contents.arrays) and not any(path.endswith("-coordinate") for path in contents.arrays)


def label(contents: Contents, dims: Dims, kind: Kind) -> xarray.Dataset:
    """The three fields on cells of the unit square, channels before the axes. Raises InvalidArgument."""
    import xarray

    if dims is not None:
        raise InvalidArgument(f"dims of {contents.name} must be left out: it is of PDEBench, which says them")
    variables: dict[str, Any] = {}
    for name, words in DIMS.items():
        array = contents.arrays[name]
        if array.ndim != len(words):
            raise InvalidArgument(
                f"{name} in {contents.name} must be ({', '.join(words[:-1])}, channel); got shape {array.shape}"
            )
        variables[name] = (words, array)
    require_one_size(contents.name, variables)
    fields = {
        name: xarray.Variable(*pair).transpose(*words[:-3], words[-1], "x", "y")
        for (name, pair), words in zip(variables.items(), DIMS.values(), strict=True)
    }
    single = {name: field.isel({f"{name}_channel": 0}) for name, field in fields.items() if field.shape[-3] == 1}
    dataset = xarray.Dataset({**fields, **single})
    times = _times(contents, dataset.sizes["time"])
    dataset = dataset if times is None else dataset.assign_coords(time=("time", times))
    return with_grid(dataset, kind or "cells")


def _times(contents: Contents, frames: int) -> Any:
    """The times that all samples share, None where they are not stored. Raises InvalidArgument where they differ."""
    if "t" not in contents.arrays:
        return None
    stored = np.asarray(contents.arrays["t"])
    if stored.shape[-1] < frames or stored.ndim not in (1, 2):
        raise InvalidArgument(f"t in {contents.name} must hold the times of {frames} frames; got shape {stored.shape}")
    rows = np.atleast_2d(stored)[:, :frames]
    if not np.allclose(rows, rows[:1], rtol=1e-5):
        raise InvalidArgument(f"t in {contents.name} must be the same for all samples")
    return rows[0]


ROW = Layout("PDEBench", recognises, label)
