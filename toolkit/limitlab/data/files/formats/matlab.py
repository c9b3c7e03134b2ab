"""Files of MATLAB: named arrays. Those of version 7.3 are HDF5 files, in which every array lies transposed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from limitlab.data.files.formats import hdf5
from limitlab.data.files.row import Contents, Format

VERSION_HDF5 = b"MATLAB 7.3"


def read(path: Path) -> Contents:
    """The numeric arrays of a file; structures and texts are left out."""
    from scipy.io import loadmat

    with path.open("rb") as file:
        is_hdf5 = file.read(len(VERSION_HDF5)) == VERSION_HDF5
    if is_hdf5:
        whole = hdf5.read(path)
        return Contents(path.name, {name: array.T for name, array in whole.arrays.items()}, whole.attrs)
    arrays = {name: value for name, value in loadmat(path).items() if isinstance(value, np.ndarray)}
    # MATLAB has no arrays of one dim: a row or a column is one
    plain = {name: value.ravel() if value.ndim == 2 and 1 in value.shape else value for name, value in arrays.items()}
    return Contents(path.name, {name: value for name, value in plain.items() if value.dtype.kind in "biufc"})


ROW = Format("MATLAB file", (".mat",), read)
