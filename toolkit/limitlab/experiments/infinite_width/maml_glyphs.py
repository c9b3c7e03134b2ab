"""Few-shot learning of generated glyphs by first-order MAML: finite widths, infinite width, and frozen kernels.

A test task shows one drawing of each of five new classes, and asks for the class of others. The drawings are under
clutter that is the same for all classes: a network that learns features learns in training to look past it, at
infinite width as well; a kernel limit keeps its features, so training on other tasks teaches it next to nothing.
Source: Yang, Hu, Feature learning in infinite-width neural networks, arXiv 2011.14522, section 7.2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.data.sources.glyphs import Glyphs, glyphs
from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Trial
from limitlab.experiments.contract.result import Result
from limitlab.experiments.contract.settings import Ensemble, Trained, option, sizes
from limitlab.infinite_width.few_shot import (
    KERNELS,
    Hyperparameters,
    KernelMachine,
    TaskBatches,
    adapted_accuracy,
    first_order_maml,
    kernel_features,
    repository_hyperparameters,
)
from limitlab.infinite_width.fixed_metrics import nearest_accuracy, within_class_whitening, without_components
from limitlab.infinite_width.parametrizations.linear_limit import LinearLimit, LinearNetwork
from limitlab.labels import labelled
from limitlab.training import Recipe, deferred, descent

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

TEST_SEED = 2**32  # beyond all seeds of settings, so that no test task is a training task
SMOOTHED = 40


@dataclass(frozen=True)
class MamlSettings(Ensemble, Trained):
    """The drawings, the tasks made of them, and the models; all models see the same tasks in the same order."""

    train_classes: int = option(300, "classes to train on", low=2, high=100_000)
    test_classes: int = option(100, "other classes, to test on", low=2, high=100_000)
    drawings: int = option(20, "drawings of a class", low=2, high=1000)
    resolution: int = option(14, "pixels along a side", low=4, high=128)
    clutter: float = option(2.5, "strength of the clutter", low=0.0, high=100.0)
    ways: int = option(5, "classes of a task", low=2, high=100)
    shots: int = option(1, "drawings of a class to learn it from", low=1, high=100)
    queries: int = option(5, "drawings of a class to be judged on, in training", low=1, high=100)
    test_queries: int = option(15, "the same in tests", low=1, high=100)
    tasks: int = option(32, "tasks a step", low=1, high=4096)
    learning_rate: float = option(0.4, "rate of meta-learning", low=1e-6, high=100.0)
    inner_rate: float = option(0.4, "rate of a step within a task", low=0.0, high=100.0)
    clip: float = option(0.5, "largest norm of a gradient, of all weights jointly", low=1e-6, high=1e6)
    test_steps: int = option(20, "steps within a test task", low=0, high=1000)
    test_tasks: int = option(400, "test tasks", low=2, high=100_000)
    widths: tuple[int, ...] = option((8, 64), "finite widths", low=1, high=65_536)
    kernels: tuple[str, ...] = option(("linear_ntk", "relu_ntk", "relu_gp"), "kernel limits", choices=tuple(KERNELS))
    initialisation: str = option(
        "shared", "one for all widths, or the authors' table", choices=("shared", "repository")
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.widths)) < len(self.widths) or len(set(self.kernels)) < len(self.kernels):
            raise InvalidArgument(f"widths and kernels must not repeat; got {self.widths} and {self.kernels}")
        if self.ways > min(self.train_classes, self.test_classes):
            raise InvalidArgument(f"ways must be <= train_classes and test_classes; got {self.ways}")
        if self.shots + max(self.queries, self.test_queries) > self.drawings:
            raise InvalidArgument(f"drawings must be >= shots + queries, also in tests; got {self.drawings}")

    @property
    def pixels(self) -> int:
        """What a network sees of a drawing."""
        return self.resolution**2

    def start(self, width: float) -> Hyperparameters:
        """Initialisation and rate of a width, inf for a limit."""
        return Hyperparameters() if self.initialisation == "shared" else repository_hyperparameters(width)


def prepare(settings: MamlSettings, progress: ReportProgress = False) -> Prepared[Glyphs]:
    """The drawings, and the same tasks for all models; the features of a kernel are made when its training begins."""
    drawn = glyphs(
        settings.train_classes,
        settings.test_classes,
        drawings=settings.drawings,
        size=settings.resolution,
        clutter=settings.clutter,
        seed=settings.seed,
    )
    pixels = FeatureTable(settings, drawn)
    kernels = [FeatureTable(settings, drawn, kernel) for kernel in settings.kernels]
    trials = (
        *(Trial({"width": n}, partial(_network, settings, n), pixels.recipe(n)) for n in settings.widths),
        Trial({"limit": "infinite"}, partial(_limit, settings), pixels.recipe(math.inf)),
        *(Trial({"limit": str(table.kernel)}, table.machine, table.recipe(math.inf)) for table in kernels),
    )
    tables = {table.kernel: table for table in (pixels, *kernels)}
    return Prepared(trials, partial(measure_adapted, tables), drawn)


@dataclass(frozen=True)
class FeatureTable:
    """The drawings as a model takes them: pixels or, where there is a kernel, its features."""

    settings: MamlSettings
    drawn: Glyphs
    kernel: str | None = None

    @cached_property
    def features(self) -> tuple[Float[Tensor, "class drawing feature"], ...]:
        """Of the training classes and of the test classes; they take long, so they are made when first asked for."""
        train, test = self.drawn.train, self.drawn.test
        if self.kernel is None:
            return train, test
        # one factor for both: features of two factors have no common inner product
        joint = kernel_features(self.kernel, torch.cat([train, test]).flatten(0, 1))
        return joint.unflatten(0, (-1, self.settings.drawings)).split([len(train), len(test)])

    def recipe(self, width: float) -> Recipe:
        """Meta-learning on tasks of the training classes, at the rate of this width."""
        settings = self.settings
        rate = settings.learning_rate * settings.start(width).rate
        loss, batches = first_order_maml(settings.inner_rate), deferred(self.training_tasks)
        return descent(loss, batches, settings.steps, rate, clip=settings.clip)

    def training_tasks(self) -> TaskBatches:
        """Batches of tasks of the training classes."""
        settings = self.settings
        return self._tasks(self.features[0], settings.tasks, settings.queries, settings.seed)

    def test_tasks(self) -> dict[str, Tensor]:
        """All tasks of the test classes."""
        settings = self.settings
        seed = settings.seed + TEST_SEED
        return self._tasks(self.features[1], settings.test_tasks, settings.test_queries, seed).batch(0)

    def machine(self, seed: int) -> KernelMachine:
        """The kernel limit, which draws nothing."""
        assert self.kernel is not None
        return KernelMachine(self.features[0].shape[-1], self.settings.ways, kernel=self.kernel)

    def _tasks(self, features: Tensor, tasks: int, queries: int, seed: int) -> TaskBatches:
        ways, shots = self.settings.ways, self.settings.shots
        return TaskBatches(features, tasks=tasks, ways=ways, shots=shots, queries=queries, seed=seed)


def _network(settings: MamlSettings, width: int, seed: int) -> LinearNetwork:
    spreads = settings.start(width).spreads
    return LinearNetwork(settings.pixels, settings.ways, width, seed=seed, **spreads)


def _limit(settings: MamlSettings, seed: int) -> LinearLimit:
    return LinearLimit(settings.pixels, settings.ways, **settings.start(math.inf).spreads)


def measure_adapted(tables: Mapping[str | None, FeatureTable], model: nn.Module, fresh: nn.Module) -> xr.Dataset:
    """Accuracy over the test tasks and its standard error; what the metric U'U makes of clutter; `width`, a coordinate.

    clutter_gain: |U p|^2 of a unit pattern of the clutter over that of a unit vector of any direction, on average: 1
    where features are as they were drawn, NaN where they are not linear.
    """
    table = tables[model.kernel if isinstance(model, KernelMachine) else None]
    settings = table.settings
    accuracy = adapted_accuracy(model, table.test_tasks(), settings.inner_rate, settings.test_steps).cpu()
    gain = math.nan
    if isinstance(model, LinearNetwork):
        metric, patterns = model.u.detach().cpu(), table.drawn.patterns
        gain = float((patterns @ metric.T).square().sum(1).mean() * metric.shape[1] / metric.square().sum())
    elif isinstance(model, KernelMachine) and KERNELS[model.kernel].activation == "linear":
        gain = 1.0
    measured = labelled(
        accuracy=("", float(accuracy.mean()), "accuracy on new classes"),
        standard_error=("", float(accuracy.std()) / len(accuracy) ** 0.5, "standard error over test tasks"),
        clutter_gain=("", gain, "clutter in the learned metric, relative to any direction"),
        width=("", float(model.width), "width"),  # type: ignore[arg-type]
    )
    return measured.set_coords("width")


def nearest_drawing(result: Result[MamlSettings, Glyphs]) -> xr.DataArray:
    """Accuracy (metric) on the same test tasks of the nearest drawing, in metrics set by statistics alone.

    The rivals of what is learned: drawings as they are, without as many principal components as the clutter has
    patterns, and whitened within classes; the statistics are those of the training drawings.
    """
    drawn, tasks = result.data, FeatureTable(result.settings, result.data).test_tasks()
    metrics = {
        "as drawn": None,
        "components dropped": without_components(drawn.train, min(len(drawn.patterns), result.settings.pixels)),
        "whitened within classes": within_class_whitening(drawn.train),
    }
    accuracies = [float(nearest_accuracy(tasks, metric).mean()) for metric in metrics.values()]
    return labelled(
        accuracy=("metric", accuracies, "accuracy on new classes of the nearest drawing"),
        metric=("metric", list(metrics), "metric"),
    )["accuracy"]


def glyph_sheet(drawn: Glyphs, *, clutter: bool, classes: int = 6, drawings: int = 4) -> xr.DataArray:
    """Some training drawings side by side, one class a column, as one image with the dims (y, x)."""
    rows = (drawn.train if clutter else drawn.clean_train)[:classes, :drawings]
    tiles = nn.functional.pad(drawn.images(rows), (1, 1, 1, 1), value=float(rows.min()))
    sheet = rearrange(tiles, "glyph drawing y x -> (drawing y) (glyph x)")
    name = "drawings as a network sees them" if clutter else "drawings before the clutter"
    axes = {dim: (dim, range(count), dim, "pixel") for dim, count in zip(("y", "x"), sheet.shape, strict=True)}
    return labelled(ink=("y x", sheet, name), **axes)["ink"]


def draw(result: Result[MamlSettings, Glyphs]) -> dict[str, go.Figure]:
    """Drawings without and with clutter, query losses in training, accuracy against width."""
    from limitlab import figures

    settings, drawn = result.settings, result.data
    smooth = result.curves.coarsen(step=max(1, result.curves.sizes["step"] // SMOOTHED), boundary="trim").mean()
    plots = {
        "clean": figures.field_2d(glyph_sheet(drawn, clutter=False)),
        "cluttered": figures.field_2d(glyph_sheet(drawn, clutter=True)),
        "training": figures.training_curves(smooth, "query"),
    }
    if settings.widths:
        plots["accuracy"] = figures.accuracy_against_width(result.metrics, chance=1 / settings.ways)
    return plots


SIZES = sizes(
    MamlSettings(steps=400, seeds=1),
    smoke={
        "train_classes": 30,
        "test_classes": 10,
        "drawings": 12,
        "test_queries": 5,
        "tasks": 8,
        "steps": 20,
        "test_tasks": 20,
    },
    paper={
        "train_classes": 1000,
        "resolution": 28,
        "steps": 50_000,
        "learning_rate": 0.1,
        "test_tasks": 1000,
        "widths": (2, 8, 32, 128, 512, 2048, 8192),
        "kernels": tuple(KERNELS),
        "initialisation": "repository",
    },
)

EXPERIMENT = Experiment(
    "feature-learning", "Few-shot learning of glyphs at finite and at infinite width", SIZES, prepare, draw
)
