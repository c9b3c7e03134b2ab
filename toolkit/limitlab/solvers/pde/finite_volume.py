"""Hyperbolic conservation laws U_t + sum_j F_j(U)_xj = S(U) on cells, with shocks: the second-order scheme of Godunov.

    slopes       monotonised central differences (van Leer 1977), limited so that no new extremum appears
    fluxes       Harten, Lax and van Leer (1983), between the fastest waves to either side of a face
    time         the strong-stability-preserving Runge-Kutta method of order two (Shu & Osher 1988)

What leaves a cell enters its neighbour, so sums change by what crosses the walls alone. Every sample has its own steps,
of Courant number 0.4, and lands on the stored times.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, Protocol, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, one_of
from limitlab.interruption import ask_to_go_on
from limitlab.solvers.failures import SolutionBlewUp
from limitlab.spaces.differences import block_average
from limitlab.spaces.grid import Grid

COURANT_NUMBER = 0.4
MOST_STEPS = 100_000
GHOSTS = 2
Walls = Literal["periodic", "outflow", "walls"]


class ConservationLaw(Protocol):
    """Fluxes and wave speeds of states (batch, field, *grid)."""

    def flux(self, state: Tensor, axis: int) -> Tensor:
        """F of that axis, of the state's shape."""

    def speeds(self, state: Tensor, axis: int) -> tuple[Tensor, Tensor]:
        """The slowest and the fastest wave along the axis, (batch, 1, *grid)."""

    def source(self, state: Tensor) -> Tensor | None:
        """S, or None where there is none."""

    def normal(self, axis: int) -> int:
        """Number of the field that a wall across this axis turns round."""


def integrate_finite_volumes(
    initial: Float[Tensor, "batch field *grid"],
    grid: Grid,
    law: ConservationLaw,
    times: Sequence[float] | np.ndarray,
    *,
    boundary: Walls,
    resolution: int | None = None,
    first: int = 0,
) -> Float[Tensor, "batch time field *grid"]:
    """Cell averages at `times`, where times[0] belongs to the initial ones; averaged over blocks to `resolution`.

    boundary: "periodic"; "outflow", across which nothing changes; or "walls", at which waves are thrown back.
    first: number of the first sample, used in messages. Raises SolutionBlewUp naming sample and time, InvalidArgument.
    """
    one_of("boundary of finite volumes", boundary, get_args(Walls))
    grid.require("initial", initial)
    if any(kind != "cells" for kind in grid.kinds) or initial.dim() != grid.dimension + 2:
        raise InvalidArgument(f"initial must be (batch, field, *grid) on cells; got {tuple(initial.shape)}")
    frames = [initial]
    for start, end in pairwise(map(float, times)):
        if not end > start:
            raise InvalidArgument(f"times must increase strictly; got {start:g} and {end:g}")
        frames.append(_advance(frames[-1], grid, law, (start, end), boundary=boundary, first=first))
    stored = torch.stack(frames, 1)
    return stored if resolution is None else block_average(stored, grid, resolution)


def rate_of_change(state: Tensor, grid: Grid, law: ConservationLaw, boundary: Walls) -> Tensor:
    """dU/dt of the cell averages: what flows in through the faces, and the source."""
    source = law.source(state)
    rate = torch.zeros_like(state) if source is None else source
    for axis, h in enumerate(grid.spacing):
        rate = rate - _face_fluxes(state, law, axis, boundary).diff(dim=2 + axis) / h
    return rate


def _advance(
    state: Tensor, grid: Grid, law: ConservationLaw, span: tuple[float, float], *, boundary: Walls, first: int
) -> Tensor:
    start, end = span
    left = torch.full((len(state), 1, *(1,) * grid.dimension), end - start, dtype=state.dtype, device=state.device)
    for _ in range(MOST_STEPS):
        ask_to_go_on()
        limit = torch.full_like(left, torch.inf)
        for axis, h in enumerate(grid.spacing):
            fastest = torch.maximum(*(speed.abs() for speed in law.speeds(state, axis)))
            limit = torch.minimum(limit, h / fastest.flatten(1).amax(1).reshape(left.shape))
        # not (>), which a NaN would pass
        if not bool((limit > 0).all()):
            sample = first + int((~(limit.flatten() > 0)).nonzero()[0, 0])
            time = end - float(left.flatten()[sample - first])
            raise SolutionBlewUp(f"sample {sample} is not finite at t = {time:g}")
        # samples that have arrived take steps of length zero
        dt = torch.minimum(COURANT_NUMBER * limit, left)
        once = state + dt * rate_of_change(state, grid, law, boundary)
        state = (state + once + dt * rate_of_change(once, grid, law, boundary)) / 2
        left = left - dt
        if not bool((left > 0).any()):
            return state
    raise SolutionBlewUp(f"more than {MOST_STEPS} steps from t = {start:g} to {end:g}")


def _face_fluxes(state: Tensor, law: ConservationLaw, axis: int, boundary: Walls) -> Tensor:
    """Fluxes through the n + 1 faces along an axis."""
    dim = 2 + axis
    padded = _padded(state, dim, boundary, law.normal(axis))
    slopes = _limited(padded.diff(dim=dim), dim)
    # the cells with a slope, one ghost at either end
    cells = padded.narrow(dim, 1, padded.shape[dim] - 2)
    below, above = cells - slopes / 2, cells + slopes / 2
    count = cells.shape[dim] - 1
    left, right = above.narrow(dim, 0, count), below.narrow(dim, 1, count)
    slow_left, fast_left = law.speeds(left, axis)
    slow_right, fast_right = law.speeds(right, axis)
    # where all waves go one way, one of the two is zero and the flux that of the side they come from
    slow = torch.minimum(slow_left, slow_right).clamp_max(0)
    fast = torch.maximum(fast_left, fast_right).clamp_min(0)
    mean = fast * law.flux(left, axis) - slow * law.flux(right, axis) + slow * fast * (right - left)
    return mean / (fast - slow)


def _limited(differences: Tensor, dim: int) -> Tensor:
    """Monotonised central slopes of the cells between two differences."""
    count = differences.shape[dim] - 1
    before, after = differences.narrow(dim, 0, count), differences.narrow(dim, 1, count)
    size = torch.minimum(2 * torch.minimum(before.abs(), after.abs()), (before + after).abs() / 2)
    return torch.where(before * after > 0, before.sign() * size, 0.0)


def _padded(state: Tensor, dim: int, boundary: Walls, normal: int) -> Tensor:
    size = state.shape[dim]
    if boundary == "periodic":
        return torch.cat([state.narrow(dim, size - GHOSTS, GHOSTS), state, state.narrow(dim, 0, GHOSTS)], dim)
    if boundary == "outflow":
        first, last = state.narrow(dim, 0, 1), state.narrow(dim, size - 1, 1)
        return torch.cat([first, first, state, last, last], dim)
    turned = torch.ones(state.shape[1], *(1,) * (state.dim() - 2), dtype=state.dtype, device=state.device)
    turned[normal] = -1.0
    before, after = state.narrow(dim, 0, GHOSTS).flip(dim), state.narrow(dim, size - GHOSTS, GHOSTS).flip(dim)
    return torch.cat([turned * before, state, turned * after], dim)
