"""netCDF: arrays with named dims, of version 4 (which is HDF5) or of the classic ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from limitlab.data.files.row import Format
from limitlab.data.zarr_group import LAZY_BYTES

if TYPE_CHECKING:
    import xarray


def read(path: Path) -> xarray.Dataset:
    """The dataset of a file: in memory, or lazily where it is large."""
    import xarray

    with path.open("rb") as file:
        classic = file.read(3) == b"CDF"
    dataset = xarray.open_dataset(path, engine="scipy" if classic else "h5netcdf", decode_times=False, cache=False)
    if dataset.nbytes > LAZY_BYTES:
        return dataset.chunk("auto")
    with dataset:
        return dataset.load()


ROW = Format("netCDF file", (".nc", ".nc4", ".cdf"), read, (b"CDF", b"\x89HDF\r\n\x1a\n"))
