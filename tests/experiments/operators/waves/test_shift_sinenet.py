"""Noise that is moved by a number of points: what the data are, and that little is learned of a long way."""

import pytest
import torch

from limitlab import experiments
from limitlab.errors import InvalidArgument
from limitlab.experiments.operators.waves.shift_sinenet import noise
from limitlab.spaces import Grid


def test_noise_has_all_waves_up_to_the_highest_and_no_others():
    fields = noise(Grid.uniform((32, 32)), 12, 400, seed=1)[:, 0]
    assert float(fields.std()) == pytest.approx(1.0, abs=0.01)
    power = torch.fft.fft2(fields, norm="forward").abs().square().mean(0)
    k = torch.fft.fftfreq(32, 1 / 32).abs()
    inside = (k[:, None] <= 12) & (k <= 12)
    inside[0, 0] = False
    assert float(power[~inside].max()) < 1e-10
    # 400 samples of each, of which two are one number and its conjugate
    assert float((power[inside] * (25**2 - 1) - 1).abs().max()) < 0.35


def test_a_field_is_one_whatever_the_number_drawn():
    grid = Grid.uniform((16, 16))
    assert torch.equal(noise(grid, 6, 5, seed=3)[4:], noise(grid, 6, 1, seed=3, first=4))
    assert not torch.equal(noise(grid, 6, 1, seed=3), noise(grid, 6, 1, seed=4))


@pytest.fixture(scope="module")
def result():
    experiment = experiments.get("shift_sinenet")
    settings = experiment.configure(
        "smoke", device="cpu", waves=(1,), shifts=(0, 4), steps=60, batch_size=8, width=8, weights=40_000
    )
    return experiment.train(settings).finish()


def test_what_stays_is_learned_before_what_moves_farther_than_a_wave_reaches(result):
    errors = result.grid("waves", "shift")["relative_l2"].mean(("seed", "sample")).sel(waves=1)
    assert float(errors.sel(shift=4)) > 2 * float(errors.sel(shift=0))


def test_targets_are_moved_fields(result):
    trial = result.prepared.trial(waves=1, shift=4)
    batch = trial.recipe.batches.batch(3)
    assert torch.equal(batch["target"][..., 4:], batch["input"][..., :-4])
    assert torch.equal(trial.build(0).moved(batch["input"]), batch["target"])


def test_figures_are_drawn(result):
    figures = result.figures()
    assert set(figures) == {"training", "shift", "sample"}
    assert list(figures["shift"].data[0].x) == [0, 4]


def test_noise_that_the_grid_does_not_hold_is_refused():
    with pytest.raises(InvalidArgument, match="twice the highest"):
        experiments.get("shift_sinenet").configure("course", highest=16)
