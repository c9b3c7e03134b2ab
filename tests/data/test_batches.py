"""Batches: a pure function of (seed, step), the same for every number of processes."""

import numpy as np
import pytest
import torch
import xarray as xr
from data.synthetic import Waves
from torch.utils.data import DataLoader

from limitlab.data import batches
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.spaces import Grid


@pytest.fixture
def numbered():
    """Ten samples whose values are their numbers, so that a batch shows which rows it took."""
    grid = Grid.uniform(4)
    values = np.broadcast_to(np.arange(10.0)[:, None, None], (10, 1, 4))
    dims = ("sample", "channel", "x")
    return xr.Dataset({"input": (dims, values), "target": (dims, -values)}, attrs={"grid": grid.to_json()})


def rows(batch):
    return batch["input"][:, 0, 0].int().tolist()


def test_an_epoch_shows_every_sample_once_in_an_order_of_its_own(numbered):
    drawn = batches(numbered, size=5, seed=1)
    epochs = [rows(drawn.batch(2 * epoch)) + rows(drawn.batch(2 * epoch + 1)) for epoch in range(3)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_a_batch_depends_on_seed_and_step_only(numbered):
    forwards, backwards = batches(numbered, size=3, seed=4), batches(numbered, size=3, seed=4)
    order = [rows(forwards.batch(step)) for step in range(9)]
    assert [rows(backwards.batch(step)) for step in reversed(range(9))] == order[::-1]
    assert [rows(batches(numbered, size=3, seed=5).batch(step)) for step in range(9)] != order


def test_inputs_and_targets_stay_together(numbered):
    batch = batches(numbered, size=4).batch(7)
    torch.testing.assert_close(batch["target"], -batch["input"])


def test_the_last_incomplete_batch_is_dropped(numbered):
    drawn = batches(numbered, size=4)
    assert len(drawn) == 2
    assert len(set(rows(drawn.batch(0)) + rows(drawn.batch(1)))) == 8


def test_a_set_smaller_than_a_batch_is_one_batch(numbered):
    drawn = batches(numbered, size=64)
    assert len(drawn) == 1
    assert sorted(rows(drawn.batch(3))) == list(range(10))


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("world", [2, 3])
def test_processes_together_see_what_one_with_a_larger_batch_sees(numbered, world, shuffle):
    one = batches(numbered, size=2 * world, seed=9, shuffle=shuffle)
    shares = [batches(numbered, size=2, seed=9, shuffle=shuffle).shard(rank, world) for rank in range(world)]
    assert {len(share) for share in shares} == {len(one)}
    for step in range(6):
        assert [row for share in shares for row in rows(share.batch(step))] == rows(one.batch(step))


def test_without_shuffling_the_order_is_the_datasets(numbered):
    drawn = batches(numbered, size=5, shuffle=False)
    assert [rows(drawn.batch(step)) for step in range(3)] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [0, 1, 2, 3, 4]]


def test_a_batch_may_be_changed_without_changing_the_set(numbered):
    drawn = batches(numbered, size=5, shuffle=False)
    drawn.batch(0)["input"].zero_()
    numbered["input"].values = np.full((10, 1, 4), 7.0)
    assert rows(drawn.batch(0)) == [0, 1, 2, 3, 4]


def test_tensors_are_contiguous_float32_in_the_order_sample_channel_grid(numbered):
    shuffled_dims = numbered.transpose("x", "sample", "channel")
    whole = batches(shuffled_dims, size=5).tensors()
    assert {name: (tuple(t.shape), t.dtype, t.is_contiguous()) for name, t in whole.items()} == {
        name: ((10, 1, 4), torch.float32, True) for name in ("input", "target")
    }


def test_the_grid_is_the_datasets():
    dataset = Waves().simulate(3, resolution=16)
    assert batches(dataset, size=2).grid == Grid.uniform(16, lengths=2 * np.pi)


def test_an_input_may_have_channels_of_its_own(numbered):
    pair = xr.concat([numbered["input"], numbered["target"]], "channel").rename(channel="input_channel")
    both = xr.Dataset({"pair": pair, "target": numbered["target"]}, attrs=numbered.attrs)
    batch = batches(both, inputs="pair", size=3).batch(0)
    assert batch["input"].shape == (3, 2, 4)
    assert batch["target"].shape == (3, 1, 4)


def test_a_variable_without_channels_is_one(numbered):
    whole = batches(numbered, size=10, shuffle=False).batch(0)
    bare = batches(numbered.isel(channel=0), size=10, shuffle=False).batch(0)
    assert all(torch.equal(bare[role], whole[role]) for role in ("input", "target"))


def test_coordinates_are_a_grid_where_no_attribute_says_one(numbered):
    cells = Grid.uniform(4, lengths=2.0, starts=-1.0, kind="cells")
    plain = numbered.drop_attrs().assign_coords(cells.coordinates())
    assert batches(plain, size=2).grid == cells


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300], ids=["nan", "inf", "overflows float32"])
def test_a_value_that_is_not_finite_is_named_unless_unchecked(numbered, bad):
    dataset = numbered.assign_coords(sample=np.arange(100, 110)).copy(deep=True)
    values = dataset["target"].values.copy()
    values[6, 0, 2] = bad
    dataset["target"] = dataset["target"].copy(data=values)
    with pytest.raises(InvalidArgument, match=r"'target' is not finite.*position 6 \(sample 106\)"):
        batches(dataset, size=2)
    assert not batches(dataset, size=10, check=False).batch(0)["target"].isfinite().all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 0}, "size must be a whole number >= 1"),
        ({"size": 2.5}, "size"),
        ({"seed": -1}, "seed must be a whole number >= 0"),
    ],
)
def test_bad_arguments_of_batches_are_named(numbered, change, message):
    with pytest.raises(InvalidArgument, match=message):
        batches(numbered, **{"size": 2, **change})


def test_unknown_variable_lists_the_known_ones(numbered):
    with pytest.raises(UnknownName, match=r"variable 'inputs'; did you mean 'input'\? known: input, target"):
        batches(numbered, inputs="inputs", size=2)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda ds: ds.expand_dims(time=2), r"needs the dims \(sample, channel, x\)"),
        (lambda ds: ds.isel(x=slice(None, None, 2)), r"grid's shape \(4,\)"),
        (lambda ds: ds.drop_attrs(), "no attribute 'grid'"),
        (lambda ds: ds.isel(sample=slice(0)), "no samples"),
    ],
    ids=["times", "strided", "no grid", "empty"],
)
def test_a_dataset_that_does_not_fit_is_refused(numbered, spoil, message):
    with pytest.raises(InvalidArgument, match=message):
        batches(spoil(numbered), size=2)


def test_shares_that_cannot_be_equal_are_refused(numbered):
    drawn = batches(numbered, size=6)
    with pytest.raises(InvalidArgument, match="2 processes with batches of 6 need 12 samples; got 10"):
        drawn.shard(0, 2)
    with pytest.raises(InvalidArgument, match="rank must be"):
        drawn.shard(1, 1)
    with pytest.raises(InvalidArgument, match="already"):
        batches(numbered, size=2).shard(0, 2).shard(0, 2)
    with pytest.raises(InvalidArgument, match="step must be a whole number >= 0"):
        drawn.batch(-1)


def test_batches_are_a_torch_dataset_of_the_first_epoch(numbered):
    drawn = batches(numbered, size=4, seed=1)
    loaded = list(DataLoader(drawn, batch_size=None))
    assert [rows(batch) for batch in loaded] == [rows(drawn.batch(step)) for step in range(len(drawn))]
    assert rows(drawn[-1]) == rows(drawn.batch(1))
    with pytest.raises(IndexError, match="2 batches in an epoch"):
        drawn[2]


def test_single_samples_are_a_torch_dataset_in_order(numbered):
    samples = batches(numbered, size=4, seed=1).samples()
    (whole,) = DataLoader(samples, batch_size=10)
    assert rows(whole) == list(range(10))
    samples[3]["input"].zero_()
    assert float(samples[3]["input"].mean()) == 3.0
