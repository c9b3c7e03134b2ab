"""HDF5: arrays in groups, with attributes. Links to other files are not followed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from limitlab.data.files.row import Contents, Format
from limitlab.data.zarr_group import LAZY_BYTES

SCALES = ("DIMENSION_LIST", "REFERENCE_LIST")
"""Attributes that point to other arrays."""


def read(path: Path) -> Contents:
    """The numeric arrays of a file with all attributes: in memory, or lazily where they are large together."""
    import dask.array
    import h5py

    file = h5py.File(path, "r")
    found: dict[str, Any] = {}
    attrs: dict[str, dict[str, Any]] = {"": dict(file.attrs)}

    def visit(name: str, item: Any) -> None:
        attrs[name] = {key: value for key, value in item.attrs.items() if key not in SCALES}
        # storage in other files would be read from wherever they point to
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "biuf" and not (item.external or item.is_virtual):
            found[name] = item

    # it visits no soft or external links
    file.visititems(visit)
    if sum(array.nbytes for array in found.values()) > LAZY_BYTES:
        lazy = {name: dask.array.from_array(array, chunks="auto", lock=True) for name, array in found.items()}
        return Contents(path.name, lazy, attrs)
    arrays = {name: array[()] for name, array in found.items()}
    file.close()
    return Contents(path.name, arrays, attrs)


ROW = Format("HDF5 file", (".h5", ".hdf5", ".hdf"), read, (b"\x89HDF\r\n\x1a\n",))
