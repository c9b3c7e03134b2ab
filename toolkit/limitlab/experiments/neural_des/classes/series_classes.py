"""Classes of neural differential equations on series with gaps: which of them holds when values are missing.

All are trained on series with one share of the values missing, and asked with other shares missing. A plain ODE sees
the start alone, as does the naive SDE: what they lack is the path, not stability. A CDE is driven by the increments of
the path, the stable SDEs see its value. Data: activities, vowels, oscillators, spirals, or a reader's own.

Sources: Oh, Lim, Kim, Stable neural stochastic differential equations (2024), arXiv 2402.14989; Kidger, Morrill, Foster
& Lyons, Neural controlled differential equations (2020).
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from limitlab.data import Series
from limitlab.data.files.series_files import named_series
from limitlab.errors import InvalidArgument
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result, Trial
from limitlab.experiments.contract.settings import option, sizes
from limitlab.experiments.neural_des._sequences import Sequences, SequenceSettings, ready, sequences
from limitlab.experiments.neural_des.classes._looks import LOOKED_AT, beside, calls_of, with_labels
from limitlab.experiments.neural_des.classes._series_models import (
    CLASSES,
    FIXED,
    evolution,
    probabilities,
    seen_by,
)
from limitlab.experiments.neural_des.regularization._regularized import WAYS
from limitlab.labels import labelled
from limitlab.neural_des.regularization import exponential, regularized
from limitlab.neural_des.stable_sde import until_diverged
from limitlab.training import descent

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

TEST_SHARE = 0.3
LEAST = 8
"""Series that a reader must have."""


@dataclass(frozen=True)
class SeriesSettings(SequenceSettings):
    """The classes, what is missing, and the solves."""

    file: str = option("", "path of a reader's series with labels, in place of data: .csv, .ts, .npz, .pt, .mat, ...")
    classes: tuple[str, ...] = option(tuple(CLASSES), "classes", choices=tuple(CLASSES), distinct=True)
    missing: float = option(0.0, "share that is missing in training", low=0.0, high=0.95)
    test_rates: tuple[float, ...] = option(
        (0.0, 0.3, 0.5, 0.7, 0.9), "shares missing at test", low=0.0, high=0.99, distinct=True
    )
    solver_steps: int = option(40, "steps of a solve where steps are uniform", low=4, high=2000)
    method: str = option(FIXED, "solver of ODE and CDE", choices=(FIXED, "bosh3", "tsit5", "dopri5"))
    tolerance: float = option(1e-3, "absolute and relative, where steps follow the error", low=1e-10, high=1e-1)
    way: str = option("plain", "regularisation of the ODE", choices=tuple(WAYS))
    weight: float = option(1.0, "its coefficient, of the sum of E h", low=0.0, high=1e6)


def refusal(name: str, way: str, method: str) -> str:
    """Why a class cannot be trained in this way; empty where it can."""
    if way == "plain":
        return ""
    if not CLASSES[name].flow:
        driver = "noise decides" if CLASSES[name].stochastic else "a path drives"
        return f"{way} is a term of the solve of an ODE; {driver} that of {name}"
    if method == FIXED:
        return f"{way} needs steps by the error, and {FIXED} has steps of one size"
    if way == "srnode" and method == "bosh3":
        return "srnode needs a stiffness estimate, which bosh3 does not have"
    return ""


def check(settings: SeriesSettings) -> None:
    """Raise InvalidArgument for a regularisation that a class cannot have, or a file without series and labels."""
    if settings.file:
        with_series(*named_series(settings.file))
    for name in settings.classes:
        if reason := refusal(name, settings.way, settings.method):
            raise InvalidArgument(reason)


def prepare(settings: SeriesSettings, progress: ReportProgress = False) -> Prepared[Sequences]:
    """Every class on the same series."""
    if settings.file:
        return with_series(*named_series(settings.file)).prepare(settings, progress)
    return prepared(settings, sequences(settings))


def with_series(own: Series, names: tuple[str, ...] = ()) -> Experiment[SeriesSettings, Sequences]:
    """The experiment on labelled series of a reader's own, of which a part is to test on. Raises InvalidArgument.

    names: of the channels.
    """
    if own.labels is None or len(own.classes) < 2:
        raise InvalidArgument("series must have labels of two classes or more to be told apart")
    if len(own) < LEAST or int(torch.bincount(own.labels, minlength=len(own.classes)).min()) < 2:
        raise InvalidArgument(f"series must be {LEAST} or more, two or more of each class; got {own!r}")

    def prepare_own(settings: SeriesSettings, progress: ReportProgress = False) -> Prepared[Sequences]:
        return prepared(settings, ready(*own.split(1 - TEST_SHARE, settings.seed), settings, names))

    return dataclasses.replace(EXPERIMENT, prepare=prepare_own, title="Series of a reader")


def prepared(settings: SeriesSettings, data: Sequences) -> Prepared[Sequences]:
    """The trials on these series."""
    trials = []
    for name in settings.classes:
        row = CLASSES[name]
        guess = {"cross_entropy": math.log(data.classes)}
        loss = until_diverged(row.loss, guess) if row.stochastic else row.loss
        batches = row.batches(data, settings.missing, settings.batch)
        recipe = descent(loss, batches, settings.steps, settings.learning_rate, optimizer="adam", clip=1.0)
        if row.flow:
            weight = WAYS[settings.way].factor * settings.weight
            recipe = regularized(recipe, exponential(weight, weight, settings.steps), seed=settings.seed)
        trials.append(Trial({"class": name}, partial(row.build, settings, data), recipe))
    return Prepared(tuple(trials), partial(measure, settings, data), data)


@torch.no_grad()
def measure(settings: SeriesSettings, data: Sequences, model: Any, fresh: nn.Module) -> xr.Dataset:
    """Accuracy at every share missing at test, and the field calls of a look."""
    found = [accuracy(settings, data, model, rate) for rate in settings.test_rates]
    return labelled(
        accuracy=("test_rate", found, "accuracy at test"),
        field_calls=("", calls_of(look(data, model)), "field calls of a sample"),
        test_rate=("test_rate", list(settings.test_rates), "share missing at test"),
    )


@torch.no_grad()
def accuracy(settings: SeriesSettings, data: Sequences, model: Any, rate: float) -> float:
    """Share of the test series told right with a share of them missing. Leaves the model in eval mode."""
    asked = probabilities(model.eval(), data.unseen(rate), settings.draws, data.seed)
    return asked.accuracy(data.test_labels)


@torch.no_grad()
def look(data: Sequences, model: Any, rate: float = 0.0, samples: int = LOOKED_AT) -> xr.Dataset:
    """Class probabilities of some test series along time, with the steps: see `_looks`. Leaves it in eval mode."""
    chosen = torch.linspace(0, len(data.test) - 1, min(samples, len(data.test))).round().long()
    gaps, whole = data.unseen(rate).take(chosen), data.test.take(chosen)
    found = evolution(model.eval(), gaps, data.seed)
    times = torch.from_numpy(found["time"].values.copy())
    channels = data.names or tuple(f"x{channel}" for channel in range(1, gaps.values.shape[-1] + 1))
    with_data = beside(
        found, measured=gaps.values, complete=whole.values, row_time=gaps.times, line=seen_by(model, gaps, times),
        channels=channels,
    )  # fmt: skip
    return with_labels(with_data, whole.labels)


def draw(result: Result[SeriesSettings, Sequences]) -> dict[str, go.Figure]:
    """Training curves, and the accuracy against the share missing at test."""
    from limitlab import figures

    seen = result.grid("class")["accuracy"].mean("seed", keep_attrs=True)
    named = {str(name): seen.sel({"class": name}) for name in seen["class"].values}
    return {"training": figures.training_curves(result.curves), "missing": figures.lines(named, marks=True)}


SIZES = sizes(
    course=SeriesSettings(seeds=1),
    smoke={
        "data": "damped_oscillators", "test_rates": (0.0, 0.9), "width": 8, "solver_steps": 12, "steps": 4, "draws": 2,
        "seeds": 1,
    },
    paper={"seeds": 5, "steps": 300, "width": 64, "draws": 20},
)  # fmt: skip
EXPERIMENT = Experiment(
    "stable-neural-sde",
    "Classes of neural differential equations on series with gaps",
    SIZES,
    prepare,
    draw,
    check=check,
)
