"""How a drug acts on a tumour, from its growth under several doses: a hidden term of cells and concentration.

    N' = r N (1 - N/K) - G(N, C),    C' = -k C,    G = beta C N                 log-kill (Skipper)
                                                       beta C r N (1 - N/K)     as growth does (Norton, Simon)
                                                       Emax C N/(EC50 + C)      with a greatest effect

One G for all doses, which is what makes it identifiable: one dose is one curve in the plane of N and C. The same rivals
as for Lotka-Volterra; the sparse regression has polynomials up to degree 3, which hold the first two actions and not
the third. `named` puts the three laws in place of G and asks the measurements which it is.
Source: Podina, Ghodsi, Kohandel, Learning chemotherapy drug action via universal physics-informed neural networks
(2024), arXiv 2404.08019.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from limitlab.discovery.pinn import Architecture, HiddenTerms, Measurements
from limitlab.experiments.contract.experiment import Experiment, Prepared, ReportProgress
from limitlab.experiments.contract.settings import option, sizes
from limitlab.experiments.discovery._hidden import HiddenData, HiddenSettings, draw, measure, trials
from limitlab.problems import get

if TYPE_CHECKING:
    from limitlab.discovery.symbolic import Refits

ACTIONS = {
    "log_kill": "-beta*C*N",
    "norton_simon": "-beta*C*r*N*(1 - N/K)",
    "emax_kill": "-Emax*C*N/(EC50 + C)",
}
"""The term that is hidden, by problem of the catalogue."""
LAWS = {
    "log_kill": ("-a*C*N", {"a": 0.3}),
    "norton_simon": ("-a*C*N*(1 - N)", {"a": 0.1}),
    "emax_kill": ("-a*C*N/(b + C)", {"a": 0.5, "b": 0.5}),
}
"""The same in N and C alone, with the constants from which a fit begins; N in units of the capacity."""
CELLS = 0.6
TEST_TIMES = 201


@dataclass(frozen=True)
class ChemotherapySettings(HiddenSettings):
    """The drug, the doses, the measurements, the networks and their training."""

    action: str = option("log_kill", "how the drug acts", choices=tuple(ACTIONS))
    doses: tuple[float, ...] = option(
        (0.5, 1.0, 2.0), "concentration at the start of each trajectory", low=0.0, high=5.0
    )
    span: float = option(10.0, "days", low=1.0, high=50.0)
    points: int = option(20, "measured times of a dose", low=8, high=1000)


def measured(settings: ChemotherapySettings) -> HiddenData:
    """Tumour and concentration at equally spaced times, under each dose."""
    problem = get(settings.action, span=settings.span)
    starts = torch.tensor([[CELLS, dose] for dose in settings.doses], dtype=torch.float64)
    moments = np.linspace(0.0, settings.span, settings.points + 1)
    y = problem.solve(starts, times=moments).y[:, 1:]
    points = torch.tensor(moments[1:])[:, None].expand(len(starts), -1, 1)
    seen = Measurements(points, y).noisy(settings.noise, settings.seed)
    times = torch.linspace(0, settings.span, TEST_TIMES, dtype=torch.float64)
    hidden = HiddenTerms({"N": ACTIONS[settings.action]}, ("N", "C"), Architecture(width=settings.width, layers=2))
    return HiddenData(problem, hidden, seen, starts, times, problem.solve(starts, times=times.numpy()).y)


def prepare(settings: ChemotherapySettings, progress: ReportProgress = False) -> Prepared[HiddenData]:
    """One network for the action of the drug, trained in each of the ways."""
    data = measured(settings)
    return Prepared(trials(data, settings, degree=3), partial(measure, data), data)


def named(data: HiddenData) -> Refits:
    """The three laws in the equation of the tumour, their constants fitted to the measurements, by BIC.

    >>> from limitlab.experiments.discovery import chemotherapy_upinn as chemotherapy
    >>> settings = ll.experiments.get("chemotherapy_upinn").configure("smoke", action="log_kill")
    >>> str(chemotherapy.named(chemotherapy.measured(settings)).best.formulas[0])
    '-0.6*C*N'
    """
    from limitlab.discovery.symbolic import Expr, Holed, refit

    values = data.problem.values
    known = Holed("N' = r*N*(1 - N/K) + F; C' = -k*C", ("F",), {name: values[name] for name in ("r", "K", "k")})
    candidates = [Expr.parse(text, ("N", "C"), parameters=constants) for text, constants in LAWS.values()]
    times = np.append(0.0, data.seen.points[0, :, 0].numpy())
    states = torch.cat([data.starts[:, None], data.seen.values], 1).numpy()
    return refit({"F": candidates}, known, times, states, starts=data.starts.numpy())


SIZES = sizes(
    course=ChemotherapySettings(seeds=1, width=16),
    smoke={
        "doses": (1.0, 2.0), "points": 10, "collocation": 24, "width": 8, "adam": 30, "quasi_newton": 40, "ude_adam": 2,
        "ude_quasi_newton": 2,
    },
    paper={
        "seeds": 5, "doses": (0.25, 0.5, 1.0, 2.0, 4.0), "width": 32, "adam": 1000, "quasi_newton": 1000,
        "method": "lbfgs", "ude_adam": 500, "ude_quasi_newton": 200, "ude_rtol": 1e-6,
    },
)  # fmt: skip
EXPERIMENT = Experiment(
    "pinn-symbolic-discovery",
    "A tumour under doses of a drug whose action is hidden",
    SIZES,
    prepare,
    draw,
)
