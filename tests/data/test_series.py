"""Series of many samples: what is missing, how long each is, and which sample an error is about."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limitlab.data import series
from limitlab.errors import InvalidArgument

NAN = float("nan")


def drawn(samples=6, rows=9, channels=2, seed=0):
    draws = np.random.default_rng(seed)
    times = np.cumsum(draws.uniform(0.1, 1.0, (samples, rows)), axis=1)
    return series(times, draws.normal(3.0, 2.0, (samples, rows, channels)), labels=np.arange(samples) % 2)


@pytest.mark.parametrize(
    ("times", "values", "options", "words"),
    [
        ([0.0], [[[1.0]]], {}, "sample 0 has 1"),
        ([0.0, 1.0], [[[1.0], [1.0]], [[NAN], [NAN]]], {}, "sample 1 has no measurement"),
        ([[0.0, 1.0], [1.0, 1.0]], [[[1.0], [1.0]]] * 2, {}, "in sample 1, 1 follows 1 at row 1"),
        ([[0.0, 1.0], [1.0, 0.5]], [[[1.0], [1.0]]] * 2, {}, "in sample 1, 0.5 follows 1 at row 1"),
        ([0.0, NAN], [[[1.0], [1.0]]], {}, "times must be finite; sample 0 has nan"),
        ([0.0, 1.0], [[[1.0], [float("inf")]]], {}, "sample 0 is not"),
        ([0.0, 1.0, 2.0], [[[1.0], [1.0]]], {}, "times must be"),
        ([0.0, 1.0], [[1.0, 1.0]], {}, "(sample, time, channel)"),
        ([0.0, 1.0], [[[1.0], [1.0]]], {"lengths": [1]}, "sample 0 has 1"),
        ([0.0, 1.0], [[[1.0], [1.0]]], {"lengths": [3]}, "at most 2"),
        ([0.0, 1.0], [[[1.0], [1.0]]], {"labels": [-1]}, "labels must be"),
        ([0.0, 1.0], [[[1.0], [1.0]]], {"labels": [2], "classes": ("a", "b")}, "below 2"),
        ([1.7e9, 1.7e9 + 60], torch.ones(1, 2, 1), {}, "take double"),
    ],
)
def test_what_cannot_be_a_series_is_refused_by_sample(times, values, options, words):
    with pytest.raises(InvalidArgument) as raised:
        series(times, values, **options)
    assert words in str(raised.value)


def test_rows_beyond_a_sample_s_length_do_not_count():
    short = series([[0.0, 1.0, 0.0], [0.0, 1.0, 2.0]], torch.ones(2, 3, 1), lengths=[2, 3])
    assert short.observed[:, :, 0].tolist() == [[True, True, False], [True, True, True]]
    assert (short.times.diff(dim=1) > 0).all()
    assert short.window == (0.0, 2.0)


@settings(max_examples=30, deadline=None)
@given(low=st.floats(0, 1), high=st.floats(0, 1), by=st.sampled_from(["value", "time"]), seed=st.integers(0, 99))
def test_what_is_missing_grows_with_the_rate_and_depends_on_the_seed_alone(low, high, by, seed):
    low, high = sorted((low, high))
    full = drawn()
    few, many = full.dropped(low, seed, by), full.dropped(high, seed, by)
    assert (many.observed <= few.observed).all()
    assert many.observed[:, 0].all()
    again = drawn(seed=5).dropped(high, seed, by)
    assert again.observed.equal(many.observed)


def test_the_share_that_is_missing_is_the_rate():
    full = series(np.arange(200.0), torch.zeros(50, 200, 3))
    assert abs(float((~full.dropped(0.3, 1, first=True).observed).float().mean()) - 0.3) < 0.01
    rows = full.dropped(0.3, 1, "time").observed
    assert (rows.all(-1) | ~rows.any(-1)).all()


def test_standardised_by_what_was_measured_in_the_training_set():
    full = drawn(400).dropped(0.4, 0)
    train, test = full.split(0.5, 0)
    scaled = train.standardised()
    assert abs(float(scaled.values.nanmean())) < 1e-12
    assert torch.allclose(
        scaled.values.nan_to_num().square().sum((0, 1)) / scaled.observed.sum((0, 1)), torch.ones(2).double()
    )
    other = test.standardised(train).values
    mean = other.nanmean((0, 1))
    assert torch.allclose(mean, torch.zeros(2).double(), atol=0.2)
    assert mean.abs().max() > 0
    assert series([0.0, 1.0], torch.full((2, 2, 1), 7.0)).standardised().values.abs().max() == 0
    with pytest.raises(InvalidArgument, match="channel 1 was never measured"):
        series([0.0, 1.0], torch.tensor([[[1.0, NAN], [2.0, NAN]]])).standardised()


def test_a_split_has_every_class_in_both_parts_and_every_sample_once():
    full = drawn(20)
    first, second = full.split(0.7, 3)
    assert torch.bincount(first.labels).tolist() == [7, 7]
    assert sorted(torch.cat([first.times[:, 0], second.times[:, 0]]).tolist()) == sorted(full.times[:, 0].tolist())
    with pytest.raises(InvalidArgument, match="leaves one part empty"):
        full.split(0.0, 3)


def test_rescaled_to_the_window_of_the_training_set():
    full = drawn()
    low, high = full.window
    assert full.rescaled().window == (0.0, 1.0)
    assert torch.allclose(full.rescaled((low, 2 * high - low)).times, (full.times - low) / (2 * (high - low)))
    with pytest.raises(InvalidArgument, match="interval"):
        full.rescaled((1.0, 1.0))


def test_batches_hold_times_values_lengths_and_labels_of_the_same_samples():
    full = drawn()
    batch = full.batches(3, seed=1).batch(1)
    rows = [int((full.times[:, 0] == time).int().argmax()) for time in batch["times"][:, 0]]
    assert batch["values"].equal(full.values[rows])
    assert batch["label"].equal(full.labels[rows])
    assert batch["lengths"].dtype == torch.int64


def test_the_card_says_what_is_there():
    shown = drawn().dropped(0.5, 0)
    assert "2 classes" in repr(shown)
    assert "% missing" in repr(shown)
    assert "0: 3, 1: 3" in str(shown.card())


def test_samples_of_different_lengths_are_filled_up_and_masked():
    values = [
        torch.rand(5, 2).double(),
        np.random.default_rng(0).random((3, 2)).astype(np.float32),
        [[1.0, 2.0], [np.nan, 4.0]],
    ]
    times = [torch.arange(5.0), [0.0, 0.5, 2.0], [1.0, 3.0]]
    ragged = series(times, values)
    assert ragged.lengths.tolist() == [5, 3, 2]
    batch = ragged.batches(3, shuffle=False, masked=True).batch(0)
    assert batch["mask"].sum((1, 2)).tolist() == [10, 6, 3]
    assert batch["values"].isfinite().all()
    for sample, (part, moments) in enumerate(zip(values, times, strict=True)):
        rows = len(part)
        known, expected = torch.as_tensor(part).double().nan_to_num(0.0), torch.as_tensor(moments).double()
        torch.testing.assert_close(batch["values"][sample, :rows], known)
        torch.testing.assert_close(batch["times"][sample, :rows], expected)
        assert not batch["mask"][sample, rows:].any()


def test_without_a_mask_a_gap_is_nan():
    full = series([0.0, 1.0], torch.rand(2, 2, 1))
    assert set(full.batches(2).batch(0)) == {"times", "values", "lengths"}


@pytest.mark.parametrize(
    ("times", "values", "message"),
    [
        ([0.0, 1.0], [torch.rand(2, 1), torch.rand(3, 1)], "sample 0 must have values"),
        ([[0.0, 1.0]], [torch.rand(2, 1), torch.rand(3, 1)], "times must be a list of 2"),
        (
            [[0.0, 1.0], [0.0, 1.0]],
            [torch.rand(2, 1), torch.rand(3, 1)],
            r"sample 1 must have .*\(3, 1\) at times \(2,\)",
        ),
        ([[0.0, 1.0], [0.0, 1.0, 2.0]], [torch.rand(2, 1), torch.rand(3, 2)], r"sample 1 must have values \(time, 1\)"),
        ([[0.0, 1.0], [0.0]], [torch.rand(2, 1), torch.rand(1, 1)], "two times or more"),
    ],
)
def test_ragged_samples_that_do_not_fit_are_named(times, values, message):
    with pytest.raises(InvalidArgument, match=message):
        series(times, values)
