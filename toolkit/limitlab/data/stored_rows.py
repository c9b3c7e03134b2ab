"""Samples that stay in their file until a batch asks for them: for sets larger than memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

if TYPE_CHECKING:
    import xarray

BYTES_AT_ONCE = 2**26


class StoredRows:
    """An array (sample, *rest) of which rows are read as float32 tensors; a chunk of the file is read at once.

    >>> from limitlab.data.stored_rows import StoredRows
    >>> field = ll.labels.labelled(u=("sample x", [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], "field"))["u"].chunk(sample=1)
    >>> StoredRows(field).rows(torch.tensor([2, 0])).tolist()
    [[5.0, 6.0], [1.0, 2.0]]
    """

    dtype = torch.float32

    def __init__(self, array: xarray.DataArray) -> None:
        self.array = array
        self.shape = tuple(array.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def rows(self, numbers: Int64[Tensor, " row"]) -> Float[Tensor, "row *rest"]:
        """The rows of these numbers, in their order."""
        # in the order of the file, whose chunks then follow each other
        order = numbers.argsort()
        read = self.array.isel({self.array.dims[0]: numbers[order].numpy()})
        return _single(read)[order.argsort()]

    def whole(self) -> Float[Tensor, "sample *rest"]:
        """All rows."""
        return _single(self.array)

    def blocks(self) -> Iterator[Float[Tensor, "row *rest"]]:
        """All rows in order, so many at once as fit in a small part of memory."""
        each = max(1, 4 * int(np.prod(self.shape[1:])))
        for block in torch.arange(len(self)).split(max(1, BYTES_AT_ONCE // each)):
            yield self.rows(block)

    def finite(self) -> Bool[Tensor, " row"]:
        """Which rows are finite throughout."""
        return torch.cat([block.isfinite().flatten(1).all(dim=1) for block in self.blocks()])


def _single(array: xarray.DataArray) -> Tensor:
    """A copy in single precision; float64 beyond its range turns infinite."""
    with np.errstate(over="ignore"):
        return torch.from_numpy(np.array(array.values, dtype=np.float32, order="C"))
