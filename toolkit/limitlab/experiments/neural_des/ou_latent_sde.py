"""The law of an Ornstein-Uhlenbeck process by a latent SDE, beside an autoregression that needs no training.

What is judged are paths of the prior with the noise of the measurements. The data have none: what the model takes to be
noise fakes roughness, and `roughness` shows it. Source: Li, Wong, Chen & Duvenaud (2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from torch import Tensor, nn

from limitlab.data import Series
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result, Trial
from limitlab.experiments.contract.settings import Batched, Ensemble, option, sizes
from limitlab.experiments.neural_des._ou import MODEL_SEED, AutoRegression, judged, ornstein_uhlenbeck, term_curves
from limitlab.neural_des.sde import LatentSDE, SeededBatches, evidence_loss
from limitlab.training import Recipe

if TYPE_CHECKING:
    import plotly.graph_objects as go

LATENT, RIVAL = "latent SDE", "autoregression"


@dataclass(frozen=True)
class LatentSettings(Ensemble, Batched):
    """The series, the model and its training."""

    samples: int = option(2048, "series to train on, and as many to test", low=16, high=1_000_000)
    times: int = option(24, "times of each series", low=3, high=1000)
    latent: int = option(2, "dimensions of the hidden diffusion", low=1, high=64)
    context: int = option(16, "units of the encoder", low=1, high=1024)
    width: int = option(32, "units of the drifts", low=1, high=4096)
    sigma: float = option(0.2, "deviation of the measurements where training begins", low=1e-6, high=10.0)
    warmup: int = option(0, "steps in which the divergence is let in", low=0, high=1_000_000)
    learning_rate: float = option(1e-2, "rate of Adam", low=1e-7, high=1.0)


@dataclass(frozen=True)
class LawData:
    """Series to train on, and others of the same law to test."""

    train: Series
    test: Series


def prepare(settings: LatentSettings, progress: ReportProgress = False) -> Prepared[LawData]:
    """The latent SDE, and the autoregression, which has nothing to learn by steps."""
    parts = (ornstein_uhlenbeck(settings.samples, settings.times, 2 * settings.seed + part) for part in (0, 1))
    data = LawData(*parts)

    def latent(seed: int) -> nn.Module:
        return LatentSDE(
            1, settings.latent, context=settings.context, width=settings.width, sigma=settings.sigma, seed=seed
        )

    batches = SeededBatches(data.train.batches(settings.batch_size, settings.seed), settings.seed, settings.warmup)
    recipe = Recipe(
        evidence_loss, batches, settings.steps, settings.learning_rate, "adam", weight_decay=0.0, schedule="constant"
    )
    trials = (
        Trial({"law": LATENT}, latent, recipe),
        Trial({"law": RIVAL}, lambda seed: AutoRegression(data.train)),
    )
    return Prepared(trials, partial(judged, partial(drawn, data.test), data.test), data)


def drawn(test: Series, model: nn.Module) -> Tensor:
    """As many paths as the test set has."""
    if isinstance(model, LatentSDE):
        return model.sample(len(test), test.times[0], MODEL_SEED)[..., 0]
    assert isinstance(model, AutoRegression)
    return model.sample(len(test), MODEL_SEED)


def draw(result: Result[LatentSettings, LawData]) -> dict[str, go.Figure]:
    """Training curves, and the distance of the marginals against time."""
    from limitlab import figures

    distances = result.metrics["distance"].isel(seed=0)
    named = {str(name): distances.sel(model=name) for name in distances["model"].values}
    return {"training": term_curves(result.curves), "marginals": figures.lines(named)}


SIZES = sizes(
    course=LatentSettings(steps=400, batch_size=128),
    smoke={"seeds": 1, "steps": 4, "samples": 64, "times": 8, "batch_size": 16, "context": 4, "width": 8},
    paper={"seeds": 5, "steps": 5000, "batch_size": 1024, "samples": 8192, "width": 128, "context": 64, "warmup": 1000},
)
EXPERIMENT = Experiment("neural-differential-equations", "Ornstein-Uhlenbeck by a latent SDE", SIZES, prepare, draw)
