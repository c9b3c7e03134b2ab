"""Zarr: a folder of arrays with named dims. Arrays of objects may be pickles, and no array of such a store is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limitlab.data.files.row import Format
from limitlab.data.zarr_group import LAZY_BYTES
from limitlab.errors import InvalidArgument

if TYPE_CHECKING:
    import xarray

METADATA = (".zarray", ".zmetadata", "zarr.json")


def read(path: Path) -> xarray.Dataset:
    """The dataset of a store: in memory, or lazily where it is large."""
    import xarray
    from zarr.storage import LocalStore

    for file in sorted(found for name in METADATA for found in path.rglob(name)):
        # before anything is opened: coordinates would be decoded at once
        if "pickle" in _words(json.loads(file.read_text(encoding="utf-8"))):
            raise InvalidArgument(f"{path.name} must hold numbers alone; {file.relative_to(path)} tells of a pickle")
    store = LocalStore(path, read_only=True)
    dataset = xarray.open_zarr(store, chunks=None, consolidated=False, decode_times=False)
    return dataset.load() if dataset.nbytes <= LAZY_BYTES else dataset.chunk({})


def _words(value: Any) -> set[str]:
    """All texts in a tree of JSON."""
    if isinstance(value, dict):
        return set(value) | {word for entry in value.values() for word in _words(entry)}
    if isinstance(value, list):
        return {word for entry in value for word in _words(entry)}
    return {value} if isinstance(value, str) else set()


ROW = Format("zarr store", (".zarr",), read, is_folder=True)
