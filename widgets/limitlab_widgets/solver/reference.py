"""What solutions are measured against: the exact solution where one is known, else a much tighter solve.

ordinary    max_t,i |y_i(t) - r_i(t)| / max_t |r_i(t)|        relative to each component's largest value
stochastic  mean over paths of |X(T) - R(T)|                  strong error, along the same Brownian paths
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.interruption import interruptible
from limitlab.problems import ODEProblem, SDEProblem
from limitlab.solvers.ode.solve import solve_ode
from limitlab.solvers.sde.solve import solve_sde
from limitlab_widgets.shared.worker import Check
from limitlab_widgets.solver.methods import first_methods
from limitlab_widgets.solver.noise import CELLS, brownian_path

if TYPE_CHECKING:
    import xarray as xr

MOST_STEPS = 50_000
TIGHT, TIGHTEST = 1e-9, 1e-13
Times = Float[np.ndarray, " time"]
States = Float[np.ndarray, "sample time state"]


def tightness(tolerance: float | None) -> float:
    """Relative tolerance of a reference for solves of this tolerance, or of fixed steps, which have none."""
    return TIGHT if tolerance is None else max(TIGHTEST, min(TIGHT, tolerance / 100))


def ode_reference(problem: ODEProblem, y0: Float[Tensor, "1 state"], times: Times, rtol: float, check: Check) -> States:
    """The solution at those times, NaN where none was reached."""
    moments = torch.from_numpy(times)
    if problem.solution is not None:
        return problem.solution_at(moments, y0).numpy()
    method = problem.default_method
    with interruptible(check):
        solution = solve_ode(
            problem.field(),
            y0,
            moments,
            method=method,
            rtol=rtol,
            atol=1e-3 * rtol,
            jacobian=problem.jacobian() if method == "rodas5" else None,
            max_steps=MOST_STEPS,
            on_failure="mask",
        )
    return solution.y.numpy()


def sde_reference(
    problem: SDEProblem, y0: Float[Tensor, "path state"], seed: int, span: float, check: Check
) -> Float[np.ndarray, "path state"]:
    """The end of every path: by the formula along the Brownian path, or by the finest steps."""
    path = brownian_path(problem, seed, len(y0), span)
    if problem.solution is not None:
        times = np.linspace(0.0, span, CELLS + 1)
        increments = path.increments(times)[0]
        w = torch.cat([increments.new_zeros(1, *path.shape), increments.cumsum(0)]).transpose(0, 1)
        check()
        return problem.solution_at(torch.from_numpy(times), w, y0)[:, -1].numpy()
    with interruptible(check):
        solution = solve_sde(
            problem.drift(),
            problem.diffusion(),
            y0,
            [0.0, span],
            brownian=path,
            method=first_methods(problem, "steps")[-1],
            noise=problem.noise,
            calculus=problem.calculus,
            step_size=span / CELLS,
            on_failure="mask",
        )
    return solution.y[:, -1].numpy()


def ode_error(solution: xr.Dataset, reference: States, times: Times) -> float:
    """The largest relative error over the times of the reference, as far as both reached."""
    size = np.abs(np.where(np.isfinite(reference), reference, 0.0)).max(axis=1, keepdims=True)
    # a component that is zero throughout has no relative error
    apart = np.abs(solution["y"].sel(time=times).values - reference) / np.where(size > 0, size, 1.0)
    return float(apart[np.isfinite(apart)].max())


def sde_error(solution: xr.Dataset, reference: Float[np.ndarray, "path state"]) -> float:
    """The mean distance at the end over the paths that got there; NaN if none did."""
    distance = np.linalg.norm(solution["y"].values[:, -1] - reference, axis=-1)
    finite = distance[np.isfinite(distance)]
    return float(finite.mean()) if finite.size else float("nan")
