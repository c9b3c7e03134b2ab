"""A cubic spiral fitted by a neural ODE: what regularisation does where the trajectory itself matters.

    y' = A (y^3),  A = (-0.1, 2; -2, -0.1),  y(0) = (2, 0),  30 times on [0, 3/2];  field: a network of y^3

The papers' own motivation; the answer is modest. Here the flow is the data, not a way to a class, so that little can be
smoothed away before the fit suffers.
Source: Pal et al. 2021, figure 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result
from limitlab.experiments.contract.settings import option, sizes
from limitlab.experiments.neural_des.regularization._regularized import RegularizedSettings, calls, trials
from limitlab.labels import labelled
from limitlab.neural_des.ode import MLPField
from limitlab.neural_des.regularization import RegularizedODE
from limitlab.neural_des.regularization.penalties import Regularization
from limitlab.saved import Saved
from limitlab.solvers import solve_ode
from limitlab.training import descent, fixed

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

MATRIX = ((-0.1, 2.0), (-2.0, -0.1))
START = (2.0, 0.0)


@dataclass(frozen=True)
class SpiralSettings(RegularizedSettings):
    """When the spiral is seen."""

    points: int = option(30, "times at which the spiral is seen", low=2, high=1000)
    span: float = option(1.5, "end of the time interval", low=0.1, high=25.0)


@dataclass(frozen=True)
class Spiral:
    """Times, and the states (1, time, 2) at them."""

    times: Float[Tensor, " time"]
    states: Float[Tensor, "1 time 2"]


class CubicField(Saved):
    """A network of the cubes of the state."""

    def __init__(self, width: int, seed: int) -> None:
        super().__init__()
        self.network = MLPField(2, width, 1, activation="tanh", bounded=False, seed=seed)

    def forward(self, t: Float[Tensor, "batch 1"], y: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch 2"]:
        return self.network(t, y.pow(3))


class SpiralModel(Saved):
    """The flow from the known start, at the asked times."""

    def __init__(self, flow: RegularizedODE) -> None:
        super().__init__()
        self.flow = flow
        self.register_buffer("start", torch.tensor([START], dtype=torch.float64))

    def forward(self, times: Float[Tensor, " time"]) -> Float[Tensor, "1 time 2"]:
        return self.flow(self.start, times)


def spiral(settings: SpiralSettings) -> Spiral:
    """The solution to ten digits."""
    matrix = torch.tensor(MATRIX, dtype=torch.float64)
    times = torch.linspace(0.0, settings.span, settings.points, dtype=torch.float64)
    start = torch.tensor([START], dtype=torch.float64)
    states = solve_ode(lambda t, y: y.pow(3) @ matrix.T, start, times, rtol=1e-10, atol=1e-10).y
    return Spiral(times, states)


def squared(model: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The mean squared error over times and components."""
    return {"squared": (model(batch["times"]) - batch["states"][0]).square().mean()}


def build(settings: SpiralSettings, regularization: Regularization, seed: int) -> SpiralModel:
    """The network in double precision."""
    ode = settings.ode(CubicField(settings.width, seed).double(), (0.0, settings.span))
    return SpiralModel(RegularizedODE(ode, regularization))


def prepare(settings: SpiralSettings, progress: ReportProgress = False) -> Prepared[Spiral]:
    """One network, trained in each of the ways."""
    data = spiral(settings)
    recipe = descent(
        squared, fixed(times=data.times, states=data.states), settings.steps, settings.learning_rate, optimizer="adam"
    )
    recipe = replace(recipe, evaluate=partial(evaluate, data), evaluate_every=max(1, settings.steps // 10))
    return Prepared(trials(settings, recipe, partial(build, settings)), partial(measure, data), data)


def evaluate(data: Spiral, model: Any, fresh: nn.Module) -> dict[str, float]:
    """What it costs to solve."""
    return {"nfe": calls(model.flow.ode, model.start)}


@torch.no_grad()
def measure(data: Spiral, model: Any, fresh: nn.Module) -> xr.Dataset:
    """Error of the trajectory, cost of a solve and of the training, and the trajectory."""
    states = model(data.times.to(model.start.device)).cpu()[0]
    return labelled(
        mse=("", float((states - data.states[0]).square().mean()), "mean squared error"),
        nfe=("", calls(model.flow.ode, model.start), "field calls of a solve"),
        training_calls=("", int(model.flow.calls), "field calls of the training"),
        states=("time state", states, "state"),
        truth=("time state", data.states[0], "state"),
        time=("time", data.times, "time"),
        state=("state", ["y1", "y2"], "component"),
    )


def draw(result: Result[SpiralSettings, Spiral]) -> dict[str, go.Figure]:
    """The first component of every twin beside the truth, and the field calls while training."""
    from limitlab import figures

    grid = result.grid("way").isel(seed=0, state=0)
    curves = result.grid("way", of=result.curves)["nfe"].isel(seed=0).dropna("step", how="all")
    ways = grid["way"].values
    return {
        "states": figures.lines({"spiral": grid["truth"][0]} | {str(way): grid["states"].sel(way=way) for way in ways}),
        "nfe": figures.lines({str(way): curves.sel(way=way) for way in ways}, marks=True),
    }


SIZES = sizes(
    course=SpiralSettings(
        seeds=1, steps=150, ways=("plain", "ernode"), tolerance=1e-6, width=50, first_weight=0.1, last_weight=0.1
    ),
    smoke={"steps": 4, "width": 8, "tolerance": 1e-4, "points": 6, "ways": ("plain", "ernode", "unbiased")},
    paper={"seeds": 3, "steps": 1000, "ways": ("plain", "ernode", "srnode", "unbiased", "biased")},
)
EXPERIMENT = Experiment("ernode", "A cubic spiral, regularised", SIZES, prepare, draw)
