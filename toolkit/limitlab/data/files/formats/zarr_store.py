"""Zarr: a folder of arrays with named dims. Arrays of objects may be pickles, and no array of such a store is read."""

from __future__ import annotations

import json
from collections.abc import Iterator
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
        if any("pickle" in codec for codec in _codecs(json.loads(file.read_text(encoding="utf-8")))):
            raise InvalidArgument(f"{path.name} must hold numbers alone; {file.relative_to(path)} tells of a pickle")
    store = LocalStore(path, read_only=True)
    dataset = xarray.open_zarr(store, chunks=None, consolidated=False, decode_times=False)
    return dataset.load() if dataset.nbytes <= LAZY_BYTES else dataset.chunk({})


def _codecs(value: Any) -> Iterator[str]:
    """All texts under "id" or "name" in a tree of JSON, as codecs are named in versions 2 and 3."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        if key in ("id", "name") and isinstance(entry, str):
            yield entry.lower()
        yield from _codecs(entry)


ROW = Format("zarr store", (".zarr",), read, is_folder=True)
