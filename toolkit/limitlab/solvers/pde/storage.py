"""Diffusion into a store on an interval: S(u)_t = D u_xx, u = 1 at the left end, outflow u = -D u_x at the right.

Finite volumes, whose walls lie half a cell from the centres, and the L-stable Runge-Kutta method of Alexander (1977),
of two implicit stages and order two; a step of it that would hold less than nothing is one of Euler's instead. What is
stored is S, so that its integral changes by what flows through the ends alone; u is found from it by Newton's method,
with one tridiagonal matrix an iteration.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument
from limitlab.interruption import ask_to_go_on
from limitlab.solvers.failures import SolutionBlewUp
from limitlab.spaces.grid import Grid

GAMMA = 1 - 1 / math.sqrt(2)
MOST_ITERATIONS = 60
TOLERANCE = 1e-12
SMALLEST = 1e-14  # a store that is steep at zero has no slope there


class Store(Protocol):
    """What a place holds at the concentration u, growing with u, and how fast."""

    def held(self, u: Tensor) -> Tensor:
        """S(u)."""

    def slope(self, u: Tensor) -> Tensor:
        """S'(u) > 0."""


def integrate_storage(
    initial: Float[Tensor, "batch x"],
    grid: Grid,
    store: Store,
    diffusivity: float,
    times: Sequence[float] | np.ndarray,
    *,
    dt: float,
    first: int = 0,
) -> Float[Tensor, "batch time x"]:
    """Concentrations at `times`, where times[0] belongs to the initial ones; dt: longest step.

    first: number of the first sample, used in messages. Raises SolutionBlewUp where Newton's method does not converge.
    """
    grid.require("initial", initial)
    if grid.kinds != ("cells",) or initial.dim() != 2 or not bool((initial >= 0).all()):
        raise InvalidArgument(f"initial must be (batch, x) on cells, and nowhere negative; got {tuple(initial.shape)}")
    matrix, load = diffusion_of_ends(grid, diffusivity)
    matrix, load = matrix.to(initial), load.to(initial)

    def solved(held: Tensor, guess: Tensor, step: float) -> Tensor:
        return _newton(held, guess, store, (step * matrix, step * load), first)

    frames = [initial]
    for start, end in pairwise(map(float, times)):
        if not end > start:
            raise InvalidArgument(f"times must increase strictly; got {start:g} and {end:g}")
        steps = max(1, math.ceil((end - start) / dt - 1e-9))
        frames.append(_advance(frames[-1], store, solved, steps=steps, dt=(end - start) / steps))
    return torch.stack(frames, 1)


def diffusion_of_ends(grid: Grid, diffusivity: float) -> tuple[Float[Tensor, "x x"], Float[Tensor, " x"]]:
    """Matrix and load of D u_xx with its two ends: S_t = matrix u + load."""
    n, h = grid.shape[0], grid.spacing[0]
    inner = torch.full((n - 1,), diffusivity / h**2, dtype=torch.float64)
    matrix = torch.diag(inner, 1) + torch.diag(inner, -1)
    matrix -= torch.diag(matrix.sum(1))
    matrix[0, 0] -= 2 * diffusivity / h**2
    # the wall's value is u_n q/(1 + q), q = 2 D/h, and flows out with velocity one
    out = 2 * diffusivity / h
    matrix[-1, -1] -= out / (1 + out) / h
    load = torch.zeros(n, dtype=torch.float64)
    load[0] = 2 * diffusivity / h**2
    return matrix, load


def _advance(
    u: Tensor, store: Store, solved: Callable[[Tensor, Tensor, float], Tensor], *, steps: int, dt: float
) -> Tensor:
    for _ in range(steps):
        ask_to_go_on()
        before = store.held(u)
        middle = solved(before, u, GAMMA * dt)
        rate = (store.held(middle) - before) / (GAMMA * dt)
        held = before + (1 - GAMMA) * dt * rate
        after = solved(held.clamp_min(0), middle, GAMMA * dt)
        # where what is held decays faster than the step, the order gives way to the sign
        empty = (held < -TOLERANCE).any(1)
        u = torch.where(empty[:, None], solved(before, u, dt), after) if bool(empty.any()) else after
    return u


def _newton(held: Tensor, guess: Tensor, store: Store, linear: tuple[Tensor, Tensor], first: int) -> Tensor:
    """u with S(u) - M u - b = held."""
    matrix, load = linear
    u = guess.clamp_min(SMALLEST)
    scale = 1 + held.abs().amax(1)
    for _ in range(MOST_ITERATIONS):
        defect = store.held(u) - u @ matrix.T - load - held
        jacobian = torch.diag_embed(store.slope(u)) - matrix
        change = torch.linalg.solve(jacobian, defect)
        # a step may not leave the concentrations that there are
        u = torch.maximum(u - change, u / 8).clamp_min(SMALLEST)
        settled = change.abs().amax(1) <= TOLERANCE * scale
        if bool(settled.all()):
            return u
    sample = first + int((~settled).nonzero()[0, 0])
    raise SolutionBlewUp(f"Newton's method does not settle for sample {sample}: take a shorter step dt")
