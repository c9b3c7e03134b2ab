"""Ten classes of handwritten digits by kernel regression: what an infinitely wide network would answer after training.

Models: regression with the tangent kernel (all layers trained), with the NNGP covariance (the last layer alone), with
a linear kernel (ridge regression), and the nearest neighbour; each chooses its ridge on its own training images. Seeds
are splits into training and test images.
Source: Jacot, Gabriel, Hongler, Neural tangent kernel, arXiv 1806.07572; Lee et al., Deep neural networks as Gaussian
processes, arXiv 1711.00165.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from limitlab.data.sources.digit_task import digit_tensors
from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result, Trial
from limitlab.experiments.contract.settings import Ensemble, option, sizes
from limitlab.infinite_width import Chain, mlp
from limitlab.infinite_width.limit.classification import (
    KernelClassifier,
    NearestNeighbour,
    Split,
    linear_kernel,
    wide_kernel,
)
from limitlab.labels import labelled

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

CLASSES = 10
ACTIVATIONS = ("relu", "erf", "tanh", "gelu", "sin")
MODELS: dict[str, Callable[[Chain, Split], nn.Module]] = {
    "ntk": lambda architecture, split: KernelClassifier(wide_kernel(architecture, "ntk"), split),
    "nngp": lambda architecture, split: KernelClassifier(wide_kernel(architecture, "nngp"), split),
    "ridge": lambda architecture, split: KernelClassifier(linear_kernel, split),
    "nearest": lambda architecture, split: NearestNeighbour(split),
}


@dataclass(frozen=True)
class DigitSettings(Ensemble):
    """The network class of the kernels, and how many images are learned from."""

    models: tuple[str, ...] = option(tuple(MODELS), "models to compare", choices=tuple(MODELS))
    hidden: int = option(2, "hidden layers", low=1, high=20)
    activation: str = option("relu", "activation", choices=ACTIVATIONS)
    weight_variance: float = option(
        2.0, "variance of the weights, before it is divided by the inputs", low=0.01, high=16
    )
    bias_variance: float = option(0.01, "variance of the biases", low=0.0, high=16)
    train_samples: int = option(1300, "training images; the others are for the test", low=50, high=1790)
    seeds: int = option(5, "splits into training and test images", low=1, high=100)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.models:
            raise InvalidArgument("models must not be empty")


def split_of(train_samples: int, seed: int) -> Split:
    """The digits shuffled by the seed, in units of the training images' spread, the first of them to learn from."""
    images, classes = digit_tensors()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    train, test = order[:train_samples], order[train_samples:]
    # of the training images alone: the test must not leak into the scaling
    middle, spread = images[train].mean(), images[train].std()
    scaled = (images - middle) / spread
    return Split(scaled[train], classes[train], scaled[test], classes[test], CLASSES)


def prepare(settings: DigitSettings, progress: ReportProgress = False) -> Prepared[Chain]:
    """All models on the same splits; they are fitted where they are built."""
    architecture = mlp(settings.hidden, settings.activation, settings.weight_variance, settings.bias_variance)

    def fitted(name: str) -> Callable[[int], nn.Module]:
        return lambda seed: MODELS[name](architecture, split_of(settings.train_samples, seed))

    return Prepared(tuple(Trial({"classifier": name}, fitted(name)) for name in settings.models), measure, architecture)


def measure(model: Any, fresh: nn.Module) -> xr.Dataset:
    """Share of the test images that is classified right, the ridge that was chosen, and the table (true, answered)."""
    split = model.split
    answers = model(split.test).argmax(1)
    table = torch.zeros(CLASSES, CLASSES, dtype=torch.int64)
    table.index_put_((split.test_classes, answers), torch.ones_like(answers), accumulate=True)
    return labelled(
        accuracy=("", (answers == split.test_classes).double().mean(), "test accuracy"),
        ridge=("", model.ridge, "ridge over the mean of the diagonal"),
        answers=("true answered", table, "test images"),
        true=("true", range(CLASSES), "digit"),
        answered=("answered", range(CLASSES), "answer"),
    )


def draw(result: Result[DigitSettings, Chain]) -> dict[str, go.Figure]:
    """Which digits the first model takes for which, over all splits, right answers left out."""
    from limitlab import figures

    answers = result.metrics["answers"].sum("seed", keep_attrs=True)
    mistakes = answers.where(~np.eye(CLASSES, dtype=bool), 0)
    return {"mistakes": figures.kernel_heatmaps(mistakes.rename(model="kernel").isel(kernel=slice(2)))}


SIZES = sizes(course=DigitSettings(), smoke={"train_samples": 200, "seeds": 1}, paper={"seeds": 20})
EXPERIMENT = Experiment("ntk", "Handwritten digits by infinitely wide networks", SIZES, prepare, draw)
