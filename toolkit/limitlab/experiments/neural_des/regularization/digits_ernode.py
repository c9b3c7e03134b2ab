"""Handwritten digits through a flow of 64 states: global and local regularisation beside the plain twin.

    y' = f(t, y) on [0, 1],  y(0) = image / 16,  class = argmax of a linear map of y(1)

The papers' task is MNIST with 784 states; this is its smallest stand-in. 1437 images to learn from, 360 to test, drawn
with the seed. Solved in float64 at 1.4e-8 as in the papers, whose float32 adds the round-off of its own estimate.
Sources: Pal et al. 2021, table 1, and 2023, table 2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from limitlab.data import ShuffledRows
from limitlab.data.sources.digit_task import CLASSES, DigitSplit, split_digits
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result
from limitlab.experiments.contract.settings import option, sizes
from limitlab.experiments.neural_des.regularization._regularized import (
    RegularizedSettings,
    accuracy,
    calls,
    cross_entropy,
    trials,
)
from limitlab.labels import labelled
from limitlab.neural_des.ode import FlowClassifier, MLPField
from limitlab.neural_des.regularization import RegularizedODE
from limitlab.neural_des.regularization.penalties import Regularization
from limitlab.training import descent

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

PIXELS = 64


@dataclass(frozen=True)
class DigitsSettings(RegularizedSettings):
    """Images a step, and how often the cost of a solve is looked at."""

    batch_size: int = option(240, "images a step", low=1, high=1437)
    images: int = option(1437, "images to learn from", low=10, high=1437)


def split(settings: DigitsSettings) -> DigitSplit:
    """The first of the digits to learn from, as many as the settings say, and those to test on."""
    whole = split_digits(settings.seed, torch.float64)
    first = slice(settings.images)
    return replace(whole, train=whole.train[first], train_label=whole.train_label[first])


def build(settings: DigitsSettings, regularization: Regularization, seed: int) -> FlowClassifier:
    """The classifier in double precision."""
    field = MLPField(PIXELS, settings.width, 1, activation="tanh", with_time=True, seed=seed).double()
    return FlowClassifier(RegularizedODE(settings.ode(field), regularization), PIXELS, CLASSES, seed=seed)


def prepare(settings: DigitsSettings, progress: ReportProgress = False) -> Prepared[DigitSplit]:
    """One flow, trained in each of the ways on the same batches."""
    data = split(settings)
    batches = ShuffledRows({"x": data.train, "label": data.train_label}, size=settings.batch_size, seed=settings.seed)
    recipe = descent(cross_entropy, batches, settings.steps, settings.learning_rate, optimizer="adam")
    recipe = replace(recipe, evaluate=partial(evaluate, data), evaluate_every=max(1, settings.steps // 15))
    return Prepared(trials(settings, recipe, partial(build, settings)), partial(measure, data), data)


def evaluate(data: DigitSplit, model: Any, fresh: nn.Module) -> dict[str, float]:
    """Accuracy on the test set, and what it costs to solve."""
    return {
        "accuracy": accuracy(model, data.test, data.test_label),
        "nfe": calls(model.flow.ode, model.lifted(data.test)),
    }


def measure(data: DigitSplit, model: Any, fresh: Any) -> xr.Dataset:
    """Accuracy, cost of a solve before and after, cost of the training."""
    starts = data.test
    return labelled(
        accuracy=("", accuracy(model, starts, data.test_label), "accuracy on the test set"),
        train_accuracy=("", accuracy(model, data.train, data.train_label), "accuracy on the training set"),
        nfe=("", calls(model.flow.ode, starts), "field calls of a solve"),
        nfe_fresh=("", calls(fresh.flow.ode, starts), "field calls before training"),
        training_calls=("", int(model.flow.calls), "field calls of the training"),
    )


def draw(result: Result[DigitsSettings, DigitSplit]) -> dict[str, go.Figure]:
    """Field calls and accuracy while training, by the way of training."""
    from limitlab import figures

    curves = result.grid("way", of=result.curves).isel(seed=0)
    named = {
        name: {str(way): curves[name].sel(way=way).dropna("step") for way in curves["way"].values}
        for name in ("nfe", "accuracy")
    }
    return {name: figures.lines(lines, marks=True) for name, lines in named.items()}


COURSE = ("plain", "ernode", "srnode", "unbiased", "biased", "initial", "steer")
SIZES = sizes(
    course=DigitsSettings(seeds=1, steps=90, ways=COURSE, tolerance=1.4e-8, width=64, learning_rate=5e-3),
    smoke={
        "steps": 4, "width": 8, "tolerance": 1e-4, "images": 60, "batch_size": 30, "ways": ("plain", "ernode", "biased")
    },
    paper={"seeds": 3, "steps": 600, "ways": (*COURSE, "taylor")},
)  # fmt: skip
EXPERIMENT = Experiment("local-regularization", "Digits through a flow, cheap to solve", SIZES, prepare, draw)
