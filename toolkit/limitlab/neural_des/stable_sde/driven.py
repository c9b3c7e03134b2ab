"""Paths through series, ready for training: computed once, cut into batches, handed to a model as a path.

Series are put on the window [0, 1] and standardised before (`Series.rescaled`, `Series.standardised`): with times in
hours the same networks explode or freeze. A channel that is missing at first is 0 there, its mean, and never what comes
later; the Hermite spline with backward differences knows nothing of the future beyond the next measurement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from limitlab.data.batches import ShuffledRows
from limitlab.data.series import Series
from limitlab.errors import InvalidArgument, check_number
from limitlab.spaces import ControlPath, control_path
from limitlab.spaces.paths.control import Interpolation


def path_through(series: Series, interpolation: Interpolation = "hermite") -> ControlPath:
    """The path of every sample through what was measured, time in front of the channels. Raises InvalidArgument.

    >>> series = ll.data.damped_oscillators(3, seed=0)
    >>> ll.neural_des.stable_sde.path_through(series)
    ControlPath(hermite: 3 samples, 3 channels, 40 knots of its own on [0, 1])
    """
    shared = bool((series.times == series.times[:1]).all() & (series.lengths == series.times.shape[1]).all())
    times = series.times[0] if shared else series.times
    return control_path(times, series.values, interpolation, before=0.0, lengths=series.lengths)


def known_until(series: Series, time: float) -> Series:
    """The series with everything after `time` missing: what a forecast may see. Its path is constant from there on.

    Raises InvalidArgument where a sample has nothing left.

    >>> series = ll.data.series([0.0, 0.5, 1.0], torch.tensor([[[1.0], [2.0], [3.0]]]))
    >>> ll.neural_des.stable_sde.known_until(series, 0.5).values.flatten().tolist()
    [1.0, 2.0, nan]
    """
    time = float(check_number("time", time))
    values = series.values.masked_fill((series.times > time)[..., None], torch.nan)
    empty = values.isnan().flatten(1).all(1)
    if empty.any():
        raise InvalidArgument(f"time {time:g} leaves nothing of sample {int(empty.int().argmax())} to forecast from")
    return replace(series, values=values)


class PathBatches(ShuffledRows):
    """Batches of paths with what belongs to them: {"knots", "coefficients", and each of `others`}.

    others: tensors with one row a sample, such as "label" or "target". `path_of` makes the path of a batch.

    >>> series = ll.data.damped_oscillators(6, seed=0)
    >>> path = ll.neural_des.stable_sde.path_through(series)
    >>> batches = ll.neural_des.stable_sde.PathBatches(path, size=4, label=series.labels)
    >>> ll.neural_des.stable_sde.path_of(batches.batch(0)).batch
    4
    """

    def __init__(self, path: ControlPath, *, size: int, seed: int = 0, shuffle: bool = True, **others: Tensor) -> None:
        own = path.knots.dim() == 2
        rows = {"coefficients": path.coefficients, **({"knots": path.knots} if own else {}), **others}
        super().__init__(rows, size=size, seed=seed, shuffle=shuffle)
        self._shared_knots = None if own else path.knots

    def batch(self, step: int) -> dict[str, Tensor]:
        """The batch of a step; knots that all samples share are (time,)."""
        rows = super().batch(step)
        return rows if self._shared_knots is None else {**rows, "knots": self._shared_knots}


def path_of(batch: Mapping[str, Tensor]) -> ControlPath:
    """The path of a batch of `PathBatches`.

    >>> path = ll.spaces.control_path([0.0, 1.0], torch.zeros(2, 2, 1), "hermite")
    >>> ll.neural_des.stable_sde.path_of({"knots": path.knots, "coefficients": path.coefficients}).batch
    2
    """
    return ControlPath("hermite" if batch["coefficients"].shape[2] == 4 else "linear", batch["knots"],
                       batch["coefficients"])  # fmt: skip


def path_on(path: ControlPath, device: torch.device | str) -> ControlPath:
    """The path on another device.

    >>> path = ll.spaces.control_path([0.0, 1.0], torch.zeros(2, 2, 1), "hermite")
    >>> ll.neural_des.stable_sde.path_on(path, "cpu").batch
    2
    """
    return replace(path, knots=path.knots.to(device), coefficients=path.coefficients.to(device))
