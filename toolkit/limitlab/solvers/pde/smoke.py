"""Smoke that rises in a closed box: an incompressible flow on a staggered grid, by the splitting of stable fluids.

    s_t + u . grad s = 0,    u_t + u . grad u + grad P = nu Laplacian u + buoyancy s e_y,    div u = 0

Smoke s lives in cells, the components of the velocity u on the faces across their axes. A step follows the flow back by
the midpoint rule and interpolates linearly (semi-Lagrangian), diffuses by explicit steps of Euler's method, lifts, and
takes away the gradient that leaves div u = 0 in every cell. Nothing crosses the walls, and the fluid sticks to them.

The scheme is stable for steps of any length, has order one, and interpolation keeps s between its bounds but not its
integral: it does so in the limit. Source: Stam, Stable fluids (1999); Gupta & Brandstetter (2023), arXiv 2209.15616.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample, pad

from limitlab.errors import InvalidArgument, check_number
from limitlab.interruption import ask_to_go_on
from limitlab.solvers.failures import SolutionBlewUp
from limitlab.solvers.linear.boxes import solve_box
from limitlab.spaces.differences import block_average
from limitlab.spaces.grid import Grid

Faces = tuple[Float[Tensor, "batch x+1 y"], Float[Tensor, "batch x y+1"]]
DIFFUSED = 0.5
"""Share of the longest stable step of diffusion: there every new value is a mean of old ones."""


def integrate_smoke(
    initial: Float[Tensor, "batch 3 x y"],
    grid: Grid,
    times: Sequence[float] | np.ndarray,
    *,
    buoyancy: float,
    viscosity: float,
    dt: float,
    resolution: int | None = None,
    first: int = 0,
) -> Float[Tensor, "batch time 3 x y"]:
    """Smoke and velocity (s, u, v) in the cells at `times`, where times[0] belongs to the initial ones.

    dt: longest step; every interval is cut into equal ones. resolution: cells an axis that means over blocks are taken
    to. first: number of the first sample, used in messages. Raises SolutionBlewUp naming sample and time,
    InvalidArgument.

    >>> from limitlab.solvers.pde.smoke import integrate_smoke
    >>> grid = ll.spaces.Grid.uniform((8, 8), kind="cells")
    >>> still = torch.zeros(1, 3, 8, 8, dtype=torch.float64)
    >>> integrate_smoke(still, grid, [0.0, 1.0], buoyancy=0.5, viscosity=0.01, dt=0.5).abs().max()
    tensor(0., dtype=torch.float64)
    """
    grid.require("initial", initial)
    if any(kind != "cells" for kind in grid.kinds) or initial.shape[1:] != (3, *grid.shape) or grid.dimension != 2:
        raise InvalidArgument(f"initial must be (batch, 3, x, y) on cells; got {tuple(initial.shape)}")
    buoyancy, viscosity = check_number("buoyancy", buoyancy), check_number("viscosity", viscosity, low=0.0)
    dt = check_number("dt", dt, low=1e-300)
    smoke, faces = initial[:, 0], divergence_free(to_faces(initial[:, 1], initial[:, 2]), grid)
    frames = [initial]
    for start, end in pairwise(map(float, times)):
        if not end > start:
            raise InvalidArgument(f"times must increase strictly; got {start:g} and {end:g}")
        steps = math.ceil((end - start) / dt * (1 - 1e-12))
        for _ in range(steps):
            ask_to_go_on()
            smoke, faces = _step(smoke, faces, grid, (end - start) / steps, (buoyancy, viscosity))
        frames.append(torch.stack([smoke, *to_cells(*faces)], 1))
        lost = ~frames[-1].flatten(1).isfinite().all(1)
        if bool(lost.any()):
            raise SolutionBlewUp(f"sample {first + int(lost.nonzero()[0, 0])} is not finite at t = {end:g}")
    stored = torch.stack(frames, 1)
    return stored if resolution is None else block_average(stored, grid, resolution)


def to_faces(u: Float[Tensor, "batch x y"], v: Float[Tensor, "batch x y"]) -> Faces:
    """A velocity in cells on the faces between them: means of two; none crosses the walls.

    >>> u = torch.ones(1, 2, 2)
    >>> ll.solvers.pde.smoke.to_faces(u, 0 * u)[0].tolist()
    [[[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]]
    """
    return pad((u[:, 1:] + u[:, :-1]) / 2, (0, 0, 1, 1)), pad((v[:, :, 1:] + v[:, :, :-1]) / 2, (1, 1))


def to_cells(u: Float[Tensor, "batch x+1 y"], v: Float[Tensor, "batch x y+1"]) -> tuple[Tensor, Tensor]:
    """A velocity on faces in the cells between them: means of two.

    >>> u, v = ll.solvers.pde.smoke.to_cells(torch.arange(3.0).reshape(1, 3, 1), torch.zeros(1, 2, 2))
    >>> u.flatten().tolist()
    [0.5, 1.5]
    """
    return (u[:, 1:] + u[:, :-1]) / 2, (v[:, :, 1:] + v[:, :, :-1]) / 2


def face_divergence(faces: Faces, grid: Grid) -> Float[Tensor, "batch x y"]:
    """What flows out of every cell, over its volume."""
    u, v = faces
    return u.diff(dim=1) / grid.spacing[0] + v.diff(dim=2) / grid.spacing[1]


def divergence_free(faces: Faces, grid: Grid) -> Faces:
    """The velocity less the gradient that makes its divergence zero in every cell; walls are left alone.

    >>> grid = ll.spaces.Grid.uniform((4, 4), kind="cells")
    >>> faces = ll.solvers.pde.smoke.to_faces(*torch.rand(2, 1, 4, 4, dtype=torch.float64))
    >>> held = ll.solvers.pde.smoke.divergence_free(faces, grid)
    >>> bool(ll.solvers.pde.smoke.face_divergence(held, grid).abs().max() < 1e-12)
    True
    """
    u, v = faces
    pressure = solve_box(face_divergence(faces, grid), "neumann", spacing=grid.spacing)
    x, y = grid.spacing
    return u + pad(pressure.diff(dim=1) / x, (0, 0, 1, 1)), v + pad(pressure.diff(dim=2) / y, (1, 1))


def _step(smoke: Tensor, faces: Faces, grid: Grid, dt: float, forces: tuple[float, float]) -> tuple[Tensor, Faces]:
    """One step of length dt; forces: buoyancy and viscosity."""
    buoyancy, viscosity = forces
    smoke, (u, v) = _carried(smoke, faces, grid, dt)
    longest = DIFFUSED / (2 * viscosity * sum(1 / h**2 for h in grid.spacing)) if viscosity else math.inf
    parts = max(1, math.ceil(dt / longest))
    for _ in range(parts):
        u, v = (_diffused(part, axis, grid, dt / parts * viscosity) for axis, part in enumerate((u, v)))
    # lifted last: what the pressure balances must not be slowed at the walls before it is taken away
    lift = pad(smoke[:, :, 1:] + smoke[:, :, :-1], (1, 1)) / 2
    return smoke, divergence_free((u, v + dt * buoyancy * lift), grid)


def _diffused(velocity: Tensor, axis: int, grid: Grid, amount: float) -> Tensor:
    """The component across the faces of an axis after diffusion: zero on its own walls, odd about the others."""
    along, across = 1 + axis, 2 - axis
    count = velocity.shape[along]
    inner = velocity.narrow(along, 1, count - 2)
    spread = velocity.diff(n=2, dim=along) / grid.spacing[axis] ** 2
    spread = spread + _odd(inner, across).diff(n=2, dim=across) / grid.spacing[1 - axis] ** 2
    walls = velocity.narrow(along, 0, 1), velocity.narrow(along, count - 1, 1)
    return torch.cat([walls[0], inner + amount * spread, walls[1]], along)


def _odd(values: Tensor, dim: int) -> Tensor:
    """With a cell more beyond both walls, such that there is nothing at the walls."""
    first, last = values.narrow(dim, 0, 1), values.narrow(dim, values.shape[dim] - 1, 1)
    return torch.cat([-first, values, -last], dim)


def _carried(smoke: Tensor, faces: Faces, grid: Grid, dt: float) -> tuple[Tensor, Faces]:
    """Smoke and velocity with the flow, each from where what arrives at a cell or face has come from."""
    places = _places(grid.shape, smoke)
    sizes = [math.prod(place.shape[:-1]) for place in places]
    arrival = torch.cat([place.flatten(0, 1) for place in places]).expand(len(smoke), -1, -1)
    halfway = _back(arrival, arrival, faces, grid, dt / 2)
    origin = _back(arrival, halfway, faces, grid, dt).split(sizes, dim=1)
    fields = (smoke, *faces)
    offsets = ((-0.5, -0.5), (0.0, -0.5), (-0.5, 0.0))
    smoke, u, v = (
        _between(field, place, offset).reshape(field.shape)
        for field, place, offset in zip(fields, origin, offsets, strict=True)
    )
    return smoke, (u, v)


def _places(shape: tuple[int, ...], like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Positions (., ., 2) of cells and of the faces across x and y, counted in cells from the corner."""
    cells, faces = ([torch.arange(n + more).to(like) + (1 - more) / 2 for n in shape] for more in (0, 1))
    pairs = (cells[0], cells[1]), (faces[0], cells[1]), (cells[0], faces[1])
    x, y, z = (torch.stack(torch.meshgrid(*pair, indexing="ij"), -1) for pair in pairs)
    return x, y, z


def _back(arrival: Tensor, seen: Tensor, faces: Faces, grid: Grid, dt: float) -> Tensor:
    """From `arrival` back over dt with the velocity at `seen`, not through the walls; in cells."""
    u, v = faces
    # where the fluid sticks to a wall the velocity goes linearly to zero
    speeds = (_between(_odd(u, 2), seen, (0.0, 0.5)), _between(_odd(v, 1), seen, (0.5, 0.0)))
    moved = [arrival[..., i] - dt / grid.spacing[i] * speed for i, speed in enumerate(speeds)]
    return torch.stack([part.clamp(0, n) for part, n in zip(moved, grid.shape, strict=True)], -1)


def _between(values: Tensor, places: Tensor, offset: tuple[float, float]) -> Tensor:
    """Values (batch, ., .) at places (batch, place, 2) plus offset, interpolated linearly; constant beyond the ends."""
    size = places.new_tensor(values.shape[1:]) - 1
    inside = 2 * (places + places.new_tensor(offset)) / size - 1
    # its coordinates come the last axis first
    sampled = grid_sample(values[:, None], inside.flip(-1)[:, :, None], padding_mode="border", align_corners=True)
    return sampled[:, 0, :, 0]
