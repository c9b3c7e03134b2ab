"""Burgers' equation without its nonlinear term: what a network makes of it from a hundred scattered points.

    u_t = nu u_xx + G(u, u_x),    truth: G = -u u_x,    u(x, 0) = -sin(pi x),  u(-1, t) = u(1, t) = 0

Initial and boundary values hold by form. Adam and then a quasi-Newton method, beside Adam alone for as long, a sparse
regression on an interpolant of the same points (which meets the same conditions, and knows that G is a polynomial), and
a forward network that knows the whole equation. A regression of G on {1, u, u_x, u^2, u u_x, u_x^2} reads its formula
off. All are compared with the solution of Cole and Hopf, G where that solution and its slope have been.
Source: Podina, Eastman, Kohandel, Universal physics-informed neural networks (2023), arXiv 2212.04630.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.discovery.pinn import (
    PINN,
    UPINN,
    Architecture,
    HiddenTerms,
    Measurements,
    Weighting,
    burgers_from_sine,
    burgers_solution,
    collocation,
    equations_of,
    evolution,
    two_phases,
)
from limitlab.discovery.pinn.burgers import ENDS, INITIAL
from limitlab.discovery.pinn.hidden_terms import EXCLUDED
from limitlab.discovery.pinn.identifiability import condition_number, library
from limitlab.discovery.pinn.sparse_rival import SparseField
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result, Trial
from limitlab.experiments.contract.settings import Ensemble, OnDevice, option, sizes
from limitlab.labels import labelled
from limitlab.problems.pde.periodic import PeriodicProblem
from limitlab.training import Recipe

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

HIDDEN = {"u": "-u*u_x"}
INPUTS = ("u", "u_x")
FRAMES, POSITIONS = 41, 81
ADAM_STEPS = {"lbfgs": 1.1, "ssbfgs": 2.0, "ssbroyden": 2.0, "bfgs": 2.0}
"""Steps of Adam that take as long as a step of the quasi-Newton phase, its dense matrix and line search counted."""
CONDITIONS = 21
"""Points of the start and of either wall that the interpolant of the sparse regression passes through."""
TRAININGS = ("two_phases", "adam", "sparse", "forward")


@dataclass(frozen=True)
class BurgersSettings(Ensemble, OnDevice):
    """The measurements, the networks and their training."""

    trainings: tuple[str, ...] = option(TRAININGS, "what is trained, and how", choices=TRAININGS, distinct=True)
    nu: float = option(0.05, "viscosity", low=5e-3, high=0.2)
    points: int = option(100, "measured points, scattered over time and space", low=3, high=100_000)
    noise: float = option(0.0, "noise as a share of the deviation", low=0.0, high=1.0)
    collocation: int = option(1200, "points of the equation", low=16, high=1_000_000)
    candidates: int = option(
        0, "points among which the second phase draws its own; 0: it keeps them", low=0, high=10**7
    )
    width: int = option(32, "units of a hidden layer of the surrogate", low=2, high=1024)
    layers: int = option(3, "hidden layers of the surrogate", low=1, high=16)
    fourier: int = option(0, "random frequencies", low=0, high=4096)
    term_width: int = option(24, "units of a hidden layer of the hidden term", low=2, high=1024)
    data_weight: float = option(10.0, "weight of the data in the loss", low=1e-6, high=1e6)
    adam: int = option(300, "steps of Adam, or of SOAP", low=1, high=1_000_000)
    first: str = option("adam", "optimiser of the first phase", choices=("adam", "soap"))
    quasi_newton: int = option(300, "steps of the quasi-Newton method", low=0, high=1_000_000)
    method: str = option("ssbfgs", "quasi-Newton method", choices=tuple(ADAM_STEPS))
    learning_rate: float = option(1e-2, "rate of the first phase", low=1e-7, high=1.0)


@dataclass(frozen=True)
class BurgersData:
    """What was measured, and the solution on a grid of times and positions, with what G depends on there."""

    seen: Measurements
    grid: Float[Tensor, "point axis"]
    solution: Float[Tensor, " point"]
    features: Float[Tensor, "point feature"]


def measured(settings: BurgersSettings) -> BurgersData:
    """Values of the solution at scattered points, with noise."""
    problem = burgers_from_sine(settings.nu)
    places = collocation(problem, settings.points, seed=settings.seed + 1)
    values = burgers_solution(places, settings.nu)
    seen = Measurements(places[None], values[None, :, None]).noisy(settings.noise, settings.seed)
    times, x = (torch.linspace(*ends, dtype=torch.float64) for ends in ((0, problem.span, FRAMES), (-1, 1, POSITIONS)))
    grid = torch.cartesian_prod(times, x)
    asked = grid.clone().requires_grad_()
    solution = burgers_solution(asked, settings.nu)
    (gradient,) = torch.autograd.grad(solution.sum(), asked)
    # the quadrature has no derivative at t = 0, where u is -sin(pi x)
    slope = torch.where(grid[:, 0] > 0, gradient[:, 1], -math.pi * torch.cos(math.pi * grid[:, 1]))
    return BurgersData(seen, grid, solution.detach(), torch.stack([solution.detach(), slope], -1))


def conditions(problem: PeriodicProblem) -> Measurements:
    """The start and the walls, which all networks meet by form, as points with values."""
    unit = torch.linspace(0, 1, CONDITIONS, dtype=torch.float64)
    start = torch.stack([torch.zeros_like(unit), 2 * unit - 1], -1)
    walls = [torch.stack([problem.span * unit[1:], torch.full_like(unit[1:], x)], -1) for x in ENDS]
    points = torch.cat([start, *walls])
    values = torch.where(points[:, 0] == 0, -torch.sin(math.pi * points[:, 1]), 0.0)
    return Measurements(points[None], values[None, :, None])


def prepare(settings: BurgersSettings, progress: ReportProgress = False) -> Prepared[BurgersData]:
    """The hidden term in two trainings, and the whole equation as a control."""
    problem, data = burgers_from_sine(settings.nu), measured(settings)
    equations = equations_of(problem)
    form = evolution(problem, INITIAL, "zero")
    plain = Architecture(width=settings.width, layers=settings.layers, fourier=settings.fourier)
    term = Architecture(width=settings.term_width, layers=2)
    hidden = HiddenTerms(HIDDEN, INPUTS, term)
    points = collocation(problem, settings.collocation, seed=settings.seed)

    def upinn(seed: int) -> nn.Module:
        weighting = Weighting(weights={"data": settings.data_weight})
        return UPINN(equations, hidden, data.seen, form, architecture=plain, weighting=weighting, seed=seed)

    def forward(seed: int) -> nn.Module:
        return PINN(equations, form, architecture=plain, scale=data.seen.scale.tolist(), seed=seed)

    def sparse(seed: int) -> nn.Module:
        return SparseField(equations, hidden, data.seen, conditions(problem), seed=seed)

    more = collocation(problem, settings.candidates, seed=settings.seed + 2) if settings.candidates else None
    train = partial(
        two_phases, points, learning_rate=settings.learning_rate, optimizers=(settings.first, settings.method),
        candidates=more, seed=settings.seed,
    )  # fmt: skip
    pair = settings.adam, settings.quasi_newton
    alone = settings.adam + round(ADAM_STEPS[settings.method] * settings.quasi_newton), 0
    recipes: dict[str, tuple[Any, Recipe | None]] = {
        "two_phases": (upinn, train(data.seen, steps=pair)),
        "adam": (upinn, train(data.seen, steps=alone)),
        "sparse": (sparse, None),
        "forward": (forward, train(steps=pair)),
    }
    trials = tuple(Trial({"training": name}, *recipes[name]) for name in settings.trainings)
    return Prepared(trials, partial(measure, data), data)


@torch.no_grad()
def measure(data: BurgersData, model: Any, fresh: nn.Module) -> xr.Dataset:
    """Errors of the field and of the hidden term on it, and the coefficients that a regression reads off."""
    import xarray as xr

    device = next(model.parameters()).device
    u = model(data.grid.to(device))[:, 0].cpu()
    times, x = data.grid[::POSITIONS, 0], data.grid[:POSITIONS, 1]
    field = labelled(
        relative_l2=("", float((u - data.solution).norm() / data.solution.norm()), "relative L2 error of u"),
        solution=("time x", u.reshape(FRAMES, POSITIONS), "u"),
        exact=("time x", data.solution.reshape(FRAMES, POSITIONS), "exact u"),
        time=("time", times, "time"),
        x=("x", x, "x"),
    )
    if not isinstance(model, UPINN | SparseField):
        return field
    hidden = model.hidden_term(data.features.to(device))[:, 0].cpu()
    truth = -data.features.prod(-1)
    unit = (data.grid - data.grid.amin(0)) / (data.grid.amax(0) - data.grid.amin(0))
    inner = ((unit >= EXCLUDED) & (unit <= 1 - EXCLUDED)).all(-1)
    candidates, names = library(data.features[inner], list(INPUTS))
    fitted = torch.linalg.lstsq(candidates, hidden[inner, None]).solution[:, 0]
    errors = [float((hidden - truth)[chosen].norm() / truth[chosen].norm()) for chosen in (unit[:, 0] >= 0, inner)]
    term = labelled(
        term_error=("", errors[0], "relative L2 error of the hidden term on the visited set"),
        inner_error=("", errors[1], "the same without 5 % at the ends"),
        coefficient=("candidate", fitted, "coefficient of a candidate in the hidden term"),
        condition=("", condition_number(candidates), "condition number of the candidates on the visited set"),
        candidate=("candidate", np.array(names, dtype=object), "candidate"),
    )
    return xr.merge([field, term])


def draw(result: Result[BurgersSettings, BurgersData]) -> dict[str, go.Figure]:
    """Training curves, the first training's field, and the last frames of all of them."""
    from limitlab import figures

    seen = result.grid("training").isel(seed=0)
    last = seen.isel(time=-1)
    named = {"exact": last["exact"].isel(training=0)}
    named |= {str(name): last["solution"].sel(training=name) for name in seen["training"].values}
    return {
        "training": figures.training_curves(result.curves),
        "solution": figures.space_time(seen["solution"].isel(training=0)),
        "last": figures.lines(named),
    }


SIZES = sizes(
    course=BurgersSettings(seeds=1),
    smoke={"points": 20, "collocation": 48, "width": 8, "layers": 2, "term_width": 8, "adam": 30, "quasi_newton": 40},
    paper={
        "nu": 5e-3, "points": 200, "noise": 0.01, "collocation": 20_000, "candidates": 200_000, "width": 64,
        "layers": 4, "fourier": 32, "adam": 20_000, "first": "soap", "quasi_newton": 5000, "method": "lbfgs",
    },
)  # fmt: skip
EXPERIMENT = Experiment(
    "pinn-symbolic-discovery",
    "Burgers' equation with a hidden nonlinear term",
    SIZES,
    prepare,
    draw,
)
