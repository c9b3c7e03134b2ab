"""Archives of NumPy: named arrays. Arrays of objects are pickles, and are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from limitlab.data.files.row import Contents, Format


def read(path: Path) -> Contents:
    """The arrays of an archive, in memory."""
    with np.load(path, allow_pickle=False) as archive:
        return Contents(path.name, {name: archive[name] for name in archive.files})


ROW = Format("NumPy archive", (".npz",), read, (b"PK\x03\x04", b"PK\x05\x06"))
