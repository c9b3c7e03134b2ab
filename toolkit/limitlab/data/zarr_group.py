"""How a dataset lies in a zarr group: laid out for all samples at once, written chunk by chunk, read back whole."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import fsspec
    import xarray
    from zarr.storage import LocalStore

LAZY_BYTES = 2**30
"""Datasets larger than this are opened as dask arrays, smaller ones are loaded."""

STORED_CHUNK_BYTES = 2**24


def create(address: str | LocalStore, chunk: xarray.Dataset, samples: int, first: int, chunk_size: int) -> None:
    """Lay out a zarr group for samples first ... first+samples-1, like `chunk` in everything but their number."""
    import dask.array
    import numpy as np
    import xarray

    def whole(name: str, array: xarray.DataArray) -> xarray.Variable:
        if name == "sample":
            return xarray.Variable(array.dims, first + np.arange(samples), array.attrs)
        if "sample" not in array.dims:
            return array.variable
        shape = {**array.sizes, "sample": samples}
        stored = {**array.sizes, "sample": _stored_samples(array, chunk_size)}
        # lazy: the layout of a large set needs no memory
        zeros = dask.array.zeros(tuple(shape.values()), dtype=array.dtype, chunks=tuple(stored.values()))
        return xarray.Variable(array.dims, zeros, array.attrs)

    layout = xarray.Dataset(
        {str(name): whole(str(name), array) for name, array in chunk.data_vars.items()},
        coords={str(name): whole(str(name), array) for name, array in chunk.coords.items()},
        attrs=chunk.attrs,
    )
    encoding = {
        str(name): {"fill_value": math.nan, "_FillValue": None}
        for name, variable in layout.variables.items()
        if variable.dtype.kind == "f"
    }
    layout.to_zarr(
        address, mode="w", compute=False, consolidated=False, zarr_format=3, encoding=encoding, write_empty_chunks=True
    )


def _stored_samples(array: xarray.DataArray, chunk_size: int) -> int:
    """Samples in one zarr chunk: those of a generated chunk, halved until a zarr chunk is at most 16 MiB."""
    bytes_each = array.nbytes // array.sizes["sample"]
    while chunk_size % 2 == 0 and chunk_size * bytes_each > STORED_CHUNK_BYTES:
        chunk_size //= 2
    return chunk_size


def write_region(address: str | LocalStore, chunk: xarray.Dataset, start: int) -> None:
    """Write the samples of a chunk, the first of which is number `start` of the group."""
    fixed = [name for name, array in chunk.variables.items() if "sample" not in array.dims or name == "sample"]
    region = {"sample": slice(start, start + chunk.sizes["sample"])}
    # a region may hold nothing without its dimension, and sample numbers were laid out for all
    chunk.drop_vars(fixed).to_zarr(address, region=region, consolidated=False, write_empty_chunks=True)


def read(fs: fsspec.AbstractFileSystem, path: str) -> xarray.Dataset:
    """The dataset of a group, in memory where it is small."""
    import xarray

    dataset = xarray.open_zarr(
        zarr_address(fs, path),
        # without dask, which costs more than it gives for a set that fits in memory
        chunks=None,
        consolidated=False,
        # nothing is decoded: the numbers must be the bits that were written
        mask_and_scale=False,
        decode_times=False,
        decode_timedelta=False,
    )
    whole = dataset.load() if dataset.nbytes <= LAZY_BYTES else dataset.chunk({})
    # or writing it elsewhere would repeat this store's chunks
    return whole.drop_encoding()


def is_local(fs: fsspec.AbstractFileSystem) -> bool:
    """Whether the files lie on this machine."""
    from fsspec.implementations.local import LocalFileSystem

    return isinstance(fs, LocalFileSystem)


def zarr_address(fs: fsspec.AbstractFileSystem, path: str) -> str | LocalStore:
    """The path as zarr opens it."""
    from zarr.storage import LocalStore

    # zarr takes a text with :: in it for an address of fsspec
    return LocalStore(path) if is_local(fs) else fs.unstrip_protocol(path)
