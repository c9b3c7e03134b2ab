"""Cell death with a hidden reaction: a stiff network of eight species, and what a network finds of one of its rates.

    x6' = G - (kd3 + kd4) x6,    truth: G = k3 x2 x3      caspase 8 binds procaspase 3
    x8' = G - (kd5 + kd6) x8,    truth: G = k5 x7 x4      the inhibitor binds caspase 3

Binding and leaving nearly cancel in every equation that holds them, and rates go from 1/60 to 60 000 an hour. Three
things make it learnable: sums of equations in which the fast terms cancel (x3 + x6 changes by kd4 x6 alone), so that G
stands in one equation; residuals measured by the logarithm of time; and inputs exp(-t/tau) of the surrogate. The rival
"linear_time" lacks the second, "adam" the quasi-Newton phase. Every species is measured at first; `observed="x4"`
leaves caspase 3 and the last state. A universal differential equation would take a million explicit steps a solve.

Errors are over logarithmic times, in which the first seconds count as much as the last day.
Sources: Podina, Eastman, Kohandel (2023), arXiv 2212.04630; Yazdani et al., Systems biology informed deep learning for
inferring parameters and hidden dynamics (2020); Aldridge et al. 2006.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from limitlab.discovery.pinn import (
    UPINN,
    Ansatz,
    Architecture,
    Equations,
    HiddenTerms,
    Measurements,
    Weighting,
    equations_of,
    two_phases,
)
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress, Trial
from limitlab.experiments.contract.settings import Ensemble, OnDevice, option, sizes
from limitlab.experiments.discovery._hidden import ADAM_STEPS, HiddenData, draw, measure
from limitlab.problems import get
from limitlab.problems.ode.problem import ODEProblem
from limitlab.training import Recipe

PROBLEM = "apoptosis"
INHIBITOR = {"death": 0.029, "survival": 0.29}
REACTIONS = {"k3": ("x6", "k3*x2*x3", ("x2", "x3")), "k5": ("x8", "k5*x7*x4", ("x7", "x4"))}
"""Equation, term and its inputs, by the rate that is looked for."""
SUMS = {"x1": ("x5",), "x2": ("x6",), "x3": ("x6",), "x4": ("x5", "x8"), "x7": ("x8",)}
FASTEST_SEEN = 10.0
"""A rate of binding that nobody knows is taken for 10 an hour."""
SIZES_OF_SPECIES = (1.34, 2.34, 2.67, 2.67, 0.05, 0.25, None, None)
"""Orders of magnitude of what nobody measured: what there is to begin with, and for complexes a part of it."""
FIRST, TEST_TIMES = 1e-3, 301
DECAYS = (0.01, 0.1, 1.0, 10.0)
TRAININGS = ("two_phases", "adam", "linear_time")


@dataclass(frozen=True)
class ApoptosisSettings(Ensemble, OnDevice):
    """The reaction, the measurements, the networks and their training."""

    trainings: tuple[str, ...] = option(TRAININGS, "what is trained, and how", choices=TRAININGS, distinct=True)
    reaction: str = option("k3", "rate of the reaction that is hidden", choices=tuple(REACTIONS))
    fate: str = option("death", "of the cell, by how much inhibitor there is", choices=tuple(INHIBITOR))
    observed: str = option("all", "all species, or caspase 3 and the last state", choices=("all", "x4"))
    points: int = option(120, "measured times, evenly in their logarithm", low=8, high=10_000)
    noise: float = option(0.0, "noise as a share of each species' deviation", low=0.0, high=1.0)
    collocation: int = option(300, "points of the equations", low=16, high=100_000)
    width: int = option(24, "units of a hidden layer", low=2, high=1024)
    layers: int = option(3, "hidden layers of the surrogate", low=1, high=16)
    onset: float = option(0.01, "hours from which on times count by their logarithm", low=1e-6, high=10.0)
    data_weight: float = option(100.0, "weight of the data in the loss", low=1e-6, high=1e6)
    adam: int = option(300, "steps of Adam", low=1, high=1_000_000)
    quasi_newton: int = option(600, "steps of the quasi-Newton method", low=0, high=1_000_000)
    method: str = option("ssbfgs", "quasi-Newton method", choices=tuple(ADAM_STEPS))
    learning_rate: float = option(1e-2, "rate of Adam", low=1e-7, high=1.0)


def logarithmic(count: int, span: float) -> np.ndarray:
    """The start, and times from 3.6 seconds on that grow geometrically."""
    return np.append(0.0, np.geomspace(FIRST, span, count))


def measured(settings: ApoptosisSettings) -> HiddenData:
    """One cell from its own start, measured where the settings say; NaN where it was not."""
    problem = get(PROBLEM, inhibitor=INHIBITOR[settings.fate])
    moments, times = logarithmic(settings.points, problem.span), logarithmic(TEST_TIMES - 1, problem.span)
    both = np.union1d(moments, times)
    y = problem.solve(times=both).y
    at_moments, at_times = (y[:, np.searchsorted(both, part)] for part in (moments, times))
    points = torch.from_numpy(moments[1:])[None, :, None]
    seen = Measurements(points, at_moments[:, 1:]).noisy(settings.noise, settings.seed)
    if settings.observed == "x4":
        values = seen.values.clone()
        values[:, :-1, [k for k in range(8) if k != 3]] = torch.nan
        seen = Measurements(seen.points, values)
    equation, term, inputs = REACTIONS[settings.reaction]
    hidden = HiddenTerms({equation: term}, inputs, Architecture(width=settings.width, layers=2))
    return HiddenData(problem, hidden, seen, problem.initial_value[None], torch.from_numpy(times), at_times)


def sums(problem: ODEProblem, reaction: str, onset: float) -> Equations:
    """The equations in which binding and leaving cancel but for those of the complexes, with their rates."""
    k = problem.values
    rates = {
        "x5": k["kd1"] + k["kd2"],
        "x6": k["kd3"] + k["kd4"],
        "x8": FASTEST_SEEN if reaction == "k5" else (k["k5"] * problem.initial_value[6].item()),
    }
    return equations_of(problem).summed(SUMS, rates, onset)


def sizes_of(data: HiddenData, observed: str) -> list[float]:
    """The greatest measured value of each species, or its order of magnitude where there is none."""
    if observed == "all":
        return data.seen.values[0].abs().amax(0).tolist()
    inhibitor = data.starts[0, 6].item()
    return [inhibitor if size is None else size for size in SIZES_OF_SPECIES]


def prepare(settings: ApoptosisSettings, progress: ReportProgress = False) -> Prepared[HiddenData]:
    """One network for the hidden reaction, trained in each of the ways."""
    data = measured(settings)
    problem, scale = data.problem, sizes_of(data, settings.observed)
    plain = Architecture(width=settings.width, layers=settings.layers, decays=DECAYS)
    # a state may leave its start within the onset, and stays near its size later
    leaving = f"(1 - exp(-t/{settings.onset!r}))"
    form = Ansatz(tuple(map(repr, data.starts[0].tolist())), tuple(f"{size!r}*{leaving}" for size in scale))
    points = torch.from_numpy(logarithmic(settings.collocation - 1, problem.span))[:, None]

    def upinn(onset: float, seed: int) -> nn.Module:
        weighting = Weighting(weights={"data": settings.data_weight})
        equations = sums(problem, settings.reaction, onset)
        options: dict[str, Any] = {"architecture": plain, "scale": scale, "weighting": weighting, "seed": seed}
        return UPINN(equations, data.hidden, data.seen, form, **options)

    pair = settings.adam, settings.quasi_newton
    alone = settings.adam + round(ADAM_STEPS[settings.method] * settings.quasi_newton), 0
    train = partial(
        two_phases, points, data.seen, learning_rate=settings.learning_rate, optimizers=("adam", settings.method)
    )
    logarithm, linear = partial(upinn, settings.onset), partial(upinn, 0.0)
    recipes: dict[str, tuple[Any, Recipe]] = {
        "two_phases": (logarithm, train(steps=pair)),
        "adam": (logarithm, train(steps=alone)),
        "linear_time": (linear, train(steps=pair)),
    }
    trials = tuple(Trial({"training": name}, *recipes[name]) for name in settings.trainings)
    return Prepared(trials, partial(measure, data), data)


SIZES = sizes(
    course=ApoptosisSettings(seeds=1),
    smoke={"points": 20, "collocation": 40, "width": 8, "layers": 2, "adam": 20, "quasi_newton": 30},
    paper={
        "seeds": 3, "observed": "x4", "data_weight": 10.0, "collocation": 600, "width": 64, "layers": 4, "adam": 5000,
        "quasi_newton": 3000, "method": "lbfgs",
    },
)  # fmt: skip
EXPERIMENT = Experiment(
    "pinn-symbolic-discovery",
    "Apoptosis with a hidden reaction",
    SIZES,
    prepare,
    draw,
    problem=PROBLEM,
)
