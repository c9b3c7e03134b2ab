"""Which way a spiral turns, by a neural CDE: with rows missing at test, by each path, and without the time channel.

Two tasks. "chirality": inward spirals, half of them mirrored. "pace": the same values at even or at accelerating times,
which a model without a time channel cannot tell apart, whatever it learns. Two rivals get the same batches and steps,
each with a rate of its own: a GRU with about as many weights, which gets the same rows (values, 0 where missing, flags,
and times), and a linear map of the log-signature of the whole path, whose areas say at once which way a curve turns.

Sources: Kidger, Morrill, Foster & Lyons, Neural controlled differential equations (2020); diffrax's example of spirals.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from limitlab.data import Series, paced_spirals, spirals
from limitlab.errors import InvalidArgument, one_of
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result, Trial
from limitlab.experiments.contract.settings import Batched, Ensemble, option, sizes
from limitlab.labels import labelled
from limitlab.neural_des.cde import Control, NeuralCDE, accuracy, cross_entropy, dropped_accuracy
from limitlab.saved import Saved
from limitlab.spaces import log_signature, log_signature_size
from limitlab.training import Recipe
from limitlab.training.recipe import descent
from limitlab.training.streams import seeded

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

TASKS = {"chirality": spirals, "pace": paced_spirals}
CONTROLS = {
    "linear": Control(),
    "rectilinear": Control("rectilinear"),
    "hermite": Control("hermite"),
    "natural": Control("natural"),
    "log-ODE": Control(window=11, log_depth=2),
    "no time": Control(include_time=False),
}
GRU, SIGNATURE = "GRU", "log-signature"
MODELS = (*CONTROLS, GRU, SIGNATURE)


@dataclass(frozen=True)
class SpiralSettings(Ensemble, Batched):
    """The series, the paths, and the training."""

    task: str = option("chirality", "what the classes differ in", choices=tuple(TASKS))
    models: tuple[str, ...] = option(
        ("linear", "no time", GRU, SIGNATURE), "paths of a CDE, and rivals", choices=MODELS, distinct=True
    )
    samples: int = option(256, "series, of both classes", low=8, high=100_000)
    times: int = option(100, "rows of each series", low=13, high=10_000)
    hidden: int = option(8, "hidden state of the CDE", low=1, high=1024)
    width: int = option(128, "units of its field", low=1, high=4096)
    learning_rate: float = option(1e-2, "rate of Adam", low=1e-7, high=1.0)
    gru_units: int = option(24, "units of the rival", low=1, high=4096)
    gru_learning_rate: float = option(2e-2, "its rate of Adam", low=1e-7, high=1.0)
    signature_learning_rate: float = option(1e-1, "rate of the linear map of the log-signature", low=1e-7, high=1.0)
    drop: tuple[float, ...] = option((0.0, 0.5, 0.9), "shares of the rows that are dropped at test", low=0.0, high=0.99)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.drop:
            raise InvalidArgument("drop must hold a share of rows, 0 for none")


@dataclass(frozen=True)
class SpiralData:
    """Series to train on, and as many to test."""

    train: Series
    test: Series


class GRUClassifier(Saved):
    """The rival that learns as much: a GRU over the rows, whose mean state is read out.

    >>> from limitlab.experiments.neural_des.spiral_cde import GRUClassifier
    >>> GRUClassifier(2, 2, units=4)(torch.linspace(0, 1, 5), torch.zeros(3, 5, 2), torch.full((3,), 5)).shape
    torch.Size([3, 2])
    """

    def __init__(self, channels: int, outputs: int, units: int, seed: int = 0) -> None:
        super().__init__()
        with seeded(seed):
            self.cells = nn.GRU(2 * channels + 1, units, batch_first=True)
            self.readout = nn.Linear(units, outputs)

    def forward(
        self,
        times: Float[Tensor, "*batch time"],
        values: Float[Tensor, "batch time channel"],
        lengths: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch outputs"]:
        observed = ~values.isnan()
        clock = times.expand(values.shape[:2])[..., None]
        hidden, _ = self.cells(torch.cat([clock, torch.where(observed, values, 0), observed.to(values)], dim=-1))
        counts = torch.arange(values.shape[1], device=values.device) < lengths[:, None]
        # the mean, as a spiral ends near zero, where the last state has forgotten which way it came
        return self.readout((hidden * counts[..., None]).sum(1) / lengths[:, None])


class SignatureClassifier(Saved):
    """The rival that learns almost nothing: a linear map of the log-signature of depth two of the whole linear path.

    >>> from limitlab.experiments.neural_des.spiral_cde import SignatureClassifier
    >>> SignatureClassifier(2, 2)(torch.linspace(0, 1, 5), torch.zeros(3, 5, 2), torch.full((3,), 5)).shape
    torch.Size([3, 2])
    """

    def __init__(self, channels: int, outputs: int, seed: int = 0) -> None:
        super().__init__()
        with seeded(seed):
            self.readout = nn.Linear(log_signature_size(1 + channels), outputs)

    def forward(
        self,
        times: Float[Tensor, "*batch time"],
        values: Float[Tensor, "batch time channel"],
        lengths: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch outputs"]:
        return self.readout(log_signature(Control().path(times, values, lengths).coefficients[:, :, 0]))


def made(settings: SpiralSettings) -> SpiralData:
    """The series of the settings, in times from 0 to 1; the test set has a seed of its own."""
    make = TASKS[one_of("task", settings.task, TASKS)]
    train, test = (make(settings.samples, settings.times, 2 * settings.seed + part) for part in (0, 1))
    return SpiralData(train.rescaled(), test.rescaled(train.window))


def prepare(settings: SpiralSettings, progress: ReportProgress = False) -> Prepared[SpiralData]:
    """One model for each path, and the rival, with the same batches."""
    data = made(settings)
    channels, classes = data.train.values.shape[-1], len(data.train.classes)

    def cde(name: str, seed: int) -> nn.Module:
        size = {"hidden": settings.hidden, "width": settings.width}
        return NeuralCDE(channels, classes, control=CONTROLS[name], seed=seed, **size)

    def recipe(rate: float) -> Recipe:
        batches = data.train.batches(settings.batch_size, settings.seed)
        return descent(cross_entropy, batches, settings.steps, rate, optimizer="adam")

    trials = [
        Trial({"network": name}, partial(cde, name), recipe(settings.learning_rate))
        for name in settings.models
        if name in CONTROLS
    ]
    if GRU in settings.models:
        build = partial(GRUClassifier, channels, classes, settings.gru_units)
        trials.append(Trial({"network": GRU}, build, recipe(settings.gru_learning_rate)))
    if SIGNATURE in settings.models:
        areas = partial(SignatureClassifier, channels, classes)
        trials.append(Trial({"network": SIGNATURE}, areas, recipe(settings.signature_learning_rate)))
    return Prepared(tuple(trials), partial(measure, settings, data), data)


@torch.no_grad()
def measure(settings: SpiralSettings, data: SpiralData, model: nn.Module, fresh: nn.Module) -> xr.Dataset:
    """Accuracies on the test set at every share of dropped rows, and before training."""
    kept = [dropped_accuracy(model, data.test, share, settings.seed) for share in settings.drop]
    return labelled(
        accuracy=("missing", kept, "accuracy at test"),
        untrained=("", accuracy(fresh, data.test), "accuracy before training"),
        weights=("", sum(parameter.numel() for parameter in model.parameters()), "weights"),
        missing=("missing", list(settings.drop), "share of the rows that are dropped"),
    )


def draw(result: Result[SpiralSettings, SpiralData]) -> dict[str, go.Figure]:
    """Training curves, and the accuracy against the share of dropped rows."""
    from limitlab import figures

    means = result.metrics["accuracy"].mean("seed")
    named: dict[str, Any] = {str(name): means.sel(model=name) for name in means["model"].values}
    for line in named.values():
        line.attrs.update(result.metrics["accuracy"].attrs)
    return {"training": figures.training_curves(result.curves), "dropped": figures.lines(named, marks=True)}


SIZES = sizes(
    course=SpiralSettings(steps=30),
    smoke={"seeds": 1, "steps": 8, "samples": 32, "times": 16, "width": 16, "gru_units": 8},
    paper={"seeds": 5, "steps": 200, "samples": 2048, "models": MODELS},
)
EXPERIMENT = Experiment("neural-differential-equations", "Which way a spiral turns", SIZES, prepare, draw)
