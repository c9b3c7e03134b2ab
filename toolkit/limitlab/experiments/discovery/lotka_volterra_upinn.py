"""Predators and prey whose meeting is hidden: what a network makes of it from thirty points.

    x' = alpha x + G_1(x, y),    y' = -gamma y + G_2(x, y),    truth: G = (-beta x y, delta x y) on [0, 3]

Adam and then a quasi-Newton method, beside three rivals: Adam alone for as long; a universal differential equation (the
same network inside the field, trained through a solver) for as long; and no network at all, a sparse regression of the
derivatives of splines, which knows that G is a polynomial.
Source: Podina, Eastman, Kohandel, Universal physics-informed neural networks (2023), arXiv 2212.04630.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from limitlab.discovery.pinn import Architecture, HiddenTerms, Measurements
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress
from limitlab.experiments.contract.settings import option, sizes
from limitlab.experiments.discovery._hidden import HiddenData, HiddenSettings, draw, measure, trials
from limitlab.problems import get

PROBLEM = "lotka_volterra"
HIDDEN = {"x": "-beta*x*y", "y": "delta*x*y"}
TEST_TIMES = 301
STARTS = (0.5, 5.0)
"""Where further trajectories begin, in both states."""


@dataclass(frozen=True)
class LotkaVolterraSettings(HiddenSettings):
    """The measurements, the networks and their training."""

    span: float = option(3.0, "end of the time interval", low=0.5, high=25.0)
    points: int = option(30, "measured times of a trajectory", low=8, high=1000)
    trajectories: int = option(1, "trajectories, which share the hidden term", low=1, high=20)


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
    hidden = HiddenTerms(HIDDEN, ("x", "y"), Architecture(width=settings.width, layers=2))
    return HiddenData(problem, hidden, seen, starts, times, problem.solve(starts, times=times.numpy()).y)


def prepare(settings: LotkaVolterraSettings, progress: ReportProgress = False) -> Prepared[HiddenData]:
    """One network for the hidden terms, trained in each of the ways."""
    data = measured(settings)
    return Prepared(trials(data, settings), partial(measure, data), data)


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
