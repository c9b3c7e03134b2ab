"""Arrays that say what they are: an xarray.Dataset from names, dims, values, meanings and units.

    labelled(drift=("width seed", drift, "drift of the kernel"), width=("width", widths, "width"))

A variable named as its one dim is that dim's coordinate. Units are "1" where nothing else is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

Variable = tuple[str, Any, str] | tuple[str, Any, str, str]
Array = tuple[tuple[str, ...], np.ndarray, dict[str, str]]


def labelled(attrs: Mapping[str, Any] | None = None, /, **variables: Variable) -> xr.Dataset:
    """A dataset of `name=(dims, values, meaning)`, units fourth where there are any; dims are separated by spaces.

    values: tensors (of any device, with or without a tape), arrays or numbers. attrs: those of the dataset.

    >>> dict(ll.labels.labelled(error=("width", [0.2, 0.1], "error"), width=("width", [8, 16], "width")).sizes)
    {'width': 2}
    """
    import xarray as xr

    arrays = {name: _array(*variable) for name, variable in variables.items()}
    coordinates = {name: arrays.pop(name) for name, array in tuple(arrays.items()) if array[0] == (name,)}
    return xr.Dataset(arrays, coordinates, dict(attrs or {}))


def _array(
    dims: str, values: Any, meaning: str, units: str = "1"
) -> tuple[tuple[str, ...], np.ndarray, dict[str, str]]:
    # no import of torch for arrays and numbers
    host = values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)
    return tuple(dims.split()), host, {"long_name": meaning, "units": units}
