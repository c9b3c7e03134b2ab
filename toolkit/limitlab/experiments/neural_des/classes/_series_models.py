"""Classes that tell series apart, as rows: what each sees of a series, how it is trained, and how it is asked.

| class | what it sees | steps |
|---|---|---|
| ode | the start alone | by the error |
| cde | the path, whose increments drive it | one a row, or by the error |
| naive | the start, and noise | uniform |
| naive_control, lsde, lnsde, gsde | the value of the path, and noise | uniform |

Sources: Kidger, Morrill, Foster & Lyons 2020 (CDE); Oh, Lim, Kim, Stable neural stochastic differential equations
(2024), section 3 (the others).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatch
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.data import Series, ShuffledRows
from limitlab.experiments.neural_des._sequences import Sequences, latent
from limitlab.experiments.neural_des.classes._looks import MOMENTS, stepped
from limitlab.experiments.neural_des.regularization._regularized import WAYS, cross_entropy
from limitlab.labels import labelled
from limitlab.neural_des.cde import Control, NeuralCDE
from limitlab.neural_des.cde import cross_entropy as cross_entropy_of_series
from limitlab.neural_des.ode import FlowClassifier, MLPField, NeuralODE
from limitlab.neural_des.regularization import RegularizedODE
from limitlab.neural_des.stable_sde import Prediction, StableSDE, classification, path_on, path_through, predict
from limitlab.training.batches import Batches
from limitlab.training.recipe import Loss
from limitlab.training.streams import seeded

if TYPE_CHECKING:
    import xarray as xr

FIXED = "midpoint"
"""The method whose steps have one size."""


@dataclass(frozen=True)
class SeriesClass:
    """A class: title, equation in LaTeX, build(settings, data, seed), batches(data, rate, size), and its loss.

    stochastic: noise decides, and steps are uniform. flow: a flow from a start, which can be regularised.
    """

    title: str
    equation: str
    build: Callable[[Any, Sequences, int], nn.Module]
    batches: Callable[[Sequences, float, int], Batches]
    loss: Loss
    stochastic: bool = False
    flow: bool = False


def starts(series: Series) -> Float[Tensor, "sample channel"]:
    """The first row of every series, 0 where it is missing: the mean of standardised series."""
    return series.values[:, 0].nan_to_num().double()


def _batches_of(data: Sequences, rate: float, size: int) -> Batches:
    seen = data.seen(rate)
    return seen.batches(min(size, len(seen)), data.seed, shuffle=size < len(seen))


def _starts_of(data: Sequences, rate: float, size: int) -> Batches:
    seen, labels = starts(data.seen(rate)), data.train.labels
    assert labels is not None
    return ShuffledRows(
        {"x": seen, "label": labels}, size=min(size, len(seen)), seed=data.seed, shuffle=size < len(seen)
    )


def _flow(settings: Any, data: Sequences, seed: int) -> FlowClassifier:
    channels, width = data.train.values.shape[-1], settings.width
    field = MLPField(width, width, settings.depth, activation="tanh", bounded=False, seed=seed).double()
    fixed = settings.method == FIXED
    options: dict[str, Any] = {"step_size": 1 / settings.solver_steps} if fixed else {"shared_steps": True}
    ode = NeuralODE(field, method=settings.method, rtol=settings.tolerance, atol=settings.tolerance, **options)
    with seeded(seed):
        lift = nn.Linear(channels, width, dtype=torch.float64)
    layer = RegularizedODE(ode, WAYS[settings.way].regularization)
    return FlowClassifier(layer, width, data.classes, lift=lift, seed=seed + 1)


def _controlled(settings: Any, data: Sequences, seed: int) -> NeuralCDE:
    options: dict[str, Any] = {"method": settings.method}
    if settings.method != FIXED:
        options |= {"step_size": None, "rtol": settings.tolerance, "atol": settings.tolerance}
    sizes = {"hidden": settings.width, "width": settings.width, "depth": settings.depth}
    channels = data.train.values.shape[-1]
    return NeuralCDE(channels, data.classes, control=Control("hermite"), seed=seed, **sizes, **options)


def _stochastic(kind: str, title: str, equation: str) -> SeriesClass:
    # the authors' baseline is clipped
    bound = "outer" if kind.startswith("naive") else "coefficient"

    def build(settings: Any, data: Sequences, seed: int) -> StableSDE:
        return latent(kind, bound, settings, data.train.values.shape[-1] + 1, data.classes, seed=seed)

    return SeriesClass(title, equation, build, Sequences.training_batches, classification, stochastic=True)


CLASSES: dict[str, SeriesClass] = {
    "ode": SeriesClass("neural ODE", r"z' = f(z), \quad z(0) = A X(0)", _flow, _starts_of, cross_entropy, flow=True),
    "cde": SeriesClass("neural CDE", r"dz = F(z) \, dX", _controlled, _batches_of, cross_entropy_of_series),
    "naive": _stochastic("naive", "SDE of the start", r"dz = \gamma(t, z) \, dt + s(t, z) \, dW"),
    "naive_control": _stochastic("naive_control", "SDE with the path", r"dz = \gamma(t, z, X) \, dt + s(t, z) \, dW"),
    "lsde": _stochastic("lsde", "Langevin SDE", r"dz = \gamma(z, X) \, dt + s(t) \, dW"),
    "lnsde": _stochastic("lnsde", "linear-noise SDE", r"dz = \gamma(t, z, X) \, dt + s(t) \, z \, dW"),
    "gsde": _stochastic("gsde", "geometric SDE", r"dz = \gamma(t, z, X) \, z \, dt + s(t) \, z \, dW"),
}


def device_of(model: nn.Module) -> torch.device:
    """Where the model is."""
    return next(model.parameters()).device


@singledispatch
def probabilities(model: nn.Module, series: Series, draws: int, seed: int) -> Prediction:
    """Softmax of the read-outs at the ends of series with gaps; draws: of the noise, where there is any."""
    raise NotImplementedError(f"no class of series is a {type(model).__name__}")


@probabilities.register(FlowClassifier)
def _(model: FlowClassifier, series: Series, draws: int, seed: int) -> Prediction:
    return Prediction(model(starts(series).to(device_of(model))).softmax(-1)[None])


@probabilities.register(NeuralCDE)
def _(model: NeuralCDE, series: Series, draws: int, seed: int) -> Prediction:
    return Prediction(model(*_rows_on(series, device_of(model))).softmax(-1)[None])


@probabilities.register(StableSDE)
def _(model: StableSDE, series: Series, draws: int, seed: int) -> Prediction:
    return predict(model, path_on(path_through(series), device_of(model)), draws, seed=seed)


@singledispatch
def evolution(model: nn.Module, series: Series, seed: int) -> xr.Dataset:
    """Class probabilities of each series along time, with the steps of the solve: see `_looks`."""
    raise NotImplementedError(f"no class of series is a {type(model).__name__}")


@evolution.register(FlowClassifier)
def _(model: FlowClassifier, series: Series, seed: int) -> xr.Dataset:
    lifted = model.lifted(starts(series).to(device_of(model)))
    assert isinstance(model.flow, RegularizedODE)
    solution = model.flow.ode.solve(lifted, torch.linspace(0, 1, MOMENTS, dtype=torch.float64))
    odds = model.head(solution.y).softmax(-1)
    return stepped(solution, odds, solution.t.expand(len(odds), -1), series.classes)


@evolution.register(NeuralCDE)
def _(model: NeuralCDE, series: Series, seed: int) -> xr.Dataset:
    odds = model.evolve(*_rows_on(series, device_of(model))).softmax(-1)
    found = stepped(model.last, odds, series.times, series.classes)
    # the solve runs through rows: its steps are put on the times of each series
    rows, times = np.arange(series.times.shape[1]), series.times.numpy()
    begin, size = found["step_time"].values, found["step_size"].values
    first, last = (
        np.stack([np.interp(*each) for each in zip(part, np.tile(rows, (len(times), 1)), times, strict=True)])
        for part in (begin, begin + size)
    )
    found["step_time"].values, found["step_size"].values = first, last - first
    return found


@evolution.register(StableSDE)
def _(model: StableSDE, series: Series, seed: int) -> xr.Dataset:
    path = path_on(path_through(series), device_of(model))
    visited = model.solve(path, torch.tensor([0.0, 1.0], dtype=torch.float64), noise=seed, on_failure="mask")
    odds = model.head(visited.states).softmax(-1)
    times = torch.from_numpy(visited.times).expand(len(odds), -1).to(odds.device)
    sizes = times.diff(dim=1)
    # a masked sample has taken its steps up to where it diverged
    taken = visited.states.isfinite().all(-1)[:, 1:]
    return labelled(
        {"method": model.method},
        y=("sample time state", odds, "probability"),
        step_time=("sample step", times[:, :-1], "time"),
        step_size=("sample step", sizes.masked_fill(~taken, torch.nan), "step size"),
        error=("sample step", torch.full_like(sizes, torch.nan), "scaled error"),
        stiffness=("sample step", torch.full_like(sizes, torch.nan), "stiffness estimate"),
        accepted=("sample step", taken, "accepted"),
        function_evaluations=("sample", taken.sum(1), "field calls"),
        time=("sample time", times, "time"),
        state=("state", list(series.classes), "class"),
    ).set_coords("time")


def seen_by(model: nn.Module, series: Series, times: Float[Tensor, "sample time"]) -> Tensor:
    """What a model sees of the channels at these times: its path, or nothing, NaN, after the start."""
    sees_path = isinstance(model, NeuralCDE) or (isinstance(model, StableSDE) and model.dynamics.form.control)
    values = torch.full((*times.shape, series.values.shape[-1]), torch.nan)
    if sees_path:
        return path_through(series).evaluate(times.to(series.values))[..., 1:]
    values[:, 0] = series.values[:, 0]
    return values


def _rows_on(series: Series, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    return series.times.to(device), series.values.to(device), series.lengths.to(device)
