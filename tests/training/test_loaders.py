"""Loaders of torch as batches: a function of the step, whatever was asked for before, resumed as if never stopped."""

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset
from training.toy_training import ShiftNet

from limitlab.errors import InvalidArgument
from limitlab.training import Recipe, fit, loaded, runs


class Numbered(Dataset):
    """Ten samples that are their numbers, with noise that each draw is new."""

    def __init__(self, count=10, noise=0.0):
        self.count, self.noise = count, noise

    def __len__(self):
        return self.count

    def __getitem__(self, number):
        value = number + self.noise * torch.rand(())
        return {"input": torch.full((1, 16), float(value)), "target": torch.full((1, 16), float(number))}


class Stream(IterableDataset):
    def __iter__(self):
        return ((torch.full((1, 16), float(n)), torch.full((1, 16), float(n))) for n in range(7))


def rows(batch):
    return batch["input"][:, 0, 0].tolist()


def squared(model, batch):
    return {"squared": (model(batch["input"]) - batch["target"]).square().mean()}


@pytest.mark.parametrize(
    "loader",
    [
        DataLoader(Numbered(noise=0.5), batch_size=4, shuffle=True),
        DataLoader(Numbered(noise=0.5), batch_size=4, shuffle=True, generator=torch.Generator()),
        DataLoader(Stream(), batch_size=3),
        Numbered(noise=0.5),
    ],
    ids=["loader", "own generator", "iterable", "dataset"],
)
def test_a_batch_depends_on_seed_and_step_only(loader):
    forwards, backwards = loaded(loader, seed=4), loaded(loader, seed=4)
    order = [rows(forwards.batch(step)) for step in range(8)]
    torch.rand(3)
    assert [rows(backwards.batch(step)) for step in reversed(range(8))] == order[::-1]
    assert rows(forwards.batch(2)) == order[2]


def test_an_epoch_shows_every_sample_once_in_an_order_of_its_own():
    drawn = loaded(DataLoader(Numbered(), batch_size=5, shuffle=True))
    epochs = [rows(drawn.batch(2 * epoch)) + rows(drawn.batch(2 * epoch + 1)) for epoch in range(3)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_the_order_of_a_loader_without_shuffling_is_kept():
    drawn = loaded(DataLoader(Numbered(), batch_size=4))
    assert [rows(drawn.batch(step)) for step in range(4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9], [0, 1, 2, 3]]


def test_batches_do_not_move_the_generator_of_the_training():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    loaded(Numbered(noise=1.0)).batch(2)
    assert torch.equal(torch.rand(2), expected)


def test_pairs_and_tensors_are_named():
    x, y = torch.rand(4, 2), torch.rand(4, 1)
    pair = loaded(TensorDataset(x, y), size=4, shuffle=False).batch(0)
    assert torch.equal(pair["input"], x)
    assert torch.equal(pair["target"], y)
    assert set(loaded(DataLoader(x, batch_size=2)).batch(0)) == {"input"}
    with pytest.raises(InvalidArgument, match=r"or \(input, target\); got 3 of them"):
        loaded(TensorDataset(x, x, y)).batch(0)


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_the_batches_of_a_loader(world):
    loader = DataLoader(Numbered(12), batch_size=2, shuffle=True)
    one, shares = loaded(loader), [loaded(loader).shard(rank, world) for rank in range(world)]
    for step in range(5):
        assert [rows(share.batch(step)) for share in shares] == [
            rows(one.batch(world * step + k)) for k in range(world)
        ]
    with pytest.raises(InvalidArgument, match="already the share"):
        shares[0].shard(0, 2)


def test_fit_takes_a_loader_and_goes_on_where_it_stopped(tmp_path):
    loader = DataLoader(Numbered(noise=0.5), batch_size=4, shuffle=True)
    whole, parted = ShiftNet(dropout=0.3), ShiftNet(dropout=0.3)
    recipe = Recipe(squared, loader, steps=11, learning_rate=1e-2)
    losses = [step.loss for step in fit(whole, recipe, run=runs.create(tmp_path / "whole", {}, "toy", 0), device="cpu")]
    run = runs.create(tmp_path / "parted", {}, "toy", 0)
    training = fit(parted, recipe, run=run, device="cpu")
    first = [next(training).loss for _ in range(5)]
    training.close()
    rest = [step.loss for step in fit(parted, recipe, run=run, resume=True, device="cpu")]
    assert first + rest == losses
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(whole.parameters(), parted.parameters(), strict=True))


def test_workers_load_the_same_batches():
    loaders = [DataLoader(Numbered(), batch_size=4, shuffle=True, num_workers=count) for count in (0, 1)]
    assert rows(loaded(loaders[0]).batch(1)) == rows(loaded(loaders[1]).batch(1))


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ([1, 2], {}, "data must be a torch DataLoader or Dataset; got list"),
        (Numbered(), {"size": 0}, "size must be a whole number >= 1"),
        (Numbered(0), {}, "no samples"),
        (DataLoader(Numbered(3), batch_size=4, drop_last=True), {}, "no batches"),
        (DataLoader(Numbered(3)), {"size": 4}, "size and shuffle must be left out"),
        (Stream(), {"shuffle": True}, "shuffle must be left out"),
    ],
)
def test_what_is_no_loader_is_refused(data, options, message):
    with pytest.raises(InvalidArgument, match=message):
        loaded(data, **options)


def test_a_stream_that_is_empty_is_refused():
    class Empty(IterableDataset):
        def __iter__(self):
            return iter(())

    with pytest.raises(InvalidArgument, match="gives no batches"):
        loaded(Empty()).batch(0)
