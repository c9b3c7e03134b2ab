"""Classes of flows side by side: plain, augmented, of second order, Hamiltonian, each regularised or not.

Data: a disc in a ring, or trajectories of an oscillator, of a damped one or of a pendulum, of which a share of the
values is missing in training. Classifiers are measured on new points; forecasters, which see the start alone, on new
starts over the time that was learned from, and over as much time again. A plain and a Hamiltonian flow of the plane
cannot take the disc out of the ring: what they learn tears the ring between the points that were seen. A Hamiltonian
one cannot lose energy.

Sources: Kidger, On Neural Differential Equations (2022), 2.2; Dupont, Doucet & Teh, Augmented neural ODEs (2019);
Greydanus, Dzamba & Yosinski, Hamiltonian neural networks (2019); Pal et al. 2021, 2023 (regularisation).
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from limitlab.data import Series
from limitlab.data.files.series_files import named_series
from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result, Trial
from limitlab.experiments.contract.settings import option, sizes
from limitlab.experiments.neural_des.classes._flow_data import POINTS, SETS, FlowData, flow_data, flow_data_of
from limitlab.experiments.neural_des.classes._flow_models import (
    CLASSES,
    Sizes,
    deviation,
    mean_squared,
)
from limitlab.experiments.neural_des.classes._looks import LOOKED_AT, beside, calls_of, moments, with_labels
from limitlab.experiments.neural_des.regularization._regularized import (
    WAYS,
    RegularizedSettings,
    accuracy,
    cross_entropy,
    trials,
)
from limitlab.labels import labelled
from limitlab.neural_des.ode import FlowClassifier, FlowForecaster
from limitlab.neural_des.regularization import RegularizedODE, Steer
from limitlab.neural_des.regularization.penalties import Regularization
from limitlab.training import descent, fixed

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

POINTS_LOOKED_AT = 80
TIMES = 20
"""How often accuracy and cost are measured during a training."""


@dataclass(frozen=True)
class FlowSettings(RegularizedSettings):
    """The data and what is missing of them, the classes, and their training."""

    data: str = option(POINTS, "points of two classes, or trajectories", choices=SETS)
    file: str = option("", "path of a reader's trajectories, in place of data: .csv, .ts, .npz, .pt, .mat, ...")
    classes: tuple[str, ...] = option(tuple(CLASSES), "classes of flows", choices=tuple(CLASSES), distinct=True)
    ways: tuple[str, ...] = option(("plain",), "regularisations", choices=tuple(WAYS), distinct=True)
    samples: int = option(100, "points of each class, or trajectories", low=2, high=100_000)
    rows: int = option(30, "times of a trajectory", low=4, high=2000)
    missing: float = option(0.0, "share of the values of trajectories that is missing in training", low=0.0, high=0.95)
    dropped: str = option("value", "what is taken away: single values, or whole times", choices=("value", "time"))
    extra: int = option(1, "dimensions that augmentation adds", low=1, high=8)
    depth: int = option(2, "hidden layers of the field", low=1, high=8)
    first_weight: float = option(1.0, "coefficient of the sum of E h at the first step", low=0.0, high=1e6)
    tolerance: float = option(1e-5, "absolute and relative, of the solver", low=1e-10, high=1e-2)
    method: str = option("tsit5", "solver", choices=("tsit5", "dopri5", "bosh3"))


def refusal(name: str, way: str, *, points: bool, features: int, method: str = "tsit5") -> str:
    """Why a class cannot learn from such data, or not in this way; empty where it can."""
    if CLASSES[name].even and features % 2:
        return f"{name} needs two halves of the state, positions and momenta; the data have {features} columns"
    if isinstance(WAYS[way].regularization, Steer) and not points:
        return f"{way} moves the end of a solve, and trajectories are asked for at all their times"
    if way == "srnode" and method == "bosh3":
        return "srnode needs a stiffness estimate, which bosh3 does not have"
    return ""


def check(settings: FlowSettings) -> None:
    """Raise InvalidArgument for classes, ways and data that do not go together."""
    if settings.file:
        own, names = named_series(settings.file)
        flow_data_of(own, names)
        _check_series(settings, own.values.shape[-1])
        return
    points = settings.data == POINTS
    if points and settings.missing:
        raise InvalidArgument(f"missing must be 0 for {POINTS}, whose points are whole; got {settings.missing:g}")
    for name in settings.classes:
        for way in settings.ways:
            if reason := refusal(name, way, points=points, features=2, method=settings.method):
                raise InvalidArgument(reason)


def prepare(settings: FlowSettings, progress: ReportProgress = False) -> Prepared[FlowData]:
    """Every class in every way, on the same data."""
    if settings.file:
        return with_series(*named_series(settings.file)).prepare(settings, progress)
    data = flow_data(settings.data, samples=settings.samples, rows=settings.rows, **_gaps(settings))
    return prepared(settings, data)


def with_series(own: Series, names: tuple[str, ...] = ()) -> Experiment[FlowSettings, FlowData]:
    """The experiment on trajectories of a reader's own; names: of their channels. Raises InvalidArgument."""
    features = own.values.shape[-1]

    def prepare_own(settings: FlowSettings, progress: ReportProgress = False) -> Prepared[FlowData]:
        return prepared(settings, flow_data_of(own, names, **_gaps(settings)))

    def check_own(settings: FlowSettings) -> None:
        _check_series(settings, features)

    # at once, and not when the data are made
    flow_data_of(own, names)
    return dataclasses.replace(EXPERIMENT, prepare=prepare_own, check=check_own, title="Trajectories of a reader")


def _check_series(settings: FlowSettings, features: int) -> None:
    for name in settings.classes:
        for way in settings.ways:
            if reason := refusal(name, way, points=False, features=features, method=settings.method):
                raise InvalidArgument(reason)


def _gaps(settings: FlowSettings) -> dict[str, Any]:
    return {"missing": settings.missing, "dropped": settings.dropped, "seed": settings.seed}


def prepared(settings: FlowSettings, data: FlowData) -> Prepared[FlowData]:
    """The trials on these data."""
    every = {"evaluate": partial(evaluate, data), "evaluate_every": max(1, settings.steps // TIMES)}
    loss = cross_entropy if data.times is None else mean_squared
    times = {} if data.times is None else {"t": data.times}
    recipe = descent(
        loss, fixed(**data.train, **times), settings.steps, settings.learning_rate, optimizer="adam", **every
    )
    chosen: list[Trial] = []
    for name in settings.classes:
        chosen += trials(settings, recipe, partial(build, settings, data, name), **{"class": name})
    return Prepared(tuple(chosen), partial(measure, data), data)


def build(settings: FlowSettings, data: FlowData, name: str, regularization: Regularization, seed: int) -> nn.Module:
    """A classifier of points, or a forecaster of trajectories, in double precision."""
    row = CLASSES[name]
    shape = Sizes(data.features, settings.extra, settings.width, settings.depth)
    span = (0.0, 1.0) if data.times is None else (float(data.times[0]), float(data.times[-1]))
    layer = RegularizedODE(settings.ode(row.field(shape, seed).double(), span), regularization)
    lift = row.lift(shape, seed).double()
    if data.times is not None:
        return FlowForecaster(layer, lift)
    classes = int(data.train["label"].max()) + 1
    return FlowClassifier(layer, data.features + row.added(shape), classes, lift=lift, seed=seed)


@torch.no_grad()
def evaluate(data: FlowData, model: Any, fresh: nn.Module) -> dict[str, float]:
    """How right the model is on the test set, and what a solve costs."""
    found = measure(data, model, fresh)
    return {str(name): float(found[name]) for name in found.data_vars}


@torch.no_grad()
def measure(data: FlowData, model: Any, fresh: nn.Module) -> xr.Dataset:
    """Accuracy on new points, or errors on new starts; and the field calls of a look."""
    calls = ("", calls_of(look(data, model)), "field calls of a sample")
    if data.times is None:
        return labelled(
            accuracy=("", accuracy(model, data.test["x"], data.test["label"]), "share of new points in their class"),
            field_calls=calls,
        )
    learned = len(data.times)
    assert data.test_times is not None
    device = next(model.parameters()).device
    predicted = model.eval()(data.test["x"].to(device), data.test_times.to(device)).cpu()
    target = data.test["y"]
    ahead = deviation(predicted[:, learned:], target[:, learned:]) if target.shape[1] > learned else math.nan
    return labelled(
        error=("", deviation(predicted[:, :learned], target[:, :learned]), "error of new trajectories, in deviations"),
        error_ahead=("", ahead, "the same beyond the time learned from"),
        field_calls=calls,
    )


@torch.no_grad()
def look(data: FlowData, model: Any) -> xr.Dataset:
    """Paths of some samples of the test set, with their steps: see `_looks`. Leaves the model in eval mode."""
    device = next(model.parameters()).device
    model.eval()
    chosen = _spread(data, LOOKED_AT if data.test_times is not None else POINTS_LOOKED_AT)
    ode = model.flow.ode
    times = torch.tensor(ode.span, dtype=torch.float64) if data.test_times is None else data.test_times
    solution = ode.solve(model.lifted(data.test["x"][chosen].to(device)), moments(times).to(device))
    hidden = solution.y.shape[-1] - data.features
    states = solution.to_xarray([*data.names, *(f"h{k}" for k in range(1, hidden + 1))])
    if data.times is None:
        return with_labels(states, data.test["label"][chosen])
    measured = data.test["y"][chosen]
    return beside(
        states, measured=measured, complete=measured, row_time=times.expand(len(chosen), -1),
        line=solution.y[..., : data.features], channels=data.names,
    )  # fmt: skip


def _spread(data: FlowData, samples: int) -> Tensor:
    """Numbers of test samples, of all classes alike."""
    count = len(data.test["x"])
    return torch.linspace(0, count - 1, min(samples, count)).round().long()


def draw(result: Result[FlowSettings, FlowData]) -> dict[str, go.Figure]:
    """Training curves, and field calls as they grow."""
    from limitlab import figures

    calls = result.curves["field_calls"].isel(seed=0).dropna("step")
    return {
        "training": figures.training_curves(result.curves),
        "field_calls": figures.lines(calls.transpose("model", "step"), marks=True),
    }


SIZES = sizes(
    course=FlowSettings(seeds=1, steps=120, tolerance=1e-4),
    smoke={"steps": 6, "samples": 12, "rows": 8, "width": 8, "depth": 1, "tolerance": 1e-3},
    paper={"seeds": 5, "samples": 1000, "steps": 1000},
)
EXPERIMENT = Experiment(
    "neural-differential-equations",
    "Classes of flows on points and trajectories",
    SIZES,
    prepare,
    draw,
    check=check,
)
