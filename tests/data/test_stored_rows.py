"""Rows that stay in their file: the same batches, of which no more is read than they ask for."""

import dask.array
import numpy as np
import pytest
import torch
import xarray as xr

from limitlab.data import batches
from limitlab.data.stored_rows import StoredRows
from limitlab.errors import InvalidArgument

VALUES = np.random.default_rng(0).random((10, 1, 4))


@pytest.fixture
def stored():
    """A dataset of one chunk a sample, and the samples that were read of it."""
    read = []

    def chunk(block_info):
        number = block_info[None]["chunk-location"][0]
        read.append(number)
        return VALUES[number : number + 1]

    lazy = dask.array.map_blocks(
        chunk, chunks=((1,) * 10, (1,), (4,)), dtype=VALUES.dtype, meta=np.empty((0, 0, 0), dtype=VALUES.dtype)
    )
    dims = ("sample", "channel", "x")
    dataset = xr.Dataset({"input": (dims, lazy), "target": (dims, -lazy)}, {"x": np.arange(4.0)})
    return dataset, read


def test_lazy_batches_are_those_of_the_whole(stored):
    dataset, _ = stored
    whole, lazy = (batches(dataset, size=4, seed=3, lazy=lazy) for lazy in (False, True))
    for step in range(5):
        assert all(torch.equal(whole.batch(step)[role], lazy.batch(step)[role]) for role in ("input", "target"))
    assert torch.equal(whole.tensors()["input"], lazy.tensors()["input"])
    assert torch.equal(lazy.samples()[7]["target"], whole.samples()[7]["target"])


def test_a_batch_reads_its_own_samples_alone(stored):
    dataset, read = stored
    drawn = batches(dataset, size=2, seed=1, check=False, lazy=True)
    assert read == []
    values = drawn.batch(0)["input"]
    assert len(set(read)) == 2
    torch.testing.assert_close(values.double(), torch.from_numpy(VALUES).float().double()[torch.tensor(_order(values))])


def _order(values):
    whole = torch.from_numpy(VALUES).float()
    return [int((whole == value).flatten(1).all(1).int().argmax()) for value in values]


def test_rows_come_in_the_order_that_was_asked_for():
    rows = StoredRows(xr.DataArray(np.arange(12.0).reshape(6, 2), dims=("sample", "x")).chunk(sample=2))
    asked = torch.tensor([5, 0, 3, 3])
    assert rows.rows(asked)[:, 0].tolist() == [10.0, 0.0, 6.0, 6.0]


def test_values_that_are_not_finite_are_found_block_by_block(stored, monkeypatch):
    monkeypatch.setattr("limitlab.data.stored_rows.BYTES_AT_ONCE", 32)
    dataset, _ = stored
    spoilt = dataset.assign(target=dataset["target"].where(dataset["target"] != -VALUES[6, 0, 2], np.inf))
    with pytest.raises(InvalidArgument, match=r"'target' is not finite.*position 6"):
        batches(spoilt, size=2, lazy=True)
