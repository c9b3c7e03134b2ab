"""The best learning rate of a narrow network on a wide one: loss against rate, SP (the baseline) beside muP.

Both are swept over the same rates with the same batches and seeds. Under SP the best rate falls with the width, about
like 1/n; under muP it stays. The loss is the mean over the training, which says how fast a rate learns; `final`, that
of all images after the last step, is noisier.
Source: Yang et al., Tensor programs V, arXiv 2203.03466, figure 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from limitlab.data.sources.digit_task import DigitTask, cross_entropy, digit_task
from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Trial
from limitlab.experiments.contract.result import Result
from limitlab.experiments.contract.settings import option, sizes
from limitlab.experiments.infinite_width._digits import OptimizerSettings
from limitlab.infinite_width.parametrizations.learning_rate_transfer import best_learning_rate, octaves
from limitlab.labels import labelled
from limitlab.training import descent

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr


@dataclass(frozen=True)
class TransferSettings(OptimizerSettings):
    """Widths and rates of the sweep; rates are powers of two, those of the base width."""

    octaves: tuple[int, ...] = option((-11, -10, -9, -8, -7, -6, -5, -4), "log2 of the rates", low=-30, high=10)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.parametrizations or not self.widths or len(set(self.octaves)) < 3:
            raise InvalidArgument("parametrizations and widths must not be empty, and octaves need three or more")


def prepare(settings: TransferSettings, progress: ReportProgress = False) -> Prepared[DigitTask]:
    """Every parametrisation, width and rate on the same batches."""
    task = digit_task(settings.batch_size, settings.seed)
    trials = []
    for kind, (make_model, groups) in settings.networks().items():
        recipes = [
            descent(
                cross_entropy, task.batches, settings.steps, 2.0**octave, optimizer=settings.optimizer, groups=groups
            )
            for octave in settings.octaves
        ]
        trials += [
            Trial(
                {"parametrization": kind, "width": width, "learning_rate": recipe.learning_rate},
                partial(make_model, width),
                recipe,
            )
            for width in settings.widths
            for recipe in recipes
        ]
    return Prepared(tuple(trials), partial(measure_loss, task), task)


@torch.no_grad()
def measure_loss(task: DigitTask, model: nn.Module, fresh: nn.Module) -> xr.Dataset:
    """`final`, the loss on all images."""
    device = next(model.parameters()).device
    loss = cross_entropy(model, {"input": task.images.to(device), "target": task.targets.to(device)})
    return labelled(final=("", loss["cross_entropy"].item(), "loss after training"))


def surface(result: Result[TransferSettings, DigitTask]) -> xr.Dataset:
    """`loss` and `final` (parametrization, width, learning_rate, seed), and the lowest points of `loss`."""
    loss = result.curves["cross_entropy"].mean("step").assign_attrs(long_name="mean training loss", units="1")
    grid = result.grid("parametrization", "width", "learning_rate", of=result.metrics.assign(loss=loss))
    best = best_learning_rate(grid["loss"])
    return grid.assign(best_learning_rate=best["learning_rate"], best_loss=best["loss"])


def shifts(result: Result[TransferSettings, DigitTask]) -> xr.Dataset:
    """By how many octaves the best rate falls from the narrowest to the widest network, by `loss` and by `final`."""
    import xarray as xr

    grid = surface(result)
    return xr.Dataset({name: octaves(best_learning_rate(grid[name])["learning_rate"]) for name in ("loss", "final")})


def draw(result: Result[TransferSettings, DigitTask]) -> dict[str, go.Figure]:
    """Loss against rate."""
    from limitlab import figures

    return {"transfer": figures.learning_rate_curves(surface(result))}


SIZES = sizes(
    TransferSettings(widths=(64, 256, 1024), steps=60, seeds=2),
    smoke={"widths": (64, 256), "octaves": (-10, -8, -6, -4), "steps": 10, "seeds": 1},
    paper={
        "widths": (64, 128, 256, 512, 1024, 2048, 4096),
        "octaves": tuple(range(-14, -2)),
        "steps": 500,
        "seeds": 5,
    },
)

EXPERIMENT = Experiment("feature-learning", "Learning-rate transfer: SP and muP on the digits", SIZES, prepare, draw)
