"""How hard a dataset is to predict, before any model sees it: motion, decay, and the error of predicting no change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray


def difficulty(dataset: xarray.Dataset) -> dict[str, float]:
    """How hard trajectories `u` (sample, time, x) are to predict, as medians over samples and frames.

    pixels_per_frame: shift that best aligns a frame with the next. decay_per_frame: ratio of the norms about the mean.
    persistence_error: relative L2 error of predicting that nothing changes in one frame.

    >>> waves = ll.problems.get("advection", beta=1.0, span=1.0, frames=9).simulate(2, resolution=32)
    >>> round(ll.problems.difficulty(waves)["pixels_per_frame"])
    4
    """
    u = dataset["u"].values.astype(np.float64)
    points = u.shape[-1]
    # without the mean, whose constant correlation would hide the peak
    now, later = u[:, :-1] - u[:, :-1].mean(-1, keepdims=True), u[:, 1:] - u[:, 1:].mean(-1, keepdims=True)
    correlation = np.fft.irfft(np.conj(np.fft.rfft(now)) * np.fft.rfft(later), n=points)
    peak = correlation.argmax(-1)[..., None]
    before, at, after = (np.take_along_axis(correlation, (peak + shift) % points, -1)[..., 0] for shift in (-1, 0, 1))
    curvature = before - 2 * at + after
    # a parabola through the peak and its neighbours: motion of less than a point
    offset = np.where(curvature < 0, 0.5 * (before - after) / np.where(curvature < 0, curvature, -1.0), 0.0)
    # the nearer way round
    shift = (peak[..., 0] + points // 2) % points - points // 2 + offset
    size, change = np.linalg.norm(now, axis=-1), np.linalg.norm(u[:, 1:] - u[:, :-1], axis=-1)
    tiny = np.finfo(np.float64).tiny
    return {
        "pixels_per_frame": float(np.median(np.abs(shift))),
        "decay_per_frame": float(np.median(np.linalg.norm(later, axis=-1) / np.maximum(size, tiny))),
        "persistence_error": float(np.median(change / np.maximum(np.linalg.norm(u[:, 1:], axis=-1), tiny))),
    }
