"""One latent stochastic equation with many diffusions: which of them let it learn at all.

    dz = gamma(t, z, X) dt + g(t, z) dW,    nothing bounded,

with g from the menu of `limitlab.neural_des.stable_sde`: none, a number, numbers times t or z, sqrt(z), z^3, networks
of t and z. Drift, path, weights of the drift, noise and training are the same for all. A diffusion that grows faster
than linearly diverges, one that never fades drowns the signal; a training that diverges stops, and its loss is that of
a guess from there on. Source: Oh, Lim, Kim (2024), arXiv 2402.14989, figure 1 (a plain neural SDE, six diffusions).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result, Trial
from limitlab.experiments.contract.settings import option, sizes
from limitlab.experiments.neural_des._sequences import Sequences, SequenceSettings, sequences
from limitlab.labels import labelled
from limitlab.neural_des.stable_sde import (
    BOUNDS,
    DIFFUSIONS,
    DRIFTS,
    Architecture,
    Kind,
    StableSDE,
    classification,
    path_on,
    predict,
    until_diverged,
)
from limitlab.training import descent

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

FIGURE = ("zero", "number", "number_state", "root", "cube", "net_time", "net_time_state_scaled")


@dataclass(frozen=True)
class MenuSettings(SequenceSettings):
    """The diffusions, and what they are combined with."""

    diffusions: tuple[str, ...] = option(FIGURE, "rows of the menu", choices=tuple(DIFFUSIONS), distinct=True)
    drift: str = option("time_state_control", "the drift of all", choices=tuple(DRIFTS))
    bound: str = option("none", "what is put around the networks", choices=tuple(BOUNDS))
    scale: float = option(1.0, "multiplies every diffusion", low=0.0, high=100.0)


def prepare(settings: MenuSettings, progress: ReportProgress = False) -> Prepared[Sequences]:
    """One model a diffusion."""
    data = sequences(settings)
    channels, guess = data.train.values.shape[-1] + 1, {"cross_entropy": math.log(data.classes)}
    batches = data.training_batches(0.0, settings.batch)
    recipe = descent(
        until_diverged(classification, guess), batches, settings.steps, settings.learning_rate, optimizer="adam",
        clip=1.0,
    )  # fmt: skip
    trials = tuple(
        Trial({"diffusion": name}, partial(_build, settings, name, channels, data.classes), recipe)
        for name in settings.diffusions
    )
    return Prepared(trials, partial(measure, settings, data), data)


def _build(settings: MenuSettings, diffusion: str, channels: int, outputs: int, seed: int) -> StableSDE:
    kind = Kind(DIFFUSIONS[diffusion].formula, settings.drift, diffusion)
    network = Architecture(settings.width, settings.depth, bound=settings.bound, noise=settings.scale)
    return StableSDE(kind, channels, outputs, network, step_size=1 / settings.solver_steps, seed=seed)


def measure(settings: MenuSettings, data: Sequences, model: StableSDE, fresh: nn.Module) -> xr.Dataset:
    """Accuracy on the test series, sizes of states and fields, and whether it diverged."""
    device = next(model.parameters()).device
    path = path_on(data.test_path(0.0), device)
    predicted = predict(model, path, settings.draws, seed=data.seed)
    active = model.activity(path, noise=data.seed)
    return labelled(
        accuracy=("", predicted.accuracy(data.test_labels), "accuracy"),
        largest=("", active.state, "largest state on the test series"),
        drift=("", active.drift, "mean size of the drift"),
        diffusion_size=("", active.diffusion, "mean size of the diffusion"),
        diverged=("", float(model.diverged is not None), "whether the training diverged"),
        diverged_at=("", model.diverged.time if model.diverged else math.nan, "time at which a solve diverged"),
    )


def draw(result: Result[MenuSettings, Sequences]) -> dict[str, go.Figure]:
    """The loss of every diffusion against the training step."""
    from limitlab import figures

    return {"training": figures.training_curves(result.curves)}


SIZES = sizes(
    course=MenuSettings(seeds=1, solver_steps=50),
    smoke={"diffusions": ("zero", "cube", "net_time"), "width": 8, "solver_steps": 20, "steps": 10, "draws": 2},
    paper={"seeds": 5, "diffusions": tuple(DIFFUSIONS), "solver_steps": 99, "steps": 300, "width": 64, "draws": 20},
)
EXPERIMENT = Experiment("stable-neural-sde", "A menu of diffusions", SIZES, prepare, draw)
