"""Damped oscillators of three frequencies, measured at irregular times under correlated noise.

    x(t) = A exp(-delta t) (sin, cos)(omega t + phi) + e(t),    t in [0, 1],

omega = 6, 9 or 12 (radians a window) is the class; A ~ U(0.7, 1.3), delta ~ U(0, 1), phi ~ U(0, 2 pi). The noise e is a
stationary Ornstein-Uhlenbeck process, de = -e/tau dt + s dW with deviation 0.1 and tau = 0.1, drawn exactly at the
measured times: the correlation of two of them is exp(-|t - t'|/tau). The first time is 0, the last 1, the others are
uniform. It needs no file: a stand-in where real series cannot ship.
"""

from __future__ import annotations

import numpy as np
import torch

from limitlab.data.series import Series, series
from limitlab.errors import check_number

FREQUENCIES = (6.0, 9.0, 12.0)
MEMORY = 0.1
"""tau, as a share of the window."""


def damped_oscillators(samples: int = 300, times: int = 40, *, noise: float = 0.1, seed: int = 0) -> Series:
    """Series of two channels at `times` irregular times of their own; the classes take turns. See the module.

    noise: the standard deviation of e. Raises InvalidArgument.

    >>> ll.data.damped_oscillators(6, seed=1)
    Series(6 samples, 2 channels, 3 classes, 40 times on [0, 1]; 0 % missing)
    """
    samples = int(check_number("samples", samples, low=1, integer=True))
    times = int(check_number("times", times, low=2, integer=True))
    noise = float(check_number("noise", noise, low=0.0))
    draws = np.random.default_rng([int(check_number("seed", seed, low=0, integer=True)), 41])
    labels = np.arange(samples) % len(FREQUENCIES)
    amplitude, damping, phase = (
        draws.uniform(low, high, (samples, 1)) for low, high in ((0.7, 1.3), (0.0, 1.0), (0.0, 2 * np.pi))
    )
    t = np.sort(draws.random((samples, times)), axis=1)
    t[:, 0], t[:, -1] = 0.0, 1.0
    angle = np.array(FREQUENCIES)[labels][:, None] * t + phase
    clean = (amplitude * np.exp(-damping * t))[..., None] * np.stack([np.sin(angle), np.cos(angle)], -1)
    normals = draws.standard_normal((times, samples, 2))
    disturbance = np.empty((samples, times, 2))
    disturbance[:, 0] = normals[0]
    for k in range(1, times):
        memory = np.exp(-(t[:, k] - t[:, k - 1]) / MEMORY)[:, None]
        disturbance[:, k] = memory * disturbance[:, k - 1] + np.sqrt(1 - memory**2) * normals[k]
    names = tuple(f"{frequency:g} rad" for frequency in FREQUENCIES)
    values = torch.from_numpy(clean + noise * disturbance).float()
    return series(t.astype(np.float32), values, labels, classes=names)
