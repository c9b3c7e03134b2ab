"""Damped oscillators: frequencies by class, noise with its law, a pure function of the seed."""

import numpy as np
import torch

from limitlab.data import damped_oscillators
from limitlab.data.sources.oscillators import FREQUENCIES, MEMORY


def test_a_clean_oscillator_turns_with_the_frequency_of_its_class():
    drawn = damped_oscillators(30, 200, noise=0.0, seed=3)
    angle = np.unwrap(np.arctan2(*drawn.values.double().numpy().transpose(2, 0, 1)), axis=1)
    speed = (angle[:, -1] - angle[:, 0]) / (drawn.times[:, -1] - drawn.times[:, 0]).numpy()
    np.testing.assert_allclose(speed, np.array(FREQUENCIES)[drawn.labels], rtol=1e-4)


def test_noise_has_its_deviation_and_its_memory():
    clean, noisy = (damped_oscillators(3000, 20, noise=noise, seed=1) for noise in (0.0, 0.1))
    rest = (noisy.values - clean.values).double()
    # 3000 x 2 draws a time: one per cent of error, four of them allowed
    assert torch.allclose(rest.std(dim=(0, 2)), torch.tensor(0.1).double(), rtol=0.04)
    gaps = noisy.times.diff(dim=1)[..., None].double()
    drift = (rest[:, 1:] * rest[:, :-1]).mean() / 0.01
    assert abs(float(drift - (-gaps / MEMORY).exp().mean())) < 0.02


def test_the_seed_decides_and_times_increase():
    first, again, other = damped_oscillators(9, seed=2), damped_oscillators(9, seed=2), damped_oscillators(9, seed=3)
    assert first.values.equal(again.values)
    assert not first.values.equal(other.values)
    assert (first.times.diff(dim=1) > 0).all()
    assert (first.times[:, [0, -1]] == torch.tensor([0.0, 1.0])).all()
