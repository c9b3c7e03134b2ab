"""A cubic spiral with noise, fitted by mean and variance: the error estimate of an adaptive stochastic scheme as loss.

    dy_i = (A y^3)_i dt + 0.2 y_i o dW_i,  y(0) = (2, 0),  30 times on [0, 1]

Drift: a network of y^3; noise: a linear map of y, both diagonal in Stratonovich's sense. The loss sums the squared
errors of mean and variance over all times and components; its own paths are new at every step. Solved by Euler-Heun
with steps by the error. "local" looks at one step of every path, drawn anew, with fresh noise.
Steps end at the asked times, 29 of some 35, so that a cheaper field saves little. The paper's weight of 0.2 moves
nothing in so short a training, whose misfit is hundreds of times the paper's; a hundred times it costs the fit.
Sources: Pal et al. 2021, section 4.2 (by another scheme, in Ito's sense); Pal et al. 2023 (local).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result, Trial
from limitlab.experiments.contract.settings import Ensemble, Trained, option, sizes
from limitlab.labels import labelled
from limitlab.neural_des.ode import MLPField
from limitlab.neural_des.regularization import drawn, local_sde_error, step_at, step_term
from limitlab.saved import Saved
from limitlab.solvers import Solution, solve_sde
from limitlab.solvers.sde.fields import Calculus
from limitlab.training import descent
from limitlab.training.streams import seeded

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

MATRIX = ((-0.1, 2.0), (-2.0, -0.1))
START = (2.0, 0.0)
NOISE = 0.2
METHOD = "euler_heun"
CALCULUS: Calculus = "stratonovich"
LATTICE = 2**31
WAYS = ("plain", "error", "stiffness", "local")
# one step is one part of some dozens of the sum
FACTORS = {"plain": 0.0, "error": 1.0, "stiffness": 0.01, "local": 20.0}


@dataclass(frozen=True)
class SpiralSDESettings(Ensemble, Trained):
    """The spiral, the paths of a step, and the tolerance at which they are solved."""

    ways: tuple[str, ...] = option(WAYS, "regularisations", choices=WAYS, distinct=True)
    weight: float = option(5.0, "coefficient of the sum of E h", low=0.0, high=1e6)
    paths: int = option(100, "paths a step", low=2, high=100_000)
    tested: int = option(1000, "paths of the moments and of the test", low=2, high=1_000_000)
    points: int = option(30, "times at which moments are known", low=2, high=1000)
    width: int = option(50, "units of the drift's hidden layer", low=1, high=4096)
    tolerance: float = option(0.03, "absolute and relative, of the solver", low=1e-5, high=1.0)
    learning_rate: float = option(1e-2, "rate of Adam", low=1e-7, high=1.0)


@dataclass(frozen=True)
class Moments:
    """Mean and variance (time, 2) at the times."""

    times: Float[Tensor, " time"]
    mean: Float[Tensor, "time 2"]
    variance: Float[Tensor, "time 2"]


class NoisySpiral(Saved):
    """Drift and noise, and their paths from the known start; `calls` counts those of the drift in training solves."""

    calls: Tensor
    start: Tensor

    def __init__(self, width: int, seed: int, tolerance: float) -> None:
        super().__init__()
        self.network = MLPField(2, width, 1, activation="tanh", bounded=False, seed=seed)
        with seeded(seed):
            # each component of the noise hangs on its own state, as diagonal noise must
            self.noise = nn.Parameter(0.1 * torch.randn(2, 2))
        self.tolerance = tolerance
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.register_buffer("start", torch.tensor([START]))

    def drift(self, t: Float[Tensor, "batch 1"], y: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch 2"]:
        return self.network(t, y.pow(3))

    def diffusion(self, t: Float[Tensor, "batch 1"], y: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch 2"]:
        return self.noise[0] * y + self.noise[1]

    def solve(self, times: Float[Tensor, " time"], paths: int, seed: int, *, states: bool = False) -> Solution:
        """So many paths along the noise of the seed."""
        return solve_sde(
            self.drift, self.diffusion, self.start.expand(paths, -1), times, seed=seed, rtol=self.tolerance,
            atol=self.tolerance, log_states=states, method=METHOD, calculus=CALCULUS,
        )  # fmt: skip


@dataclass(frozen=True)
class FreshNoise:
    """Batches of the same moments, each step with a seed of its own for the noise and a draw."""

    moments: Moments
    seed: int

    def batch(self, step: int) -> dict[str, Any]:
        draw = drawn(self.seed, step)
        return {**vars(self.moments), "draw": draw, "seed": int(draw * LATTICE)}

    def shard(self, rank: int, world: int) -> FreshNoise:
        return replace(self, seed=self.seed + rank)


def moments_of(settings: SpiralSDESettings) -> Moments:
    """Moments of the spiral itself over many paths."""
    matrix, times = torch.tensor(MATRIX, dtype=torch.float64), torch.linspace(0, 1, settings.points).double()
    start = torch.tensor([START], dtype=torch.float64).expand(settings.tested, -1)
    y = solve_sde(
        lambda t, y: y.pow(3) @ matrix.T, lambda t, y: NOISE * y, start, times, seed=settings.seed, method="heun",
        calculus="stratonovich", step_size=0.002,
    ).y  # fmt: skip
    return Moments(times.float(), y.mean(0).float(), y.var(0).float())


def misfit(y: Float[Tensor, "path time 2"], batch: Mapping[str, Tensor]) -> Float[Tensor, ""]:
    """Squared errors of mean and variance, summed over times and components."""
    of_mean, of_variance = y.mean(0) - batch["mean"], y.var(0) - batch["variance"]
    return (of_mean.square() + of_variance.square()).sum()


def loss(settings: SpiralSDESettings, way: str, model: Any, batch: Mapping[str, Any]) -> dict[str, Tensor]:
    """The misfit of new paths, and the way's term."""
    solution = model.solve(batch["times"], settings.paths, batch["seed"], states=way == "local")
    model.calls += solution.evaluations.function.sum()
    terms = {"misfit": misfit(solution.y, batch)}
    weight = FACTORS[way] * settings.weight
    if way in ("error", "stiffness"):
        terms["regularization"] = weight * step_term(solution.log, way)
    if way == "local":
        tau, u, size = step_at(solution.log, batch["draw"])
        error = local_sde_error(
            model.drift, model.diffusion, (tau, u.detach(), size), seed=batch["seed"] + 1, rtol=settings.tolerance,
            atol=settings.tolerance, method=METHOD, calculus=CALCULUS,
        )  # fmt: skip
        terms["regularization"] = weight * (error * size).mean()
    return terms


def prepare(settings: SpiralSDESettings, progress: ReportProgress = False) -> Prepared[Moments]:
    """One pair of drift and noise, trained in each of the ways along the same noise."""
    data = moments_of(settings)
    batches = FreshNoise(data, settings.seed)
    trials = []
    for way in settings.ways:
        recipe = descent(
            partial(loss, settings, way), batches, settings.steps, settings.learning_rate, optimizer="adam"
        )
        trials.append(Trial({"way": way}, lambda seed: NoisySpiral(settings.width, seed, settings.tolerance), recipe))
    return Prepared(tuple(trials), partial(measure, settings, data), data)


@torch.no_grad()
def measure(settings: SpiralSDESettings, data: Moments, model: Any, fresh: nn.Module) -> xr.Dataset:
    """Misfit and cost on paths that no training saw, and the moments."""
    device = model.start.device
    on_device = {name: value.to(device) for name, value in vars(data).items()}
    # seeds of training lie below 2^31
    solution = model.solve(on_device["times"], settings.tested, LATTICE + settings.seed)
    return labelled(
        misfit=("", float(misfit(solution.y, on_device)), "squared errors of the moments"),
        nfe=("", float(solution.evaluations.function.double().mean()), "drift calls a path"),
        training_calls=("", int(model.calls), "drift calls of the training, over all paths"),
        mean=("time state", solution.y.mean(0).cpu(), "mean"),
        truth=("time state", data.mean, "mean"),
        time=("time", data.times, "time"),
        state=("state", ["y1", "y2"], "component"),
    )


def draw(result: Result[SpiralSDESettings, Moments]) -> dict[str, go.Figure]:
    """The mean of the first component of every twin beside that of the spiral."""
    from limitlab import figures

    grid = result.grid("way").isel(seed=0, state=0)
    twins = {str(way): grid["mean"].sel(way=way) for way in grid["way"].values}
    return {
        "mean": figures.lines({"spiral": grid["truth"][0]} | twins),
        "training": figures.training_curves(result.curves, "misfit"),
    }


SIZES = sizes(
    course=SpiralSDESettings(seeds=1, steps=100),
    smoke={"steps": 2, "paths": 8, "tested": 16, "width": 8, "points": 4, "tolerance": 0.2},
    paper={"seeds": 3, "steps": 250, "tested": 10_000, "weight": 0.2},
)
EXPERIMENT = Experiment("ernode", "A spiral with noise, regularised", SIZES, prepare, draw)
