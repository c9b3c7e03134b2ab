"""Preconditioned descent on variational PDEs: on grids of several resolutions, with sparse networks in many dimensions.

Grids: -Lap u - alpha div tanh(s grad u)/s + u = f in two dimensions, u* = sin 2 pi x cos 2 pi y + .3 cos 4 pi x, with
and without the preconditioner. The first takes as many iterations on every grid, the second ever more on finer ones.
Networks: -Lap u + u + beta u^3 = f with u* = d^(-1/2) sum cos 2 pi x_i, iterates of a few hundred cosine units; beside
them finite differences with as much memory as a budget of points. Nothing is trained and nothing drawn: the numbers
are the same at every run. Source: Marwah, Lipton, Lu, Risteski, arXiv 2210.12101.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from limitlab.discovery.variational import (
    Band,
    descend,
    from_function,
    grid_problem,
    grid_rival,
    instance,
    plain_step,
    semilinear,
    sparse_descent,
    wave_sum,
)
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result, Trial
from limitlab.experiments.contract.settings import Settings, option, sizes
from limitlab.labels import labelled

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

SCHEMES = ("preconditioned", "plain")
GRID_TOLERANCE = 1e-8


@dataclass(frozen=True)
class DescentSettings(Settings):
    """The grids and the dimensions, the nonlinearities, and how large an iterate may be."""

    alphas: tuple[float, ...] = option(
        (0.0, 1.0, 4.0), "strengths of the quasilinear term", low=0.0, high=100.0, distinct=True
    )
    resolutions: tuple[int, ...] = option(
        (16, 32, 64, 128), "modes an axis of the grids", low=8, high=512, distinct=True
    )
    iterations: int = option(200, "most steps of a descent", low=10, high=100_000)
    dimensions: tuple[int, ...] = option(
        (2, 5, 10, 20), "dimensions of the sparse networks", low=1, high=100, distinct=True
    )
    beta: float = option(1.0, "strength of the cubic term", low=0.0, high=10.0)
    step: float = option(1.0, "step of the sparse networks", low=0.01, high=1.0)
    keep: int = option(400, "frequencies of an iterate, two of which are a unit", low=2, high=100_000)
    tolerance: float = option(1e-6, "relative H1 error at which networks stop", low=1e-12, high=1.0)
    budget: int = option(100_000, "points of the finite differences", low=1024, high=10**9)


class Iterates(nn.Module):
    """A descent that has not begun: `history()` runs it. It draws nothing, so the seed does not matter."""

    def __init__(self, history: Callable[[], xr.Dataset], seed: int) -> None:
        super().__init__()
        self.history = history


def two_waves(x: Tensor) -> Tensor:
    """sin 2 pi x cos 2 pi y + .3 cos 4 pi x, of Barron norm 1 + 2 pi sqrt 2 + .3 (1 + 4 pi) = 13.956."""
    turn = 2 * math.pi
    return torch.sin(turn * x[0]) * torch.cos(turn * x[1]) + 0.3 * torch.cos(2 * turn * x[0])


def prepare(settings: DescentSettings, progress: ReportProgress = False) -> Prepared[None]:
    """A descent for every scheme, alpha and resolution, and one for every dimension."""
    grids = tuple(
        Trial(
            {"scheme": scheme, "alpha": alpha, "resolution": resolution},
            partial(Iterates, partial(on_grid, settings, scheme, alpha, resolution)),
        )
        for scheme in SCHEMES
        for alpha in settings.alphas
        for resolution in settings.resolutions
    )
    networks = tuple(
        Trial({"dimension": d}, partial(Iterates, partial(with_networks, settings, d))) for d in settings.dimensions
    )
    return Prepared((*grids, *networks), lambda model, fresh: model.history(), None)  # type: ignore[operator]


def on_grid(settings: DescentSettings, scheme: str, alpha: float, resolution: int) -> xr.Dataset:
    """History of a descent on a grid, its iterations, and the factor by which its error fell beside the theory's."""
    energy = instance("V3", alpha=alpha, scale=0.05)
    problem = grid_problem(energy, from_function(two_waves, 2), Band(resolution, 2))
    preconditioned = scheme == "preconditioned"
    # the theory's step 2/(m + M) is the one that `descend` takes by itself
    run = descend(problem, preconditioned=preconditioned, iterations=settings.iterations, tolerance=GRID_TOLERANCE)
    low, high = energy.bounds()
    bound = (high - low) / (high + low) if preconditioned else 1 - low * plain_step(problem)
    return _padded(run.history[["error", "barron"]], settings).merge(
        labelled(
            iterations=("", run.iterations if run.converged else math.nan, "iterations to a relative H1 error of 1e-8"),
            factor=("", run.factor, "factor by which the error falls"),
            bound=("", bound, "the theory's bound of it"),
            last=("", float(run.history["error"][-1]), "relative H1 error at the end"),
            highest_barron=("", float(run.history["barron"].max()), "largest Barron norm on the way"),
        )
    )


def with_networks(settings: DescentSettings, dimension: int) -> xr.Dataset:
    """History of a descent with sparse networks, its iterations, and the error of finite differences."""
    u = wave_sum(dimension)
    run = sparse_descent(
        semilinear(u, settings.beta),
        beta=settings.beta,
        step=settings.step,
        keep=settings.keep,
        iterations=settings.iterations,
        tolerance=settings.tolerance,
        exact=u,
    )
    history = run.history
    rival = grid_rival(dimension, settings.budget, settings.beta) if settings.budget >= 2**dimension else None
    return _padded(history[["error", "barron", "units", "discarded", "bar"]], settings).merge(
        labelled(
            iterations=(
                "",
                history.sizes["iteration"] - 1 if run.converged else math.nan,
                "iterations to the tolerance",
            ),
            last=("", float(history["error"][-1]), "relative H1 error at the end"),
            limit_barron=("", u.barron(), "Barron norm of the solution"),
            numbers=("", int(history["units"].max()) * (dimension + 2), "numbers of the largest network"),
            rival_resolution=("", rival.resolution if rival else 1, "points an axis of finite differences"),
            rival_error=("", rival.error if rival else math.nan, "relative L2 error of finite differences"),
        )
    )


def _padded(history: xr.Dataset, settings: DescentSettings) -> xr.Dataset:
    """The history on the iterations that all descents have in common; NaN after its end."""
    return history.reindex(iteration=range(settings.iterations + 1))


def draw(result: Result[DescentSettings, None]) -> dict[str, go.Figure]:
    """Errors on grids with and without preconditioner, and the networks beside the grid's cost by dimension."""
    from limitlab import figures

    strongest = max(result.settings.alphas)
    grids = result.grid("scheme", "alpha", "resolution").isel(seed=0)
    drawn = {"meshes": figures.mesh_independence(grids["error"].sel(alpha=strongest))}
    drawn["dimensions"] = figures.dimension_costs(result.grid("dimension").isel(seed=0))
    return drawn


SIZES = sizes(
    course=DescentSettings(),
    smoke={"alphas": (1.0,), "resolutions": (8, 16), "iterations": 30, "dimensions": (2, 5), "budget": 4096},
    paper={"resolutions": (16, 32, 64, 128, 256), "dimensions": (2, 5, 10, 20, 50), "keep": 2000, "budget": 10**8},
)
EXPERIMENT = Experiment(
    "barron-variational-pde", "Descent with networks as iterates, on grids and in many dimensions", SIZES, prepare, draw
)
