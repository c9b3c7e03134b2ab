"""Ten classes of handwritten digits by kernel regression: what an infinitely wide network would answer after training.

The targets are unit vectors less 1/10; the class is the largest output. Models: regression with the tangent kernel
(all layers trained), with the NNGP covariance (the last layer alone), with a linear kernel (ridge regression), and the
nearest neighbour. A kernel's ridge, relative to the mean of its diagonal, is chosen on a fifth of the training images,
the same way for all; seeds are splits into training and test images.
Source: Jacot, Gabriel, Hongler, Neural tangent kernel, arXiv 1806.07572; Lee et al., Deep neural networks as Gaussian
processes, arXiv 1711.00165.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from limitlab.data.sources.digit_task import digit_tensors
from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result
from limitlab.experiments.contract.settings import Settings, option
from limitlab.infinite_width import Chain, kernel_regression, kernels, mlp

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

CLASSES = 10
MODELS = ("ntk", "nngp", "ridge", "nearest")
RIDGES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
ACTIVATIONS = ("relu", "erf", "tanh", "gelu", "sin")

Kernel = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class DigitSettings(Settings):
    """The network class of the kernels, and how many images are learned from."""

    models: tuple[str, ...] = option(MODELS, "models to compare", choices=MODELS)
    hidden: int = option(2, "hidden layers", low=1, high=20)
    activation: str = option("relu", "activation", choices=ACTIVATIONS)
    weight_variance: float = option(
        2.0, "variance of the weights, before it is divided by the inputs", low=0.01, high=16
    )
    bias_variance: float = option(0.01, "variance of the biases", low=0.0, high=16)
    train_samples: int = option(1300, "training images; the others are for the test", low=50, high=1790)
    seeds: int = option(5, "splits into training and test images", low=1, high=100)
    seed: int = option(0, "seed of the first split", low=0, high=2**31)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.models:
            raise InvalidArgument("models must not be empty")


@dataclass(frozen=True)
class Split:
    """Images (sample, 64) in units of the training images' spread, and classes."""

    train: Float[Tensor, "n pixels"]
    train_classes: Int64[Tensor, " n"]
    test: Float[Tensor, "m pixels"]
    test_classes: Int64[Tensor, " m"]


class KernelClassifier(nn.Module):
    """x -> K(x, X) (K + ridge)^-1 Y, fitted; `ridge` relative to the mean of the diagonal."""

    points: Tensor
    coefficients: Tensor

    def __init__(self, kernel: Kernel, split: Split) -> None:
        super().__init__()
        self.kernel, self.split = kernel, split
        targets = functional.one_hot(split.train_classes, CLASSES).double() - 1 / CLASSES
        matrix = kernel(split.train, split.train)
        self.ridge = chosen_ridge(matrix, targets, split.train_classes)
        self.register_buffer("points", split.train)
        identity = torch.eye(len(matrix)).to(matrix)
        self.register_buffer("coefficients", kernel_regression(matrix, targets, identity, self.ridge))

    def forward(self, x: Float[Tensor, "batch pixels"]) -> Float[Tensor, "batch classes"]:
        return self.kernel(x, self.points) @ self.coefficients


class NearestNeighbour(nn.Module):
    """x -> minus the distance to the nearest training image of every class."""

    def __init__(self, split: Split) -> None:
        super().__init__()
        self.split, self.ridge = split, float("nan")

    def forward(self, x: Float[Tensor, "batch pixels"]) -> Float[Tensor, "batch classes"]:
        distances = torch.cdist(x, self.split.train)
        others = self.split.train_classes[None, :, None] != torch.arange(CLASSES)
        return -distances[..., None].masked_fill(others, torch.inf).amin(1)


def chosen_ridge(matrix: Tensor, targets: Tensor, classes: Tensor) -> float:
    """The ridge that classifies the last fifth of the training images best from the others; the largest of equals."""
    size = len(matrix) - len(matrix) // 5
    hits = []
    for ridge in RIDGES:
        answers = kernel_regression(matrix[:size, :size], targets[:size], matrix[size:, :size], ridge)
        hits.append(int((answers.argmax(1) == classes[size:]).sum()))
    return max(zip(hits, RIDGES, strict=True))[1]


def linear(x1: Tensor, x2: Tensor) -> Tensor:
    """The kernel of ridge regression with an intercept."""
    return x1 @ x2.T / x1.shape[1] + 1


def wide(architecture: Chain, kind: str) -> Kernel:
    """The "ntk" or "nngp" of an architecture; among the same points with exact diagonals."""

    def kernel(x1: Tensor, x2: Tensor) -> Tensor:
        return getattr(kernels(architecture, x1, None if x1 is x2 else x2), kind)

    return kernel


def split_of(settings: DigitSettings, seed: int) -> Split:
    """The digits shuffled by the seed, the first of them to learn from."""
    images, classes = digit_tensors()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    train, test = order[: settings.train_samples], order[settings.train_samples :]
    middle, spread = images[train].mean(), images[train].std()
    scaled = (images - middle) / spread
    return Split(scaled[train], classes[train], scaled[test], classes[test])


class Nothing:
    """Batches of an experiment in which nothing is trained by steps."""

    def batch(self, step: int) -> dict[str, Any]:
        return {}

    def shard(self, rank: int, world: int) -> "Nothing":
        return self


def prepare(settings: Settings, progress: ReportProgress = False) -> Prepared:
    """All models on the same splits; they are fitted where they are built."""
    assert isinstance(settings, DigitSettings)
    architecture = mlp(settings.hidden, settings.activation, settings.weight_variance, settings.bias_variance)
    of = {"ntk": wide(architecture, "ntk"), "nngp": wide(architecture, "nngp"), "ridge": linear}

    def build(model: str, seed: int) -> nn.Module:
        split = split_of(settings, seed)
        return NearestNeighbour(split) if model == "nearest" else KernelClassifier(of[model], split)

    return Prepared(
        settings=settings,
        models=settings.models,
        seeds=tuple(range(settings.seed, settings.seed + settings.seeds)),
        batches=Nothing(),
        loss=lambda model, batch: {},
        build=build,
        training=lambda model: None,
        measure=measure,
        data=architecture,
    )


def measure(model: nn.Module) -> "xr.Dataset":
    """Share of the test images that is classified right, the ridge that was chosen, and the table (true, answered)."""
    import xarray as xr

    assert isinstance(model, KernelClassifier | NearestNeighbour)
    split = model.split
    answers = model(split.test).argmax(1)
    table = torch.zeros(CLASSES, CLASSES, dtype=torch.int64)
    table.index_put_((split.test_classes, answers), torch.ones_like(answers), accumulate=True)
    return xr.Dataset(
        {
            "accuracy": ((), float((answers == split.test_classes).double().mean()), {"long_name": "test accuracy"}),
            "ridge": ((), model.ridge, {"long_name": "ridge over the mean of the diagonal"}),
            "answers": (("true", "answered"), table.numpy(), {"long_name": "test images"}),
        },
        coords={
            "true": ("true", range(CLASSES), {"long_name": "digit"}),
            "answered": ("answered", range(CLASSES), {"long_name": "answer"}),
        },
    )


def draw(result: Result) -> dict[str, "go.Figure"]:
    """Which digits the first model takes for which, over all splits, right answers left out."""
    import numpy as np

    from limitlab import figures

    answers = result.metrics["answers"].sum("seed", keep_attrs=True)
    mistakes = answers.where(~np.eye(CLASSES, dtype=bool), 0)
    return {"mistakes": figures.kernel_heatmaps(mistakes.rename(model="kernel").isel(kernel=slice(2)))}


COURSE = DigitSettings()
SMOKE = replace(COURSE, train_samples=200, seeds=1)
PAPER = replace(COURSE, seeds=20)

EXPERIMENT = Experiment(
    name="ntk_digits",
    title="Handwritten digits by infinitely wide networks",
    system="ntk",
    sizes={"smoke": SMOKE, "course": COURSE, "paper": PAPER},
    prepare=prepare,
    draw=draw,
    check=lambda settings: None,
)
