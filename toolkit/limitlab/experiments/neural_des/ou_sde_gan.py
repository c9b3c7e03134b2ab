"""The law of an Ornstein-Uhlenbeck process by an SDE that plays against a CDE, beside an autoregression.

At course size the game does not converge but goes round what it looks for, so that its last weights are a matter of
luck: the model has the mean of the weights of the last steps instead. Values and times are scaled to order one by the
statistics of the training set. Source: Kidger, Foster, Li, Oberhauser & Lyons (2021).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from limitlab.data import Series
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result, Trial
from limitlab.experiments.contract.settings import Batched, Ensemble, option, sizes
from limitlab.experiments.neural_des._ou import MODEL_SEED, AutoRegression, judged, ornstein_uhlenbeck, term_curves
from limitlab.neural_des.sde import SDEGAN, SeededBatches, clipped, gan_groups, gan_loss
from limitlab.training import Recipe, averaged

if TYPE_CHECKING:
    import plotly.graph_objects as go

GAN, RIVAL = "SDE-GAN", "autoregression"
SCALE = 2.0
"""Deviation of the values that the players see: what paths of fields bounded by one reach in the time one."""


@dataclass(frozen=True)
class GANSettings(Ensemble, Batched):
    """The series, both players and their training."""

    samples: int = option(2048, "series to train on, and as many to test", low=16, high=1_000_000)
    times: int = option(24, "times of each series", low=3, high=1000)
    hidden: int = option(16, "hidden states of both players", low=1, high=1024)
    width: int = option(16, "units of their networks", low=1, high=4096)
    generator_rate: float = option(2e-3, "rate of RMSprop for the generator", low=1e-8, high=1.0)
    discriminator_rate: float = option(6e-3, "rate of RMSprop for the discriminator", low=1e-8, high=1.0)
    spread: float = option(1.0, "factor of the initial weights of the map to z(0)", low=0.0, high=100.0)
    penalty: float = option(0.0, "weight of the gradient penalty; 0 clips instead", low=0.0, high=1000.0)
    averaged_from: float = option(0.7, "share of the steps after which weights are averaged", low=0.0, high=0.99)


@dataclass(frozen=True)
class GameData:
    """Series to train on, the same on the scale of the players, and others of the same law to test."""

    train: Series
    scaled: Series
    test: Series


def prepare(settings: GANSettings, progress: ReportProgress = False) -> Prepared[GameData]:
    """The game, and the autoregression."""
    train, test = (ornstein_uhlenbeck(settings.samples, settings.times, 2 * settings.seed + part) for part in (0, 1))
    scaled = train.standardised().rescaled()
    data = GameData(train, replace(scaled, values=SCALE * scaled.values), test)
    batches = SeededBatches(data.scaled.batches(settings.batch_size, settings.seed), settings.seed)
    first = int(settings.averaged_from * settings.steps)
    optimizer = averaged(clipped(torch.optim.RMSprop), first, settings.steps)
    recipe = Recipe(
        gan_loss, batches, settings.steps, 1.0, optimizer, weight_decay=0.0, schedule="constant",
        groups=gan_groups(settings.generator_rate, settings.discriminator_rate),
    )  # fmt: skip

    def gan(seed: int) -> nn.Module:
        size = {"hidden": settings.hidden, "width": settings.width}
        return SDEGAN(1, **size, spread=settings.spread, penalty=settings.penalty, seed=seed)

    trials = (Trial({"law": GAN}, gan, recipe), Trial({"law": RIVAL}, lambda seed: AutoRegression(data.train)))
    return Prepared(trials, partial(judged, partial(drawn, data), data.test), data)


def drawn(data: GameData, model: nn.Module) -> Tensor:
    """As many paths as the test set has, on the scale of the data."""
    if isinstance(model, SDEGAN):
        seen = data.train.values.double()
        paths = model.sample(len(data.test), data.scaled.times[0], MODEL_SEED)[..., 0]
        return paths.cpu() / SCALE * float(seen.std(correction=0)) + float(seen.mean())
    assert isinstance(model, AutoRegression)
    return model.sample(len(data.test), MODEL_SEED)


def draw(result: Result[GANSettings, GameData]) -> dict[str, go.Figure]:
    """Training curves, and the distance of the marginals against time."""
    from limitlab import figures

    distances = result.metrics["distance"].isel(seed=0)
    named = {str(name): distances.sel(model=name) for name in distances["model"].values}
    return {"training": term_curves(result.curves), "marginals": figures.lines(named)}


SIZES = sizes(
    course=GANSettings(steps=700, batch_size=128),
    smoke={"seeds": 1, "steps": 4, "samples": 64, "times": 8, "batch_size": 16, "hidden": 4, "width": 4},
    paper={"seeds": 3, "steps": 10_000, "batch_size": 1024, "samples": 8192, "generator_rate": 2e-5,
           "discriminator_rate": 1e-4, "spread": 3.0, "averaged_from": 0.5},
)  # fmt: skip
EXPERIMENT = Experiment("neural-differential-equations", "Ornstein-Uhlenbeck by an SDE-GAN", SIZES, prepare, draw)
