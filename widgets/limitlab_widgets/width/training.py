"""Networks of several widths and seeds, trained one after the other by the experiment; what their widths say together.

A training is given up between two of its steps.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from limitlab.errors import LimitlabError
from limitlab.experiments import Prepared
from limitlab.experiments.infinite_width.ntk_circle import CircleData, CircleSettings
from limitlab.labels import labelled
from limitlab.memory import require_memory
from limitlab_widgets.shared.worker import Check
from limitlab_widgets.width.regression import EXPERIMENT

if TYPE_CHECKING:
    import xarray as xr

Pair = tuple[int, int]
Report = Callable[[str, int, int, "float | None"], None]
PARTS = 100
TICK = 0.2
COPIES = 4
LAWS = {"drift": "drift in training", "kernel_error": "error at the start"}


def trained_networks(
    settings: CircleSettings, prepared: Prepared[CircleData], pairs: Sequence[Pair], check: Check, report: Report
) -> Iterator[tuple[Pair, xr.Dataset | str]]:
    """For every (width, seed) what `recorded_training` gives, or in words why it could not.

    report(text, parts done, of so many, seconds left or None) is called at most every TICK.
    """
    for index, (width, seed) in enumerate(pairs):
        alike = [pair for pair in pairs if pair[0] == width]
        pace = _Pace(settings.steps, f"width {width}: network", alike.index((width, seed)), len(alike))

        def watch(step: int, index: int = index, pace: _Pace = pace) -> None:
            check()
            if (progress := pace(step)) is not None:
                text, share, left = progress
                report(text, PARTS * index + int(PARTS * share), PARTS * len(pairs), left)

        try:
            require_room(settings.hidden, width)
            yield (width, seed), recorded_training(settings, prepared, width, seed, watch)
        except LimitlabError as error:
            yield (width, seed), f"width {width}, seed {seed}: {error}"


def recorded_training(
    settings: CircleSettings, prepared: Prepared[CircleData], width: int, seed: int, watch: Callable[[int], None]
) -> xr.Dataset:
    """Outputs `network` (step, x) at the recorded steps, `drift` and `kernel_error` of one network.

    watch(step) is called after every step. Raises TrainingDiverged.
    """
    study, one = prepared.data.study, dataclasses.replace(settings, seed=seed, seeds=1)
    training = EXPERIMENT.train(one, prepared=prepared, only={"width": width})
    records = [_outputs(study.network(width, one.seed_range[0]), study.x_test)]
    with closing(training):
        for stage in training:
            watch(stage.progress.step)
            if stage.progress.step in study.steps:
                records.append(_outputs(training.models[stage.model, stage.seed], study.x_test))
    assert training.result is not None
    metrics = training.result.metrics.isel(model=0, seed=0)
    network = labelled(network=("step x", torch.stack(records), "network"), step=("step", study.steps, "step"))
    return on_closed_circle(network.assign({name: metrics[name].variable for name in LAWS}))


def on_closed_circle(dataset: xr.Dataset) -> xr.Dataset:
    """The same with the first of the equally spaced angles once more at the end, where the circle closes."""
    return dataset.isel(x=[*range(dataset.sizes["x"]), 0])


def require_room(depth: int, width: int) -> None:
    """Raise InvalidArgument where weights, gradients and steps of such a network do not fit into the free memory."""
    purpose = f"training of {depth} hidden layers of width {width}"
    needed = 8 * COPIES * (depth - 1) * width**2
    require_memory(needed, purpose, torch.device("cpu"), advice="take a smaller width or depth")


def drift_table(runs: Mapping[Pair, xr.Dataset]) -> xr.Dataset | None:
    """`drift` and `kernel_error` (width, seed) after the last step, over the seeds that every width has.

    None where there are less than two widths.
    """
    import xarray as xr

    widths = sorted({width for width, _ in runs})
    seeds = sorted(seed for seed in {seed for _, seed in runs} if all((width, seed) in runs for width in widths))
    if len(widths) < 2 or not seeds:
        return None
    tables = {
        name: np.array([[float(runs[width, seed][name].values.ravel()[-1]) for seed in seeds] for width in widths])
        for name in LAWS
    }
    return xr.Dataset(
        {name: (("width", "seed"), table, {"long_name": LAWS[name], "units": "1"}) for name, table in tables.items()},
        coords={"width": widths, "seed": seeds},
    )


class _Pace:
    """How far a network is, in words and as a share, and how long those of its width still take."""

    def __init__(self, steps: int, title: str, number: int, count: int) -> None:
        self.steps, self.title, self.number, self.count = steps, title, number, count
        self.start = time.perf_counter()
        self.next = self.start

    def __call__(self, step: int) -> tuple[str, float, float | None] | None:
        """None where the last report was less than TICK ago."""
        now = time.perf_counter()
        if now < self.next:
            return None
        self.next = now + TICK
        share, elapsed = step / self.steps, now - self.start
        left = elapsed / share * (self.count - self.number - share) if elapsed > TICK else None
        return f"{self.title} {self.number + 1} of {self.count}, {share:.0%}", share, left


@torch.no_grad()
def _outputs(network: nn.Module, x: Tensor) -> Tensor:
    return network(x)[:, 0]
