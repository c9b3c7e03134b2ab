"""Spirals that turn one way or the other, and the same curves run through at two speeds: series with a class.

    y' = A y,      A = ((-0.3, 2), (-2, -0.3)),      y(0) on the unit circle,      t in [0, 4 pi].

Source of the first: the neural CDE example of diffrax (Kidger); the second has the same values at other times.
"""

from __future__ import annotations

import numpy as np
import torch

from limitlab.data.series import Series, series
from limitlab.errors import check_number

DECAY, TURN, END = 0.3, 2.0, 4 * np.pi
NOISE = 0.01
NEAR, SLOW = 0.5, 0.25
"""Of the paced spirals: where they begin, in radians, and how fast they turn, at which half a turn is all."""


def spirals(samples: int = 256, times: int = 100, seed: int = 0, *, noise: float = NOISE) -> Series:
    """Inward spirals in the plane; class 1 is mirrored, so that it turns the other way. noise: deviation of each value.

    Every second sample is mirrored. Values and times are as the equation gives them: see `Series.rescaled`.

    >>> ll.data.spirals(samples=4, times=50)
    Series(4 samples, 2 channels, 2 classes, 50 times on [0, 12.5664]; 0 % missing)
    """
    clock, curves, labels = _curves(samples, times, seed, noise)
    curves[labels == 1, :, 0] *= -1
    return series(clock, torch.from_numpy(curves).float(), labels, classes=("clockwise", "anticlockwise"))


def paced_spirals(samples: int = 256, times: int = 100, seed: int = 0, *, noise: float = NOISE) -> Series:
    """Inward spirals from near (1, 0) at even times, and, in class 1, at times that are early and then late: s -> s^2.

    The values do not tell the classes apart, only the times do. All begin within half a radian of each other, and make
    half a turn.

    >>> paced = ll.data.paced_spirals(samples=4, times=50)
    >>> bool(paced.times[0].diff().std() < 1e-5), bool(paced.times[1].diff().std() > 0.1)
    (True, True)
    """
    clock, curves, labels = _curves(samples, times, seed, noise, spread=NEAR, turn=SLOW)
    share = clock / END
    moments = np.where(labels[:, None] == 1, share**2, share) * END
    return series(moments, torch.from_numpy(curves).float(), labels, classes=("even", "accelerating"))


def _curves(
    samples: int, times: int, seed: int, noise: float, *, spread: float = 2 * np.pi, turn: float = TURN
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times (time,), clockwise spirals (sample, time, 2) with noise, and labels that alternate."""
    samples = int(check_number("samples", samples, low=2, integer=True))
    times = int(check_number("times", times, low=2, integer=True))
    noise = float(check_number("noise", noise, low=0.0))
    draws = np.random.default_rng([int(check_number("seed", seed, low=0, integer=True)), 29])
    clock = np.linspace(0.0, END, times)
    angles = draws.uniform(0.0, spread, samples)[:, None] - turn * clock
    curves = np.exp(-DECAY * clock)[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return clock, curves + noise * draws.standard_normal(curves.shape), np.arange(samples) % 2
