"""Few-shot learning of generated glyphs by first-order MAML: finite widths, infinite width, and frozen kernels.

A test task shows one drawing of each of five new classes, and asks for the class of others. The drawings are under
clutter that is the same for all classes: a network that learns features learns in training to look past it, at
infinite width as well; a kernel limit keeps its features, so training on other tasks teaches it next to nothing.
Source: Yang, Hu, Feature learning in infinite-width neural networks, arXiv 2011.14522, section 7.2.
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from limitlab.data.sources.glyphs import Glyphs, glyphs
from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result
from limitlab.experiments.contract.settings import Settings, option
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
from limitlab.infinite_width.parametrizations.linear_limit import LinearLimit, LinearNetwork

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

TEST_SEED = 2**32
SMOOTHED = 40


@dataclass(frozen=True)
class MamlSettings(Settings):
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
    steps: int = option(400, "steps of meta-learning", low=1, high=10_000_000)
    learning_rate: float = option(0.4, "rate of meta-learning", low=1e-6, high=100.0)
    inner_rate: float = option(0.4, "rate of a step within a task", low=0.0, high=100.0)
    clip: float = option(0.5, "largest norm of a gradient, of all weights jointly", low=1e-6, high=1e6)
    test_steps: int = option(20, "steps within a test task", low=0, high=1000)
    test_tasks: int = option(400, "test tasks", low=2, high=100_000)
    widths: tuple[int, ...] = option((8, 64), "finite widths", low=1, high=65_536)
    kernels: tuple[str, ...] = option(("linear_ntk", "relu_ntk", "relu_gp"), "kernel limits", choices=KERNELS)
    initialisation: str = option(
        "shared", "one for all widths, or the authors' table", choices=("shared", "repository")
    )
    seeds: int = option(1, "initialisations of each finite width", low=1, high=100)
    seed: int = option(0, "seed of drawings, tasks and first initialisation", low=0, high=2**31)
    device: str = option("auto", "where to train", choices=("auto", "cpu", "cuda", "mps"))

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
        return self.resolution**2


def prepare(settings: Settings, progress: ReportProgress = False) -> Prepared:
    """The drawings, the features of each kernel when they are asked for, and the same tasks for all models."""
    assert isinstance(settings, MamlSettings)
    drawn = glyphs(
        settings.train_classes,
        settings.test_classes,
        drawings=settings.drawings,
        size=settings.resolution,
        clutter=settings.clutter,
        seed=settings.seed,
    )
    finite_widths = {f"width-{width}": width for width in settings.widths}
    shared: dict[str, Any] = {"ways": settings.ways, "shots": settings.shots}

    @cache
    def tables(model: str) -> tuple[Tensor, Tensor]:
        """Training and test drawings as the model takes them."""
        if model not in settings.kernels:
            return drawn.train, drawn.test
        features = kernel_features(model, torch.cat([drawn.train, drawn.test]).flatten(0, 1))
        train, test = features.unflatten(0, (-1, settings.drawings)).split([len(drawn.train), len(drawn.test)])
        return train, test

    @cache
    def batches(model: str) -> TaskBatches:
        table = tables(model)[0]
        return TaskBatches(table, tasks=settings.tasks, queries=settings.queries, seed=settings.seed, **shared)

    def test_tasks(model: str) -> dict[str, Tensor]:
        seed, queries = settings.seed + TEST_SEED, settings.test_queries
        return TaskBatches(tables(model)[1], tasks=settings.test_tasks, queries=queries, seed=seed, **shared).batch(0)

    def build(model: str, seed: int) -> nn.Module:
        if model in settings.kernels:
            return KernelMachine(tables(model)[0].shape[-1], settings.ways, kernel=model)
        width = finite_widths.get(model)
        start = _initialisation(settings, width)
        sizes = (start.sigma_1, start.sigma_2, start.bias)
        if width is None:
            return LinearLimit(settings.pixels, settings.ways, *sizes)
        return LinearNetwork(settings.pixels, settings.ways, width, *sizes, seed=seed)

    def training(model: str) -> dict[str, Any]:
        factor = _initialisation(settings, finite_widths.get(model)).rate
        return {
            "steps": settings.steps,
            "learning_rate": settings.learning_rate * factor,
            "weight_decay": 0.0,
            "optimizer": "sgd",
            "schedule": "constant",
            "clip": settings.clip,
            "device": settings.device,
            "batches": batches(model),
        }

    def measure(model: nn.Module) -> "xr.Dataset":
        name = model.kernel if isinstance(model, KernelMachine) else "infinite"
        return measure_maml(model, test_tasks(name), drawn.patterns, settings)

    return Prepared(
        settings=settings,
        models=(*finite_widths, "infinite", *settings.kernels),
        seeds=tuple(range(settings.seed, settings.seed + settings.seeds)),
        batches=batches("infinite"),
        loss=first_order_maml(settings.inner_rate),
        build=build,
        training=training,
        measure=measure,
        data=drawn,
    )


def _initialisation(settings: MamlSettings, width: int | None) -> Hyperparameters:
    """The authors' for that width; None is infinite."""
    if settings.initialisation == "shared":
        return Hyperparameters()
    return repository_hyperparameters(float("inf") if width is None else width)


def measure_maml(model: nn.Module, tasks: dict[str, Tensor], patterns: Tensor, settings: MamlSettings) -> "xr.Dataset":
    """Accuracy over the test tasks and its standard error; what the metric U'U makes of clutter; `width`, a coordinate.

    clutter_gain: |U p|^2 of a unit pattern of the clutter over that of a unit vector of any direction, on average: 1
    where features are as they were drawn, NaN where they are not linear.
    """
    import xarray as xr

    accuracy = adapted_accuracy(model, tasks, settings.inner_rate, settings.test_steps).cpu()
    gain = float("nan")
    if isinstance(model, LinearNetwork):
        metric = model.u.detach().cpu()
        gain = float((patterns @ metric.T).square().sum(1).mean() * metric.shape[1] / metric.square().sum())
    elif isinstance(model, KernelMachine) and model.kernel.startswith("linear"):
        gain = 1.0
    values = {
        "accuracy": (float(accuracy.mean()), "accuracy on new classes"),
        "standard_error": (float(accuracy.std()) / len(accuracy) ** 0.5, "standard error over test tasks"),
        "clutter_gain": (gain, "clutter in the learned metric, relative to any direction"),
    }
    return xr.Dataset(
        {name: ((), value, {"long_name": title, "units": "1"}) for name, (value, title) in values.items()},
        coords={"width": ((), float(model.width), {"long_name": "width", "units": "1"})},  # type: ignore[arg-type]
    )


def glyph_sheet(drawn: Glyphs, *, clutter: bool, classes: int = 6, drawings: int = 4) -> "xr.DataArray":
    """Some training drawings side by side, one class a column, as one image with the dims (y, x)."""
    import xarray as xr

    rows = (drawn.train if clutter else drawn.clean_train)[:classes, :drawings]
    tiles = nn.functional.pad(drawn.images(rows), (1, 1, 1, 1), value=float(rows.min()))
    sheet = tiles.permute(1, 2, 0, 3).flatten(2, 3).flatten(0, 1)
    name = "drawings as a network sees them" if clutter else "drawings before the clutter"
    axes = {
        dim: (dim, range(count), {"long_name": dim, "units": "pixel"})
        for dim, count in zip(("y", "x"), sheet.shape, strict=True)
    }
    return xr.DataArray(sheet.numpy(), axes, ("y", "x"), name="ink", attrs={"long_name": name, "units": "1"})


def draw(result: Result) -> dict[str, "go.Figure"]:
    """Drawings without and with clutter, query losses in training, accuracy against width."""
    from limitlab import figures

    settings, drawn = result.prepared.settings, result.prepared.data
    assert isinstance(settings, MamlSettings)
    smooth = result.curves.coarsen(step=max(1, result.curves.sizes["step"] // SMOOTHED), boundary="trim").mean()
    plots = {
        "clean": figures.field_2d(glyph_sheet(drawn, clutter=False)),
        "cluttered": figures.field_2d(glyph_sheet(drawn, clutter=True)),
        "training": figures.training_curves(smooth, "query"),
    }
    if settings.widths:
        plots["accuracy"] = figures.accuracy_against_width(result.metrics, chance=1 / settings.ways)
    return plots


COURSE = MamlSettings()
SMOKE = replace(
    COURSE, train_classes=30, test_classes=10, drawings=12, test_queries=5, tasks=8, steps=20, test_tasks=20
)
PAPER = replace(
    COURSE,
    train_classes=1000,
    resolution=28,
    steps=50_000,
    learning_rate=0.1,
    test_tasks=1000,
    widths=(2, 8, 32, 128, 512, 2048, 8192),
    kernels=KERNELS,
    initialisation="repository",
)

EXPERIMENT = Experiment(
    name="maml_glyphs",
    title="Few-shot learning of glyphs at finite and at infinite width",
    system="feature-learning",
    sizes={"smoke": SMOKE, "course": COURSE, "paper": PAPER},
    prepare=prepare,
    draw=draw,
    check=lambda settings: None,
)
