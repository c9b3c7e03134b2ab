"""A disk inside a ring, told apart by a flow: twins that are trained to be cheap to solve, and one that is not.

    y' = f(y) on [0, 1],  y(0) = (x_1, x_2, 0),  class = argmax of a linear map of y(1)

The disk has radius 1/2, the ring lies between 1 and 3/2. All twins begin with the same weights and see the same points;
`nfe` counts the field's calls for the whole test set, `training_calls` those of the training, `nfe_bosh3` and
`nfe_dopri5` what other solvers need for the trained field.
Sources: Pal et al. 2021 and 2023 (regularisation); Dupont, Doucet & Teh, Augmented neural ODEs (2019), 4.1 (the task).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result
from limitlab.experiments.contract.settings import option, sizes
from limitlab.experiments.neural_des.regularization._regularized import (
    RegularizedSettings,
    accuracy,
    calls,
    cross_entropy,
    drift,
    trials,
)
from limitlab.labels import labelled
from limitlab.neural_des.ode import FlowClassifier, MLPField, ZeroLift
from limitlab.neural_des.regularization import RegularizedODE
from limitlab.neural_des.regularization.penalties import Regularization
from limitlab.training import descent, fixed

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

SHOWN, MOMENTS = 60, 41
RADII = ((0.0, 0.5), (1.0, 1.5))
COURSE = ("plain", "ernode", "srnode", "unbiased", "biased", "steer")


@dataclass(frozen=True)
class AnnuliSettings(RegularizedSettings):
    """Points of two classes and the flow that parts them."""

    samples: int = option(400, "points to learn from, and as many to test", low=4, high=100_000)


@dataclass(frozen=True)
class Points:
    """Points (sample, 2) and their classes: 0 of the disk, 1 of the ring."""

    x: Float[Tensor, "sample 2"]
    label: Int[Tensor, " sample"]


@dataclass(frozen=True)
class Annuli:
    """What is learned from, and what is tested on."""

    train: Points
    test: Points


def points(count: int, seed: tuple[int, int]) -> Points:
    """Half of the points in the disk and half in the ring, radius and angle uniform."""
    generator = np.random.default_rng(seed)
    label = np.arange(count) % len(RADII)
    low, high = np.array(RADII)[label].T
    radius, angle = generator.uniform(low, high), generator.uniform(0, 2 * np.pi, count)
    x = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    return Points(torch.from_numpy(x), torch.from_numpy(label))


def build(settings: AnnuliSettings, regularization: Regularization, seed: int) -> FlowClassifier:
    """The classifier in double precision, with one dimension more than the points have."""
    field = MLPField(3, settings.width, 1, activation="tanh", bounded=False, seed=seed).double()
    layer = RegularizedODE(settings.ode(field), regularization)
    return FlowClassifier(layer, 3, len(RADII), lift=ZeroLift(1), seed=seed)


def prepare(settings: AnnuliSettings, progress: ReportProgress = False) -> Prepared[Annuli]:
    """One flow, trained in each of the ways on the same points."""
    data = Annuli(*(points(settings.samples, (settings.seed, part)) for part in (0, 1)))
    batches = fixed(x=data.train.x, label=data.train.label)
    recipe = descent(cross_entropy, batches, settings.steps, settings.learning_rate, optimizer="adam")
    recipe = replace(recipe, evaluate=partial(evaluate, data), evaluate_every=max(1, settings.steps // 10))
    return Prepared(trials(settings, recipe, partial(build, settings)), partial(measure, data), data)


def evaluate(data: Annuli, model: Any, fresh: nn.Module) -> dict[str, float]:
    """Accuracy on the test set, and what it costs to solve."""
    return {
        "accuracy": accuracy(model, data.test.x, data.test.label),
        "nfe": calls(model.flow.ode, model.lifted(data.test.x)),
    }


@torch.no_grad()
def measure(data: Annuli, model: Any, fresh: nn.Module) -> xr.Dataset:
    """Accuracy, cost by three solvers, cost of the training, and the paths of some points of the test set."""
    ode, starts = model.flow.ode, model.lifted(data.test.x)
    times = torch.linspace(0, 1, MOMENTS, dtype=torch.float64)
    paths = ode.solve(starts[:SHOWN].to(next(model.parameters()).device), times).y.cpu()
    return labelled(
        accuracy=("", accuracy(model, data.test.x, data.test.label), "accuracy on the test set"),
        train_accuracy=("", accuracy(model, data.train.x, data.train.label), "accuracy on the training set"),
        nfe=("", calls(ode, starts), "field calls of a solve"),
        nfe_dopri5=("", calls(ode, starts, method="dopri5"), "field calls by Dopri5"),
        nfe_bosh3=("", calls(ode, starts, method="bosh3", rtol=1e-5, atol=1e-5), "field calls by Bosh3 at 1e-5"),
        training_calls=("", int(model.flow.calls), "field calls of the training"),
        drift=("", drift(ode, starts), "difference of two solvers at the end"),
        path=("point moment state", paths, "state"),
        moment=("moment", times, "time"),
        state=("state", ["x1", "x2", "x3"], "component"),
    )


def draw(result: Result[AnnuliSettings, Annuli]) -> dict[str, go.Figure]:
    """Field calls while training, and accuracy beside cost, by the way of training."""
    from limitlab import figures

    curves = result.grid("way", of=result.curves)["nfe"].isel(seed=0).dropna("step", how="all")
    return {
        "nfe": figures.lines({str(name): curves.sel(way=name) for name in curves["way"].values}, log="y", marks=True),
        "training": figures.training_curves(result.curves, "cross_entropy"),
    }


SIZES = sizes(
    course=AnnuliSettings(seeds=1, steps=100, ways=COURSE),
    smoke={"steps": 8, "samples": 24, "width": 8, "tolerance": 1e-4},
    paper={"seeds": 3, "ways": (*COURSE, "initial", "taylor")},
)
EXPERIMENT = Experiment("ernode", "Annuli, cheap to solve", SIZES, prepare, draw)
