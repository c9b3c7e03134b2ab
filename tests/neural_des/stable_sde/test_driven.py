"""Paths through series: the spline of torchcde, no look ahead, gaps, batches."""

import pytest
import torch

from limitlab.data import basic_motions, damped_oscillators, japanese_vowels, series
from limitlab.errors import InvalidArgument
from limitlab.neural_des.stable_sde import PathBatches, known_until, path_of, path_on, path_through
from limitlab.spaces import control_path


def with_gaps(rate=0.4):
    return damped_oscillators(8, 15, seed=3).dropped(rate, seed=1)


def test_the_path_is_torchcde_s_hermite_spline_with_backward_differences():
    torchcde = pytest.importorskip("torchcde")
    drawn = basic_motions()[0].rescaled().take(torch.arange(5)).dropped(0.4, seed=2)
    path, times = path_through(drawn), drawn.times[0]
    rows = torch.cat([drawn.times[..., None], drawn.values], -1)
    spline = torchcde.CubicSpline(torchcde.hermite_cubic_coefficients_with_backward_differences(rows, times), times)
    asked = torch.rand(40, generator=torch.Generator().manual_seed(0))
    for ours, theirs in ((path.evaluate, spline.evaluate), (path.derivative, spline.derivative)):
        value = theirs(asked)
        # float32: a spline's slope divides rounding by the gap of 0.01
        assert (ours(asked) - value).abs().max() <= 1e-6 * value.abs().max().clamp_min(1)


def test_a_later_value_leaves_the_path_before_its_gap_as_it_is():
    """The value of row k is needed from row k - 1 on, and not before: bit-identical."""
    drawn = damped_oscillators(4, 12, seed=0)
    changed = drawn.values.clone()
    changed[:, 7] += 5.0
    first = path_through(drawn)
    second = path_through(series(drawn.times, changed))
    before = drawn.times[:, :7]
    assert first.evaluate(before).equal(second.evaluate(before))
    assert not first.evaluate(drawn.times[:, 7:8] - 1e-3).equal(second.evaluate(drawn.times[:, 7:8] - 1e-3))


def test_a_share_of_nothing_leaves_the_coefficients_as_they_are_and_of_nearly_all_leaves_them_finite():
    drawn = damped_oscillators(8, 30, seed=3)
    assert path_through(drawn).coefficients.equal(path_through(drawn.dropped(0.0, seed=1)).coefficients)
    scarce = path_through(drawn.dropped(0.99, seed=1))
    assert scarce.coefficients.isfinite().all()


def test_a_first_value_that_is_missing_is_not_filled_from_later_ones():
    values = torch.tensor([[[torch.nan], [5.0], [6.0]], [[1.0], [5.0], [6.0]]])
    path = path_through(series([0.0, 0.5, 1.0], values))
    assert path.evaluate(0.0)[:, 1].tolist() == [0.0, 1.0]


def test_what_is_known_stops_at_its_time_and_the_clock_goes_on():
    drawn = damped_oscillators(4, 20, seed=0)
    other = series(drawn.times, torch.where((drawn.times > 0.6)[..., None], drawn.values + 3, drawn.values))
    paths = [path_through(known_until(each, 0.6)) for each in (drawn, other)]
    assert paths[0].coefficients.equal(paths[1].coefficients)
    late = paths[0].evaluate(torch.tensor([0.9, 1.0]))
    assert torch.allclose(late[:, :, 0], torch.tensor([0.9, 1.0]))
    assert late[:, 0, 1:].equal(late[:, 1, 1:])
    with pytest.raises(InvalidArgument, match=r"time -1 leaves nothing of sample 0"):
        known_until(drawn, -1.0)


def test_series_of_different_lengths_have_ends_of_their_own():
    train = japanese_vowels()[0].take(torch.arange(6))
    path = path_through(train.rescaled())
    ends = train.rescaled().times.gather(1, train.lengths[:, None] - 1)[:, 0]
    assert torch.allclose(path.end, ends)


@pytest.mark.parametrize("make", [lambda: path_through(with_gaps()), lambda: path_through(basic_motions()[0])])
def test_a_batch_is_a_part_of_the_path(make):
    path = make()
    batches = PathBatches(path, size=4, seed=5, number=torch.arange(path.batch))
    batch = batches.batch(1)
    part = path_of(batch)
    whole = path.evaluate(0.37)
    assert torch.allclose(part.evaluate(0.37), whole[batch["number"]])
    assert path_on(part, "cpu").evaluate(0.37).equal(part.evaluate(0.37))
    halves = [path_of(batches.shard(rank, 2).batch(0)).batch for rank in range(2)]
    assert halves == [4, 4]


def test_linear_paths_stay_linear():
    path = control_path([0.0, 0.5, 1.0], torch.tensor([[[0.0], [1.0], [0.0]]] * 2), "linear")
    batch = PathBatches(path, size=2, shuffle=False).batch(0)
    assert path_of(batch).evaluate(0.25)[:, 1].tolist() == [0.5, 0.5]
