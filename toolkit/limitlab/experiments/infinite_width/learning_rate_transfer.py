"""The best learning rate of a narrow network on a wide one: loss against rate, SP (the baseline) beside muP.

Both are swept over the same rates with the same batches and seeds. Under SP the best rate falls with the width, about
like 1/n; under muP it stays. The loss is the mean over the training, which says how fast a rate learns; `final`, that
of all images after the last step, is noisier.
Source: Yang et al., Tensor programs V, arXiv 2203.03466, figure 1.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from limitlab.data.sources.digit_task import cross_entropy, digit_task
from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result
from limitlab.experiments.contract.settings import Settings, option
from limitlab.experiments.infinite_width.coordinate_check import PARAMETRIZATIONS, gridded
from limitlab.infinite_width.parametrizations.digit_networks import digit_networks
from limitlab.infinite_width.parametrizations.learning_rate_transfer import best_learning_rate, octaves

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr


@dataclass(frozen=True)
class TransferSettings(Settings):
    """Widths and rates of the sweep; rates are powers of two, those of the base width."""

    parametrizations: tuple[str, ...] = option(PARAMETRIZATIONS, "parametrisations", choices=PARAMETRIZATIONS)
    widths: tuple[int, ...] = option((64, 256, 1024), "units of a layer", low=1, high=65_536)
    base_width: int = option(64, "width at which all parametrisations are one", low=1, high=65_536)
    optimizer: str = option("adam", "optimiser", choices=("adam", "adamw", "sgd"))
    octaves: tuple[int, ...] = option((-11, -10, -9, -8, -7, -6, -5, -4), "log2 of the rates", low=-30, high=10)
    steps: int = option(60, "training steps", low=1, high=1_000_000)
    batch_size: int = option(64, "images a step", low=1, high=1797)
    seeds: int = option(2, "networks a width and rate", low=1, high=100)
    seed: int = option(0, "seed of the batches and of the first network", low=0, high=2**31)
    device: str = option("auto", "where to train", choices=("auto", "cpu", "cuda", "mps"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.parametrizations or not self.widths or len(set(self.octaves)) < 3:
            raise InvalidArgument("parametrizations and widths must not be empty, and octaves need three or more")


@dataclass(frozen=True)
class Choice:
    """One cell of the grid."""

    parametrization: str
    width: int
    learning_rate: float


def prepare(settings: Settings, progress: ReportProgress = False) -> Prepared:
    """Every parametrisation, width and rate on the same batches."""
    assert isinstance(settings, TransferSettings)
    task = digit_task(settings.batch_size, settings.seed)
    common = {} if settings.optimizer == "sgd" else {"betas": (0.9, 0.95)}
    kinds = {
        kind: digit_networks(kind, base_width=settings.base_width, optimizer=settings.optimizer, **common)
        for kind in settings.parametrizations
    }
    choices = {
        f"{kind}/width-{width}/rate-2^{octave}": Choice(kind, width, 2.0**octave)
        for kind in settings.parametrizations
        for width in settings.widths
        for octave in settings.octaves
    }

    def training(name: str) -> dict[str, Any]:
        choice = choices[name]
        return {
            "steps": settings.steps,
            "learning_rate": choice.learning_rate,
            "weight_decay": 0.0,
            "schedule": "constant",
            "optimizer": settings.optimizer,
            "groups": kinds[choice.parametrization][1],
            "device": settings.device,
        }

    @torch.no_grad()
    def measure(model: nn.Module) -> "xr.Dataset":
        import xarray as xr

        device = next(model.parameters()).device
        loss = cross_entropy(model, {"input": task.images.to(device), "target": task.targets.to(device)})
        described = {"long_name": "loss after training", "units": "1"}
        return xr.Dataset({"final": ((), loss["cross_entropy"].item(), described)})

    return Prepared(
        settings=settings,
        models=tuple(choices),
        seeds=tuple(range(settings.seed, settings.seed + settings.seeds)),
        batches=task.batches,
        loss=cross_entropy,
        build=lambda name, seed: kinds[choices[name].parametrization][0](choices[name].width, seed),
        training=training,
        measure=measure,
        data=choices,
    )


def surface(result: Result) -> "xr.Dataset":
    """`loss` and `final` (parametrization, width, learning_rate, seed), and the lowest points of `loss`."""
    loss = result.curves[["cross_entropy"]].mean("step").rename(cross_entropy="loss")
    grid = gridded(loss.merge(result.metrics), result.prepared.data, "parametrization", "width", "learning_rate")
    grid["loss"].attrs = {"long_name": "mean training loss", "units": "1"}
    best = best_learning_rate(grid["loss"])
    return grid.assign(best_learning_rate=best["learning_rate"], best_loss=best["loss"])


def shifts(result: Result) -> "xr.Dataset":
    """By how many octaves the best rate falls from the narrowest to the widest network, by `loss` and by `final`."""
    import xarray as xr

    grid = surface(result)
    return xr.Dataset({name: octaves(best_learning_rate(grid[name])["learning_rate"]) for name in ("loss", "final")})


def draw(result: Result) -> dict[str, "go.Figure"]:
    """Loss against rate."""
    from limitlab import figures

    return {"transfer": figures.learning_rate_curves(surface(result))}


COURSE = TransferSettings()
SMOKE = replace(COURSE, widths=(64, 256), octaves=(-10, -8, -6, -4), steps=10, seeds=1)
PAPER = replace(COURSE, widths=(64, 128, 256, 512, 1024, 2048, 4096), octaves=tuple(range(-14, -2)), steps=500, seeds=5)

EXPERIMENT = Experiment(
    name="learning_rate_transfer",
    title="Learning-rate transfer: SP and muP on the digits",
    system="feature-learning",
    sizes={"smoke": SMOKE, "course": COURSE, "paper": PAPER},
    prepare=prepare,
    draw=draw,
    check=lambda settings: None,
)
