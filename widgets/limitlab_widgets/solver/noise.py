"""The noise of a stochastic problem: Brownian paths that stay the same while steps are divided, and one refined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from limitlab.interruption import interruptible
from limitlab.labels import labelled
from limitlab.problems import SDEProblem
from limitlab.solvers.sde.brownian import BrownianPath
from limitlab_widgets.shared.worker import Check

if TYPE_CHECKING:
    import xarray as xr

CELLS = 2**12


def brownian_path(problem: SDEProblem, seed: int, paths: int, span: float) -> BrownianPath:
    """Paths whose increments over span / 2^k, down to the cells, add up."""
    return BrownianPath(seed, (paths, problem.noises), (0.0, span), grid=np.linspace(0.0, span, CELLS + 1))


def refinement(
    problem: SDEProblem,
    y0: Float[Tensor, "1 state"],
    method: str,
    levels: list[int],
    *,
    seed: int,
    span: float,
    check: Check,
) -> xr.Dataset:
    """One Brownian path at several numbers of steps, each dividing the last, and the solutions along it.

    Variables `noise` (level, time), the first of the Brownian motions, and `state` (component, level, time), NaN at the
    times that a level does not have.
    """
    finest = levels[-1]
    times = np.linspace(0.0, span, finest + 1)
    noise = np.full((len(levels), finest + 1), np.nan)
    state = np.full((len(problem.components), *noise.shape), np.nan)
    path = brownian_path(problem, seed, 1, span)
    for row, steps in enumerate(levels):
        check()
        stride = finest // steps
        moments = times[::stride]
        noise[row, ::stride] = np.append(0.0, path.increments(moments)[0][:, 0, 0].cumsum(0).numpy())
        options: dict[str, Any] = {"method": method, "brownian": path, "step_size": span / steps, "on_failure": "mask"}
        with interruptible(check):
            state[:, row, ::stride] = problem.solve(y0, moments, **options).y[0].T.numpy()
    return labelled(
        noise=("level time", noise, "Brownian path W"),
        state=("component level time", state, f"solution by {method}"),
        component=("component", list(problem.components), "component"),
        level=("level", levels, "steps"),
        time=("time", times, "time", problem.time_unit),
    )
