"""The antiderivative of random smooth functions by DeepONets, learned from 1000 pairs at 100 points.

    u -> s,    s(x) = int_0^x u,    u ~ GP(0, exp(-(x - y)^2 / 2 l^2)),    l = 0.2

Three DeepONets: with the values of u at the points, with integrals of u that any grid gives, and with the modes of s as
a trunk. The map is linear: least squares from the 100 values of u to those of s is the simplest thing that could work,
and the mean is what knows nothing. `tail` is what eight modes of the training outputs leave of the test outputs,
whatever their coefficients. The course size at seed 0 gives errors of 0.0064, 0.0092 and 0.0071, least squares 2e-7.

Source: Lu, Jin, Pang, Zhang & Karniadakis, Learning nonlinear operators via DeepONet (2021).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.data import ChannelStatistics, antiderivatives, batches
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result, Trial
from limitlab.experiments.contract.settings import Batched, Ensemble, option, sizes
from limitlab.labels import labelled
from limitlab.operators import OPERATORS, Normalized, Task, count_parameters, points_of
from limitlab.operators.pod import Modes, target_modes
from limitlab.spaces import Grid, relative_l2
from limitlab.training import Recipe, operator_loss

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

MODELS = ("deeponet", "deeponet_integral", "pod_deeponet", "mean")
MODES = 8
"""Of the outputs, of which the tail is taken."""


@dataclass(frozen=True)
class AntiderivativeSettings(Ensemble, Batched):
    """The functions, the networks and their training."""

    models: tuple[str, ...] = option((*MODELS, "linear"), "what learns", choices=(*MODELS, "linear"), distinct=True)
    train_samples: int = option(1000, "training functions", low=10, high=1_000_000)
    test_samples: int = option(200, "test functions", low=1, high=1_000_000)
    points: int = option(100, "points where functions are known", low=8, high=4096)
    length_scale: float = option(0.2, "correlation length of the functions", low=0.05, high=10.0)
    width: int = option(32, "a quarter of the units of a hidden layer, half of the terms", low=2, high=512)
    layers: int = option(2, "hidden layers", low=1, high=16)
    learning_rate: float = option(1e-3, "peak of the one-cycle schedule", low=1e-6, high=1.0)


@dataclass(frozen=True)
class Antiderivatives:
    """Pairs to learn from, and others at those points and at twice as many."""

    task: Task
    modes: Modes
    tests: dict[int, xr.Dataset]


class LeastSquares(nn.Module):
    """The linear map from the values of u to those of s with the least squared error, as the pseudo-inverse has it."""

    weight: Tensor

    def __init__(self, inputs: Float[Tensor, "sample 1 point"], targets: Float[Tensor, "sample 1 point"]) -> None:
        super().__init__()
        solution = torch.linalg.lstsq(inputs[:, 0].double(), targets[:, 0].double(), rcond=1e-10, driver="gelsd")
        self.register_buffer("weight", solution.solution.to(inputs.dtype))

    def forward(self, u: Float[Tensor, "batch 1 point"]) -> Float[Tensor, "batch 1 point"]:
        return u @ self.weight


def prepare(settings: AntiderivativeSettings, progress: ReportProgress = False) -> Prepared[Antiderivatives]:
    """The same pairs, batches and steps for all that are trained."""
    draw = partial(antiderivatives, length_scale=settings.length_scale, seed=settings.seed)
    pairs = batches(draw(settings.train_samples, settings.points), size=settings.batch_size, seed=settings.seed)
    inputs, targets = (pairs.tensors()[role] for role in ("input", "target"))
    statistics = (ChannelStatistics.of(inputs), ChannelStatistics.of(targets))
    task = Task(1, 1, pairs.grid, statistics, targets.mean(0), targets)
    unseen = partial(draw, settings.test_samples, first=settings.train_samples)
    tests = {points: unseen(points) for points in (settings.points, 2 * settings.points - 1)}
    recipe = Recipe(
        operator_loss("l2", pairs.grid),
        pairs,
        settings.steps,
        settings.learning_rate,
        optimizer="adam",
        weight_decay=0.0,
    )
    data = Antiderivatives(task, target_modes(targets, pairs.grid, MODES), tests)
    trials = [
        Trial({"model": name}, partial(build, name, settings, task), recipe if OPERATORS[name].trains else None)
        for name in settings.models
        if name in OPERATORS
    ]
    if "linear" in settings.models:
        trials.append(Trial({"model": "linear"}, lambda seed: LeastSquares(inputs, targets)))
    return Prepared(tuple(trials), partial(measure, data), data)


def build(name: str, settings: AntiderivativeSettings, task: Task, seed: int) -> nn.Module:
    """An operator of the catalogue, between normalised functions where it learns."""
    torch.manual_seed(seed)
    model = OPERATORS[name].build(task, settings)
    return Normalized(model, *task.statistics) if OPERATORS[name].trains else model


@torch.no_grad()
def measure(data: Antiderivatives, model: nn.Module, fresh: nn.Module) -> xr.Dataset:
    """Errors on unseen functions at the points of the training and at others; NaN where a model has no answer."""
    import xarray as xr

    device = next((tensor.device for tensor in (*model.parameters(), *model.buffers())), torch.device("cpu"))
    fixed = isinstance(model, LeastSquares) or points_of(model) is not None
    rows, training = [], data.task.grid.shape[0]
    for points, pairs in data.tests.items():
        u, s = (torch.as_tensor(pairs[role].values) for role in ("input", "target"))
        known = points == training or not fixed
        answer = model.eval()(u.to(device)).cpu() if known else torch.full_like(s, torch.nan)
        errors = relative_l2(answer, s, data.task.grid.at(points))
        rows.append(labelled(relative_l2=("sample", errors, "relative L2 error")))
    resolution = labelled(resolution=("resolution", list(data.tests), "points in the test"))["resolution"]
    tail = tail_of(data.modes, data.task.grid, torch.as_tensor(data.tests[training]["target"].values))
    numbers = labelled(
        parameters=("", count_parameters(model), "real parameters"),
        tail=("", tail, f"what {MODES} modes of the training outputs leave of the test outputs"),
    )
    return xr.concat(rows, resolution).merge(numbers)


def tail_of(modes: Modes, grid: Grid, targets: Float[Tensor, "sample channel *grid"]) -> float:
    """Root of the mean square that the best coefficients of these modes leave, over that of all but the mean."""
    root = grid.weights().sqrt()
    basis = (modes.functions.double() / modes.deviations.reshape(-1, *[1] * (targets.ndim - 1)) * root).flatten(1)
    deviations = ((targets.double() - modes.mean) * root).flatten(1)
    left = deviations - deviations @ basis.mT @ basis
    return float(left.norm() / deviations.norm())


def draw(result: Result[AntiderivativeSettings, Antiderivatives]) -> dict[str, go.Figure]:
    """Training curves, errors at the two resolutions, and the first unseen function's integral by every model."""
    from limitlab import figures

    settings, data = result.settings, result.data
    test = data.tests[settings.points].isel(sample=[0])
    u = torch.as_tensor(test["input"].values)
    shown = {"integral": test["target"].isel(sample=0, channel=0)}
    for trial in result.prepared.trials:
        with torch.no_grad():
            answer = result.models[trial.name, settings.seed_range[0]].cpu()(u)[0, 0]
        shown[trial.name] = shown["integral"].copy(data=answer.numpy())
    return {
        "training": figures.training_curves(result.curves),
        "resolution": figures.error_against_resolution(result.metrics, train_resolution=settings.points),
        "integral": figures.lines(shown),
    }


SIZES = sizes(
    course=AntiderivativeSettings(seeds=1, steps=10_000, batch_size=64),
    smoke={"train_samples": 40, "test_samples": 8, "points": 20, "steps": 4, "batch_size": 10, "width": 4},
    paper={"seeds": 3, "steps": 50_000, "train_samples": 10_000},
)
EXPERIMENT = Experiment("nns-to-nos", "The antiderivative of random functions by DeepONets", SIZES, prepare, draw)
