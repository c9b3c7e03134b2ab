"""Waves in a medium of varying speed, u_tt = div(a grad u) with u = 0 on the walls, by finite volumes and leap-frog.

With A u = div(a grad u) on cells and v = u_t,

    v(t + dt/2) = v + dt/2 A u,    u(t + dt) = u + dt v(t + dt/2),    v(t + dt) = v(t + dt/2) + dt/2 A u(t + dt),

which is explicit, of order two, and runs backwards over its own steps. It keeps, to rounding,

    |v|^2/2 - <u, A u>/2 - dt^2 |A u|^2/8,

so that the energy, the first two terms, never drifts. Stable up to a Courant number of one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number
from limitlab.interruption import ask_to_go_on
from limitlab.solvers.pde.elliptic import darcy_operator
from limitlab.spaces.grid import Grid

COURANT_NUMBER = 0.5


def integrate_leapfrog(
    u: Float[Tensor, "batch *grid"],
    v: Float[Tensor, "batch *grid"],
    a: Float[Tensor, "batch *grid"],
    grid: Grid,
    times: Sequence[float] | np.ndarray,
    *,
    courant: float = COURANT_NUMBER,
) -> tuple[Float[Tensor, "batch time *grid"], Float[Tensor, "batch time *grid"]]:
    """u and v = u_t at `times`, where times[0] belongs to the initial ones.

    a: the square of the speed, positive. courant: share of the longest stable step that is taken at most; each interval
    between times is cut into 2^m equal steps, m for every sample its own. Raises InvalidArgument.

    >>> from limitlab.solvers.pde.leapfrog import integrate_leapfrog
    >>> grid = ll.spaces.Grid.uniform(32, kind="cells")
    >>> wave = torch.sin(torch.pi * grid.points()[:, 0])[None]
    >>> u, _ = integrate_leapfrog(wave, 0 * wave, torch.ones(1, 32), grid, [0.0, 1.0])
    >>> torch.allclose(u[:, 1], -wave, atol=1e-2)
    True
    """
    courant = check_number("courant", courant, low=1e-6, high=1.0)
    for name, values in (("u", u), ("v", v), ("a", a)):
        grid.require(name, values)
        if values.shape != u.shape or not bool(torch.isfinite(values).all()):
            raise InvalidArgument(f"{name} must be finite and of the shape {tuple(u.shape)}; got {tuple(values.shape)}")
    if not bool((a > 0).all()):
        raise InvalidArgument("a, the square of the speed, must be positive in every cell")
    # what the fastest wave crosses along all axes at once
    longest = 1 / (a.flatten(1).amax(1).sqrt() * math.sqrt(sum(1 / h**2 for h in grid.spacing)))
    frames = [(u, v)]
    for start, end in pairwise(map(float, times)):
        if not end > start:
            raise InvalidArgument(f"times must increase strictly; got {start:g} and {end:g}")
        # powers of two only: few different steps, so that many samples share one
        halvings = torch.log2((end - start) / (courant * longest)).ceil().clamp_min(0)
        u, v = u.clone(), v.clone()
        for level in halvings.unique():
            alike = halvings == level
            steps = 2 ** int(level)
            u[alike], v[alike] = _advance(u[alike], v[alike], a[alike], grid, steps=steps, dt=(end - start) / steps)
        frames.append((u, v))
    return torch.stack([u for u, _ in frames], 1), torch.stack([v for _, v in frames], 1)


def _advance(u: Tensor, v: Tensor, a: Tensor, grid: Grid, *, steps: int, dt: float) -> tuple[Tensor, Tensor]:
    force = -darcy_operator(u, a, grid)
    for _ in range(steps):
        ask_to_go_on()
        v = v + dt / 2 * force
        u = u + dt * v
        force = -darcy_operator(u, a, grid)
        v = v + dt / 2 * force
    return u, v
