"""A mixture of normal laws as the end of a flow: densities that are trained to be cheap to ask for, beside a plain one.

    y' = f(t, y),  (log p)' = -tr df/dy  on [0, 1],  y(0) ~ N(0, 1),  loss = -mean log p(points)

The laws stand on a circle of radius 2, each with a deviation of 0.4. The solver sees point and log density as one
state, so that its error, which the regularisations make small, is that of both. A density leaves the flow no choice of
its end, as a class does, but one of its way. All twins begin with the same weights and see the same points.
`excess` is what the mean log density of new points lies below that of the mixture itself, an estimate of the
Kullback-Leibler divergence; `normal_excess` is that of the normal law fitted to the same points.
Sources: Pal et al. 2021 (regularisation); Grathwohl et al., FFJORD (2019), 4.1 (the task).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result
from limitlab.experiments.contract.settings import option, sizes
from limitlab.experiments.neural_des.regularization._regularized import RegularizedSettings, calls, trials
from limitlab.labels import labelled
from limitlab.neural_des.ode import MLPField
from limitlab.neural_des.ode.flow import divergence_of
from limitlab.neural_des.regularization import RegularizedODE
from limitlab.neural_des.regularization.penalties import Regularization
from limitlab.saved import Saved
from limitlab.training import descent, fixed

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

RADIUS, DEVIATION = 2.0, 0.4
GRID = np.linspace(-4.0, 4.0, 41)


@dataclass(frozen=True)
class MixtureSettings(RegularizedSettings):
    """The laws of the mixture, and points of it."""

    laws: int = option(4, "normal laws on the circle", low=1, high=64)
    samples: int = option(300, "points to learn from, and as many to test", low=4, high=100_000)


@dataclass(frozen=True)
class Mixture:
    """Points to learn from and to test on, (sample, 2), of so many normal laws with equal weights."""

    laws: int
    train: Float[Tensor, "sample 2"]
    test: Float[Tensor, "sample 2"]


class DensityField(Saved):
    """The slope of the state (y, change of log p): a network's, and the trace of its Jacobian in y."""

    def __init__(self, width: int, seed: int) -> None:
        super().__init__()
        self.network = MLPField(2, width, 1, activation="tanh", with_time=True, bounded=False, seed=seed)

    def forward(self, t: Float[Tensor, "batch 1"], state: Float[Tensor, "batch 3"]) -> Float[Tensor, "batch 3"]:
        slope, trace = divergence_of(self.network, t, state[:, :2])
        return torch.cat([slope, trace[:, None]], -1)


class RegularizedDensity(Saved):
    """The log density of points, which the flow carries back to a standard normal law."""

    def __init__(self, flow: RegularizedODE) -> None:
        super().__init__()
        self.flow = flow

    def forward(self, x: Float[Tensor, "batch 2"]) -> Float[Tensor, " batch"]:
        end = self.flow(lifted(x))
        return end[:, 2] - 0.5 * end[:, :2].square().sum(-1) - math.log(2 * math.pi)


def lifted(x: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch 3"]:
    """The state at the end of the span: the point, and no change of its log density yet."""
    return nn.functional.pad(x, (0, 1))


def centres(laws: int) -> Float[Tensor, "law 2"]:
    """The means of the laws."""
    angle = 2 * math.pi * torch.arange(laws, dtype=torch.float64) / laws
    return RADIUS * torch.stack([angle.cos(), angle.sin()], 1)


def points(count: int, laws: int, seed: tuple[int, int]) -> Float[Tensor, "sample 2"]:
    """So many points of the mixture."""
    draws = np.random.default_rng(seed)
    chosen = torch.from_numpy(draws.integers(laws, size=count))
    return centres(laws)[chosen] + DEVIATION * torch.from_numpy(draws.standard_normal((count, 2)))


def mixture_log_density(x: Float[Tensor, "batch 2"], laws: int) -> Float[Tensor, " batch"]:
    """That of the mixture itself."""
    squares = (x[:, None] - centres(laws)).square().sum(-1) / DEVIATION**2
    return torch.logsumexp(-0.5 * squares, 1) - math.log(2 * math.pi * DEVIATION**2 * laws)


def normal_log_density(x: Float[Tensor, "batch 2"], like: Float[Tensor, "sample 2"]) -> Float[Tensor, " batch"]:
    """That of the normal law with the mean and the covariance of other points."""
    return torch.distributions.MultivariateNormal(like.mean(0), torch.cov(like.T)).log_prob(x)


def negative_log_density(model: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The loss of `fit`."""
    return {"negative_log_density": -model(batch["x"]).mean()}


def build(settings: MixtureSettings, regularization: Regularization, seed: int) -> RegularizedDensity:
    """The density in double precision; its solves run backwards, from the points to the normal law."""
    ode = settings.ode(DensityField(settings.width, seed).double(), (1.0, 0.0))
    return RegularizedDensity(RegularizedODE(ode, regularization))


def prepare(settings: MixtureSettings, progress: ReportProgress = False) -> Prepared[Mixture]:
    """One flow, trained in each of the ways on the same points."""
    parts = (points(settings.samples, settings.laws, (settings.seed, part)) for part in (0, 1))
    data = Mixture(settings.laws, *parts)
    recipe = descent(
        negative_log_density, fixed(x=data.train), settings.steps, settings.learning_rate, optimizer="adam"
    )
    recipe = replace(recipe, evaluate=partial(evaluate, data), evaluate_every=max(1, settings.steps // 10))
    return Prepared(trials(settings, recipe, partial(build, settings)), partial(measure, data), data)


def evaluate(data: Mixture, model: Any, fresh: nn.Module) -> dict[str, float]:
    """What it costs to ask for the density of the test set."""
    return {"nfe": calls(model.flow.ode, lifted(data.test))}


@torch.no_grad()
def measure(data: Mixture, model: Any, fresh: Any) -> xr.Dataset:
    """Excess over the mixture's own log density, cost by three solvers and of the training, and the density."""
    device = next(model.parameters()).device
    ode, starts = model.flow.ode, lifted(data.test)
    truth = mixture_log_density(data.test, data.laws).mean()
    plane = torch.cartesian_prod(*(torch.from_numpy(GRID) for _ in range(2)))
    shape = len(GRID), len(GRID)
    return labelled(
        excess=("", truth - model(data.test.to(device)).mean().cpu(), "mean log density below the mixture's own"),
        normal_excess=("", truth - normal_log_density(data.test, data.train).mean(), "that of one normal law"),
        nfe=("", calls(ode, starts), "field calls of a solve"),
        nfe_fresh=("", calls(fresh.flow.ode, starts), "field calls before training"),
        nfe_dopri5=("", calls(ode, starts, method="dopri5"), "field calls by Dopri5"),
        nfe_bosh3=("", calls(ode, starts, method="bosh3"), "field calls by Bosh3"),
        training_calls=("", int(model.flow.calls), "field calls of the training"),
        density=("x y", model(plane.to(device)).exp().cpu().view(shape), "density"),
        mixture=("x y", mixture_log_density(plane, data.laws).exp().view(shape), "density of the mixture"),
        x=("x", GRID, "x"),
        y=("y", GRID, "y"),
    )


def draw(result: Result[MixtureSettings, Mixture]) -> dict[str, go.Figure]:
    """The density of the first way, and field calls while training, by the way."""
    from limitlab import figures

    first = result.grid("way").isel(seed=0, way=0)
    curves = result.grid("way", of=result.curves)["nfe"].isel(seed=0).dropna("step", how="all")
    return {
        "density": figures.field_2d(first["density"]),
        "nfe": figures.lines({str(way): curves.sel(way=way) for way in curves["way"].values}, marks=True),
        "training": figures.training_curves(result.curves, "negative_log_density"),
    }


SIZES = sizes(
    course=MixtureSettings(seeds=1, steps=100, ways=("plain", "ernode", "unbiased", "biased"), tolerance=1e-5),
    smoke={"steps": 4, "samples": 20, "width": 8, "tolerance": 1e-3, "ways": ("plain", "ernode", "biased")},
    paper={"seeds": 3, "steps": 2000, "laws": 8, "samples": 2000, "width": 64, "ways": ("plain", "ernode", "taylor")},
)
EXPERIMENT = Experiment("ernode", "A density, cheap to ask for", SIZES, prepare, draw)
