"""Predators and prey whose meeting is hidden: what a network makes of it from thirty points.

    x' = alpha x + G_1(x, y),    y' = -gamma y + G_2(x, y),    truth: G = (-beta x y, delta x y) on [0, 3]

Adam and then a quasi-Newton method, beside three rivals: Adam alone for as long; a universal differential equation (the
same network inside the field, trained through a solver) for as long; and no network at all, a sparse regression of the
derivatives of splines, which knows that G is a polynomial. A trajectory that fits proves nothing: what counts is the
error of G on the visited set, for which `term_error` stands; `inner_error` leaves out 5 % at either end.
Source: Podina, Eastman, Kohandel, Universal physics-informed neural networks (2023), arXiv 2212.04630.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from limitlab.discovery.pinn import (
    UPINN,
    Architecture,
    HiddenTerms,
    Measurements,
    UniversalODE,
    collocation,
    equations_of,
    initial_value,
    two_phases,
    ude_loss,
)
from limitlab.discovery.pinn.hidden_terms import EXCLUDED
from limitlab.discovery.pinn.identifiability import condition_number, library
from limitlab.discovery.pinn.sparse_rival import sparse_ode
from limitlab.errors import InvalidArgument, one_of
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Result, Trial
from limitlab.experiments.contract.settings import Ensemble, OnDevice, option, sizes
from limitlab.labels import labelled
from limitlab.problems import get
from limitlab.training import Recipe

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

PROBLEM = "lotka_volterra"
HIDDEN = {"x": "-beta*x*y", "y": "delta*x*y"}
TEST_TIMES = 301
STARTS = (0.5, 5.0)
"""Where further trajectories begin, in both states."""
ADAM_STEPS = {"lbfgs": 1.2, "ssbfgs": 4.0, "bfgs": 4.0}
"""Steps of Adam that take as long as a step of the quasi-Newton phase, its dense matrix and line search counted."""
TRAININGS = ("two_phases", "adam", "ude", "sparse")


@dataclass(frozen=True)
class LotkaVolterraSettings(Ensemble, OnDevice):
    """The measurements, the networks and their training."""

    trainings: tuple[str, ...] = option(TRAININGS, "what is trained, and how", choices=TRAININGS)
    span: float = option(3.0, "end of the time interval", low=0.5, high=25.0)
    points: int = option(30, "measured times of a trajectory", low=3, high=1000)
    noise: float = option(0.0, "noise as a share of each state's deviation", low=0.0, high=1.0)
    trajectories: int = option(1, "trajectories, which share the hidden term", low=1, high=20)
    collocation: int = option(128, "points of the equation", low=8, high=10_000)
    width: int = option(32, "units of a hidden layer", low=2, high=1024)
    adam: int = option(300, "steps of Adam", low=1, high=1_000_000)
    quasi_newton: int = option(300, "steps of the quasi-Newton method", low=0, high=1_000_000)
    method: str = option("ssbfgs", "quasi-Newton method", choices=("lbfgs", "ssbfgs", "bfgs"))
    # the best of 3e-3, 1e-2, 3e-2 and 1e-1 at seeds 101 and 102, for Adam alone and for the rival in the field
    learning_rate: float = option(3e-2, "rate of Adam", low=1e-7, high=1.0)
    ude_learning_rate: float = option(1e-2, "rate of Adam of the rival in the field", low=1e-7, high=1.0)
    ude_adam: int = option(50, "its steps of Adam", low=1, high=100_000)
    ude_quasi_newton: int = option(30, "its steps of L-BFGS", low=0, high=100_000)
    # a solve at 1e-6 takes seven times as long as one at 1e-3, which leaves seven times fewer steps
    ude_rtol: float = option(1e-3, "tolerance of its solver", low=1e-12, high=1e-1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.trainings or len(set(self.trainings)) < len(self.trainings):
            raise InvalidArgument(f"trainings must hold different names, one or more; got {self.trainings}")


@dataclass(frozen=True)
class HiddenData:
    """What was measured, where the trajectories begin, and how they went on."""

    seen: Measurements
    starts: Float[Tensor, "trajectory state"]
    times: Float[Tensor, " time"]
    states: Float[Tensor, "trajectory time state"]
    terms: Float[Tensor, "trajectory time term"]


def measured(settings: LotkaVolterraSettings) -> HiddenData:
    """Trajectories of the problem, the first from its own initial value, at equally spaced times after the start."""
    problem = get(PROBLEM, span=settings.span)
    generator = np.random.default_rng([settings.seed, 1])
    drawn = generator.uniform(*STARTS, (settings.trajectories - 1, problem.dimension))
    starts = torch.cat([problem.initial_value[None], torch.from_numpy(drawn)])
    moments = np.linspace(0.0, settings.span, settings.points + 1)
    y = problem.solve(starts, times=moments).y[:, 1:]
    points = torch.tensor(moments[1:])[:, None].expand(len(starts), -1, 1)
    seen = Measurements(points, y).noisy(settings.noise, settings.seed)
    times = torch.linspace(0, settings.span, TEST_TIMES, dtype=torch.float64)
    states = problem.solve(starts, times=times.numpy()).y
    both = states.prod(-1)
    terms = torch.stack([-problem.values["beta"] * both, problem.values["delta"] * both], -1)
    return HiddenData(seen, starts, times, states, terms)


def prepare(settings: LotkaVolterraSettings, progress: ReportProgress = False) -> Prepared[HiddenData]:
    """One network for the hidden terms, trained in each of the ways."""
    problem, data = get(PROBLEM, span=settings.span), measured(settings)
    equations = equations_of(problem)
    plain = Architecture(width=settings.width)
    hidden = HiddenTerms(HIDDEN, inputs=("x", "y"), architecture=Architecture(width=settings.width, layers=2))
    scale = data.seen.scale.tolist()
    forms = [initial_value(problem, scale, start.tolist()) for start in data.starts]
    points = collocation(problem, settings.collocation)

    def upinn(seed: int) -> nn.Module:
        return UPINN(equations, hidden, data.seen, forms, architecture=plain, seed=seed)

    def ude(seed: int) -> nn.Module:
        return UniversalODE(equations, hidden, data.seen, data.starts, rtol=settings.ude_rtol, seed=seed)

    def sparse(seed: int) -> nn.Module:
        return sparse_ode(equations, hidden, data.seen, data.starts)

    pair = settings.adam, settings.quasi_newton
    alone = settings.adam + round(ADAM_STEPS[settings.method] * settings.quasi_newton), 0
    shots = settings.ude_adam, settings.ude_quasi_newton
    train = partial(two_phases, points, data.seen)
    ours = {"learning_rate": settings.learning_rate, "optimizers": ("adam", settings.method)}
    recipes: dict[str, tuple[Any, Recipe | None]] = {
        "two_phases": (upinn, train(steps=pair, **ours)),
        "adam": (upinn, train(steps=alone, **ours)),
        "ude": (ude, train(steps=shots, learning_rate=settings.ude_learning_rate, loss=ude_loss)),
        "sparse": (sparse, None),
    }
    trials = tuple(
        Trial({"training": name}, *recipes[one_of("training", name, TRAININGS)]) for name in settings.trainings
    )
    return Prepared(trials, partial(measure, data), data)


@torch.no_grad()
def measure(data: HiddenData, model: Any, fresh: nn.Module) -> xr.Dataset:
    """Errors of trajectories, of hidden terms along the true ones, and the coefficients that a regression reads off."""
    device = next(model.parameters()).device
    times, truth = data.times.to(device), data.states
    if isinstance(model, UPINN):
        states = torch.stack([model(times[:, None], k) for k in range(len(truth))])
    else:
        states = model(times)
    terms = model.hidden_term(truth.to(device).flatten(0, 1)).reshape(data.terms.shape).cpu()
    states = states.cpu()
    margin = round(EXCLUDED * (len(times) - 1))
    inner = slice(margin, len(times) - margin)
    candidates, names = library(truth[:, inner].flatten(0, 1), ["x", "y"])
    fitted = torch.linalg.lstsq(candidates, terms[:, inner].flatten(0, 1)).solution
    each = (terms - data.terms).flatten(0, 1).norm(dim=0) / data.terms.flatten(0, 1).norm(dim=0)
    return labelled(
        relative_l2=("", _relative(states, truth), "relative L2 error of the trajectories"),
        term_error=("", _relative(terms, data.terms), "relative L2 error of the hidden terms on the visited set"),
        inner_error=("", _relative(terms[:, inner], data.terms[:, inner]), "the same without 5 % at either end"),
        each_error=("term", each, "relative L2 error of a hidden term on the visited set"),
        coefficient=("candidate term", fitted, "coefficient of a candidate in the hidden term"),
        condition=("", condition_number(candidates), "condition number of the candidates on the visited set"),
        states=("trajectory time state", states, "states"),
        hidden=("trajectory time term", terms, "hidden terms along the true trajectory"),
        truth=("trajectory time term", data.terms, "hidden terms of the problem"),
        time=("time", data.times, "time"),
        candidate=("candidate", np.array(names, dtype=object), "candidate"),
        term=("term", np.array(list(HIDDEN), dtype=object), "equation"),
    )


def draw(result: Result[LotkaVolterraSettings, HiddenData]) -> dict[str, go.Figure]:
    """Training curves, and the first hidden term along the first trajectory, of each training and of the problem."""
    from limitlab import figures

    seen = result.grid("training").isel(seed=0, trajectory=0, term=0)
    named = {"problem": seen["truth"].isel(training=0)}
    named |= {str(name): seen["hidden"].sel(training=name) for name in seen["training"].values}
    return {"training": figures.training_curves(result.curves), "hidden": figures.lines(named)}


def _relative(values: Tensor, truth: Tensor) -> float:
    return float((values - truth).norm() / truth.norm())


SIZES = sizes(
    course=LotkaVolterraSettings(seeds=1),
    smoke={
        "points": 12, "collocation": 24, "width": 8, "adam": 40, "quasi_newton": 60, "ude_adam": 3,
        "ude_quasi_newton": 3,
    },
    paper={"seeds": 5, "adam": 1000, "quasi_newton": 2000, "ude_adam": 500, "ude_quasi_newton": 200, "ude_rtol": 1e-6},
)  # fmt: skip
EXPERIMENT = Experiment(
    "pinn-symbolic-discovery",
    "Lotka-Volterra with a hidden interaction",
    SIZES,
    prepare,
    draw,
    problem=PROBLEM,
)
