"""A pilot run that settles the step and the grid of an equation about which nothing else is known.

The step is halved until the solution no longer changes, the grid refined until its spectrum has decayed. An equation
that passes neither is refused with the reason.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TypeVar

import numpy as np
from torch import Tensor

from limitlab.errors import InvalidArgument
from limitlab.problems.pde.periodic import PeriodicProblem
from limitlab.problems.pde.spectral_system import SpectralSystem
from limitlab.solvers.failures import SolutionBlewUp
from limitlab.solvers.pde.bases import basis_of

PILOT_SAMPLES = 2
SETTLED = 1e-5
DECAYED = 1e-6
FEWEST_STEPS = 64
MOST_STEPS = {1: 4096, 2: 1024}
FINEST_RESOLUTION = {1: 1024, 2: 256}
COARSEST_RESOLUTION = {1: 128, 2: 64}

Unsettled = TypeVar("Unsettled", PeriodicProblem, SpectralSystem)


def settled(problem: Unsettled) -> Unsettled:
    """The problem with a grid and a step at which a pilot run has no spectral tail and a halved dt changes nothing.

    Raises InvalidArgument where no step does down to a 4096th of the span (in the plane a 1024th), or no grid up to
    1024 points (256 x 256).

    >>> from limitlab.problems.pde.settling import settled
    >>> settled(ll.problems.get("wave_2d")).minimum_resolution
    128
    """
    points = max(COARSEST_RESOLUTION[problem.dimension], 2 * problem.default_resolution)
    while True:
        candidate = dataclasses.replace(problem, minimum_resolution=points)
        dt, values = _settled_step(candidate, points)
        # without the initial value, which nothing has smoothed yet
        tail = _tail(candidate, values[:, 1:], points)
        if tail <= DECAYED:
            return dataclasses.replace(candidate, dt=dt)
        if 2 * points > FINEST_RESOLUTION[problem.dimension]:
            raise InvalidArgument(
                f"{points} points do not resolve the solution of {problem.equation!r:.80} (relative tail of its "
                f"spectrum {tail:.1e}): add diffusion, smooth the initial value or shorten the span"
            )
        points *= 2


def _tail(problem: PeriodicProblem | SpectralSystem, values: Tensor, points: int) -> float:
    """Largest coefficient in the last fifth of the waves that products leave clean, relative to the largest of all."""
    grid = problem.grid(points)
    basis = basis_of(grid)
    spectrum = basis.transform(values, grid).abs()
    # beyond `keep` there is nothing by construction
    outer = basis.mask(grid, problem.keep) & ~basis.mask(grid, 0.8 * problem.keep)
    return float((spectrum * outer).amax() / spectrum.amax().clamp_min(1e-300))


def _settled_step(problem: Unsettled, points: int) -> tuple[float, Tensor]:
    grid = problem.grid(points)
    state = problem.initial.sample(grid, PILOT_SAMPLES, 0, 0, problem.values)
    dt, coarse = problem.dt, None
    most = MOST_STEPS[problem.dimension]
    reason = f"its steps would be shorter than {problem.span / most:g}"
    while problem.span / dt <= most:
        try:
            fine = problem.integrate(state, grid, _halves(problem.times), dt=dt)
        except SolutionBlewUp as blow_up:
            # too long a step blows up too: it is halved, not refused
            fine, reason = None, str(blow_up).split(":")[0]
        if fine is not None and coarse is not None:
            change = (fine - coarse).flatten(2).norm(dim=-1).amax() / fine.flatten(2).norm(dim=-1).amax().clamp_min(
                1e-300
            )
            if float(change) <= SETTLED:
                return dt, fine
        dt, coarse = dt / 2, fine
    raise InvalidArgument(
        f"the solution of {problem.equation!r:.80} does not settle when the step is halved ({reason}): it may blow up, "
        "be chaotic over this span, or hide a stiff term in a product; shorten the span, or give dt"
    )


def _halves(times: np.ndarray) -> np.ndarray:
    """At most eleven of the stored times, first and last among them: enough to judge a pilot run."""
    stride = max(1, math.ceil((len(times) - 1) / 10))
    return np.unique(np.append(times[::stride], times[-1]))
