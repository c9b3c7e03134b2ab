"""What the experiments with hidden terms of ordinary equations share: their data, how they are measured and drawn.

A trajectory that fits proves nothing. What counts is the error of G where the true trajectories have been, for which
`term_error` stands; `inner_error` leaves out 5 % of the times at either end, where derivatives rest on one side only.
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
from limitlab.experiments.contract.experiment import Trial
from limitlab.experiments.contract.settings import Ensemble, OnDevice, option
from limitlab.labels import labelled
from limitlab.problems.ode.problem import ODEProblem
from limitlab.solvers.failures import SolveFailed
from limitlab.training import Recipe

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

    from limitlab.experiments.contract.experiment import Result

TRAININGS = ("two_phases", "adam", "ude", "sparse")
ADAM_STEPS = {"lbfgs": 1.2, "ssbfgs": 4.0, "ssbroyden": 4.0, "bfgs": 4.0}
"""Steps of Adam that take as long as a step of the quasi-Newton phase, its dense matrix and line search counted."""


@dataclass(frozen=True)
class HiddenSettings(Ensemble, OnDevice):
    """The networks, their training and that of their rivals."""

    trainings: tuple[str, ...] = option(TRAININGS, "what is trained, and how", choices=TRAININGS, distinct=True)
    noise: float = option(0.0, "noise as a share of each state's deviation", low=0.0, high=1.0)
    collocation: int = option(128, "points of the equation", low=8, high=10_000)
    width: int = option(32, "units of a hidden layer", low=2, high=1024)
    adam: int = option(300, "steps of Adam", low=1, high=1_000_000)
    quasi_newton: int = option(300, "steps of the quasi-Newton method", low=0, high=1_000_000)
    method: str = option("ssbfgs", "quasi-Newton method", choices=tuple(ADAM_STEPS))
    # of 3e-3, 1e-2, 3e-2 and 1e-1 the least error of u on Lotka-Volterra at seed 101, which no claim is made at
    learning_rate: float = option(3e-2, "rate of Adam", low=1e-7, high=1.0)
    ude_learning_rate: float = option(1e-2, "rate of Adam of the rival in the field", low=1e-7, high=1.0)
    ude_adam: int = option(50, "its steps of Adam", low=1, high=100_000)
    ude_quasi_newton: int = option(30, "its steps of L-BFGS", low=0, high=100_000)
    # a solve at 1e-6 takes seven times as long as one at 1e-3, which leaves seven times fewer steps
    ude_rtol: float = option(1e-3, "tolerance of its solver", low=1e-12, high=1e-1)


@dataclass(frozen=True)
class HiddenData:
    """What was measured, where the trajectories begin, how they went on, and what the hidden terms are there."""

    problem: ODEProblem
    hidden: HiddenTerms
    seen: Measurements
    starts: Float[Tensor, "trajectory state"]
    times: Float[Tensor, " time"]
    states: Float[Tensor, "trajectory time state"]

    @property
    def features(self) -> Float[Tensor, "trajectory time input"]:
        """The inputs of the hidden terms along the true trajectories."""
        names = [state.name for state in self.problem.states]
        return self.states[..., [names.index(name) for name in self.hidden.inputs]]

    @property
    def terms(self) -> Float[Tensor, "trajectory time term"]:
        """The true values of the hidden terms there."""
        equations = equations_of(self.problem)
        fields = dict(zip(equations.unknowns, self.states.flatten(0, 1).unbind(-1), strict=True))
        expressions = [equations.term(text) for text in self.hidden.terms.values() if text is not None]
        points = self.times.repeat(len(self.states))[:, None]
        values = equations.evaluate(points, fields, self.problem.values, expressions)
        return values.T.reshape(*self.states.shape[:2], -1)


def trials(data: HiddenData, settings: HiddenSettings, degree: int = 2) -> tuple[Trial, ...]:
    """One network for the hidden terms, trained in each of the ways, and polynomials of a degree without training."""
    problem, hidden, seen, equations = data.problem, data.hidden, data.seen, equations_of(data.problem)
    plain = Architecture(width=settings.width)
    forms = [initial_value(problem, seen.scale.tolist(), start.tolist()) for start in data.starts]

    def upinn(seed: int) -> nn.Module:
        return UPINN(equations, hidden, seen, forms, architecture=plain, seed=seed)

    def ude(seed: int) -> nn.Module:
        return UniversalODE(equations, hidden, seen, data.starts, rtol=settings.ude_rtol, seed=seed)

    def sparse(seed: int) -> nn.Module:
        return sparse_ode(equations, hidden, seen, data.starts, degree)

    train = partial(two_phases, collocation(problem, settings.collocation), seen)
    ours = partial(train, learning_rate=settings.learning_rate, optimizers=("adam", settings.method))
    alone = settings.adam + round(ADAM_STEPS[settings.method] * settings.quasi_newton)
    solved = settings.ude_adam, settings.ude_quasi_newton
    recipes: dict[str, tuple[Any, Recipe | None]] = {
        "two_phases": (upinn, ours(steps=(settings.adam, settings.quasi_newton))),
        "adam": (upinn, ours(steps=(alone, 0))),
        "ude": (ude, train(steps=solved, learning_rate=settings.ude_learning_rate, loss=ude_loss)),
        "sparse": (sparse, None),
    }
    return tuple(Trial({"training": name}, *recipes[name]) for name in settings.trainings)


@torch.no_grad()
def measure(data: HiddenData, model: Any, fresh: nn.Module) -> xr.Dataset:
    """Errors of trajectories, of hidden terms along the true ones, and the coefficients that a regression reads off."""
    device = next(model.parameters()).device
    times, truth, true_terms = data.times.to(device), data.states, data.terms
    states = _trajectories(model, times, truth).cpu()
    terms = model.hidden_term(data.features.to(device).flatten(0, 1)).reshape(true_terms.shape).cpu()
    margin = round(EXCLUDED * (len(times) - 1))
    inner = slice(margin, len(times) - margin)
    candidates, names = library(data.features[:, inner].flatten(0, 1), list(data.hidden.inputs))
    fitted = torch.linalg.lstsq(candidates, terms[:, inner].flatten(0, 1)).solution
    flat, true = terms.flatten(0, 1), true_terms.flatten(0, 1)
    spread = (states - truth).flatten(0, 1).norm(dim=0) / truth.flatten(0, 1).norm(dim=0)
    return labelled(
        relative_l2=("", _relative(states, truth), "relative L2 error of the trajectories"),
        state_error=("state", spread, "relative L2 error of a state"),
        term_error=("", _relative(terms, true_terms), "relative L2 error of the hidden terms on the visited set"),
        inner_error=("", _relative(terms[:, inner], true_terms[:, inner]), "the same without 5 % at either end"),
        each_error=("term", (flat - true).norm(dim=0) / true.norm(dim=0), "the same of one hidden term"),
        factor=("term", (flat * true).sum(0) / true.square().sum(0), "multiple of the true term that fits best"),
        coefficient=("candidate term", fitted, "coefficient of a candidate in the hidden term"),
        condition=("", condition_number(candidates), "condition number of the candidates on the visited set"),
        states=("trajectory time state", states, "states"),
        hidden=("trajectory time term", terms, "hidden terms along the true trajectory"),
        truth=("trajectory time term", true_terms, "hidden terms of the problem"),
        time=("time", data.times, "time"),
        candidate=("candidate", np.array(names, dtype=object), "candidate"),
        term=("term", np.array(data.hidden.equations, dtype=object), "equation"),
        state=("state", np.array([s.name for s in data.problem.states], dtype=object), "state"),
    )


def draw(result: Result[Any, HiddenData]) -> dict[str, go.Figure]:
    """Training curves, and the first hidden term along the first trajectory, of each training and of the problem.

    With several seeds also the band of the first training: what its networks agree on, and where they do not.
    """
    from limitlab import figures

    every = result.grid("training").isel(trajectory=0, term=0)
    seen = every.isel(seed=0)
    truth = {"problem": seen["truth"].isel(training=0)}
    named = truth | {str(name): seen["hidden"].sel(training=name) for name in seen["training"].values}
    drawn = {"training": figures.training_curves(result.curves), "hidden": figures.lines(named)}
    if every.sizes["seed"] > 1:
        drawn["band"] = figures.lines(truth | band(every["hidden"].isel(training=0)))
    return drawn


def band(hidden: xr.DataArray) -> dict[str, xr.DataArray]:
    """Lowest, mean and highest of a hidden term over the seeds: how far networks that fit the same data differ."""
    parts = {"lowest": hidden.min("seed"), "mean": hidden.mean("seed"), "highest": hidden.max("seed")}
    return {name: part.assign_attrs(hidden.attrs) for name, part in parts.items()}


def _trajectories(model: Any, times: Tensor, truth: Tensor) -> Float[Tensor, "trajectory time state"]:
    """Of a network as it says, of a field by a solver; infinitely far off where that field cannot be followed."""
    if isinstance(model, UPINN):
        return torch.stack([model(times[:, None], k) for k in range(len(truth))])
    try:
        return model(times)
    except SolveFailed:
        return torch.full_like(truth, math.inf)


def _relative(values: Tensor, truth: Tensor) -> float:
    return float((values - truth).norm() / truth.norm())
