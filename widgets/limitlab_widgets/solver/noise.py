"""The noise of a stochastic problem: Brownian paths that stay the same while steps are divided, and one refined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from limitlab.problems import SDEProblem
from limitlab.solvers.sde.brownian import BrownianPath

if TYPE_CHECKING:
    import xarray as xr

CELLS = 2**12


def brownian_path(problem: SDEProblem, seed: int, paths: int, span: float) -> BrownianPath:
    """Paths whose increments over span / 2^k, down to the cells, add up."""
    return BrownianPath(seed, (paths, problem.noises), (0.0, span), grid=np.linspace(0.0, span, CELLS + 1))


def refinement(
    problem: SDEProblem,
    y0: Float[Tensor, "1 state"],
    component: str,
    method: str,
    levels: list[int],
    *,
    seed: int,
    span: float,
) -> xr.Dataset:
    """One Brownian path at several numbers of steps, each dividing the last, and the component solved along it.

    Variables `noise`, the first of the Brownian motions, and `state` (level, time), NaN at the times that a level does
    not have.
    """
    import xarray as xr

    finest = levels[-1]
    times = np.linspace(0.0, span, finest + 1)
    noise, state = (np.full((len(levels), finest + 1), np.nan) for _ in range(2))
    place = problem.components.index(component)
    path = brownian_path(problem, seed, 1, span)
    for row, steps in enumerate(levels):
        stride = finest // steps
        own = times[::stride]
        noise[row, ::stride] = np.append(0.0, path.increments(own)[0][:, 0, 0].cumsum(0).numpy())
        options: dict[str, Any] = {"method": method, "brownian": path, "step_size": span / steps, "on_failure": "mask"}
        state[row, ::stride] = problem.solve(y0, own, **options).y[0, :, place].numpy()
    return xr.Dataset(
        {
            "noise": (("level", "time"), noise, {"long_name": "Brownian path W", "units": "1"}),
            "state": (("level", "time"), state, {"long_name": f"{component} by {method}", "units": "1"}),
        },
        coords={
            "level": ("level", levels, {"long_name": "steps", "units": "1"}),
            "time": ("time", times, {"long_name": "time", "units": problem.time_unit}),
        },
    )
