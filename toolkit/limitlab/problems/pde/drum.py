"""A wave in a square of varying speed, held at its walls: u_tt = div(c^2 grad u), the operator c -> u(T).

    wave_medium    c = 1 + spread tanh(z), z a Neumann field; a bump in the middle is let go at t = 0

Data are averages over blocks of a grid of at least 64 cells (`limitlab.solvers.pde.leapfrog`); from 64 cells on they
are the discrete waves, which lag behind the true ones by a share (k h)^2/24 of their way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number
from limitlab.problems.pde.elliptic import COARSEST_SOLVER, POINTS_PER_BATCH
from limitlab.problems.pde.laws import TextLaw
from limitlab.problems.pde.periodic import time_derivative
from limitlab.problems.pde.problem import Field, Parameter, PDEProblem
from limitlab.solvers.pde.elliptic import darcy_operator
from limitlab.solvers.pde.leapfrog import COURANT_NUMBER, integrate_leapfrog
from limitlab.spaces.differences import block_average
from limitlab.spaces.fields import gaussian_field
from limitlab.spaces.grid import Grid

if TYPE_CHECKING:
    import xarray

ALPHA = 2.0


@dataclass(frozen=True, kw_only=True)
class DrumProblem(PDEProblem):
    """u_tt = div(c^2 grad u), u = 0 on the walls, from `initial` at rest; parameters `spread` and `tau` of c."""

    initial: TextLaw

    def simulate(self, samples: int, seed: int = 0, resolution: int | None = None, *, first: int = 0) -> xarray.Dataset:
        """Speeds `c` (sample, x, y) and waves `u` (sample, time, x, y), float32."""
        samples = int(check_number("samples", samples, low=1, integer=True))
        first = int(check_number("first", first, low=0, integer=True))
        grid = self.grid(resolution)
        size = grid.shape[0]
        fine = grid.at(self.solver_resolution(size))
        chunk = max(1, POINTS_PER_BATCH // math.prod(fine.shape))
        speeds, waves = [], []
        for start in range(first, first + samples, chunk):
            c = self.sample_speed(fine, min(chunk, first + samples - start), seed, start)
            speeds.append(block_average(c, fine, size))
            waves.append(block_average(self.solve(c), fine, size))
        return self.label(
            {"c": torch.cat(speeds), "u": torch.cat(waves)},
            grid,
            seed=seed,
            first=first,
            solver=f"finite volumes, leap-frog, Courant number {COURANT_NUMBER}",
            solver_resolution=fine.shape[0],
            dt=0.0,
        )

    def solve(
        self, speeds: Float[Tensor, "batch x y"], times: np.ndarray | None = None
    ) -> Float[Tensor, "batch time x y"]:
        """Waves in media of your own, on their own grid, at `times` (left out: the stored times)."""
        if speeds.dim() != 3 or speeds.shape[1] != speeds.shape[2]:
            raise InvalidArgument(f"c must have shape (batch, n, n); got {tuple(speeds.shape)}")
        grid = self.grid(speeds.shape[-1])
        start = self.initial.sample(grid, len(speeds), 0, 0, self.values)
        moments = self.times if times is None else times
        u, _ = integrate_leapfrog(start, torch.zeros_like(start), speeds.double() ** 2, grid, moments)
        return u.to(speeds.dtype)

    def sample_speed(self, grid: Grid, samples: int, seed: int, first: int) -> Float[Tensor, "samples x y"]:
        """Speeds number first, first + 1, ..., float64: the same functions on every grid."""
        tau = self.values["tau"]
        z = gaussian_field(grid, samples, seed, alpha=ALPHA, tau=tau, boundary="neumann", first=first)
        return 1 + self.values["spread"] * torch.tanh(z)

    def solver_resolution(self, resolution: int) -> int:
        """Cells of the solver's grid along an axis: the smallest multiple of `resolution` that is at least 64."""
        return resolution * math.ceil(COARSEST_SOLVER / resolution)

    def residual_of(self, grid: Grid, *, time: Float[Tensor, " time"] | None = None, **fields: Tensor) -> Tensor:
        """u_tt - div(c^2 grad u) of c (batch, x, y) and u (batch, time, x, y): finite volumes, differences in time."""
        if time is None:
            raise InvalidArgument(f"the residual of {self.name} needs the times of the frames")
        u = fields["u"]
        acceleration = time_derivative(time_derivative(u, time), time)
        return acceleration + darcy_operator(u, fields["c"][:, None] ** 2, grid)


PROBLEMS: tuple[DrumProblem, ...] = (
    DrumProblem(
        name="wave_medium",
        title="Wave in a medium of varying speed",
        equation="u_tt = dx(c^2*u_x) + dy(c^2*u_y)",
        fields=(Field("c", "speed of waves c"), Field("u", "displacement u")),
        operator=("c", "u"),
        parameters=(
            Parameter("spread", 0.5, 0.0, 0.8, "how far c is from one"),
            Parameter("tau", 3.0, 1.0, 20.0, "inverse length of the random field", latex=r"\tau"),
        ),
        initial=TextLaw("exp(-100*((x - 1/2)^2 + (y - 1/2)^2))"),
        lengths=(1.0, 1.0),
        starts=(0.0, 0.0),
        axis_kind="cells",
        boundary="dirichlet",
        default_resolution=64,
        span=1.0,
        frames=21,
        source="Yee 1966 for the staggered scheme",
    ),
)
