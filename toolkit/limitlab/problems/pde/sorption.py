"""Diffusion of a substance that sticks to the soil it moves through: R(u) u_t = D u_xx, retarded by R (Freundlich).

    R(u) = 1 + b n u^(n - 1) = S'(u),     S(u) = u + b u^n,     b = (1 - porosity)/porosity rho_s k_f,  n = 0.874

u = 1 at the left end, outflow at the right, a constant initial concentration. R is infinite where there is nothing yet:
a front of finite slope moves in. What S holds changes by what crosses the two ends (`limitlab.solvers.pde.storage`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number
from limitlab.problems.pde.laws import InitialLaw
from limitlab.problems.pde.periodic import time_derivative
from limitlab.problems.pde.problem import Field, Parameter, PDEProblem
from limitlab.solvers.pde.storage import diffusion_of_ends, integrate_storage
from limitlab.spaces.differences import block_average
from limitlab.spaces.grid import Grid

if TYPE_CHECKING:
    import xarray

COARSEST_SOLVER = 128
EXPONENT = 0.874
SAMPLES_PER_BATCH = 16


@dataclass(frozen=True)
class Freundlich:
    """S(u) = u + b u^n."""

    capacity: float
    exponent: float = EXPONENT

    def held(self, u: Tensor) -> Tensor:
        return u + self.capacity * u**self.exponent

    def slope(self, u: Tensor) -> Tensor:
        return 1 + self.capacity * self.exponent * u ** (self.exponent - 1)


@dataclass(frozen=True)
class UniformLaw:
    """One number for the whole interval, uniform between two."""

    low: float = 0.0
    high: float = 0.2

    def sample(self, grid: Grid, samples: int, seed: int, first: int, values: Mapping[str, float]) -> Tensor:
        streams = (np.random.Generator(np.random.PCG64([seed, first + sample])) for sample in range(samples))
        numbers = torch.tensor([stream.uniform(self.low, self.high) for stream in streams], dtype=torch.float64)
        return numbers[:, None].expand(samples, *grid.shape).clone()


@dataclass(frozen=True, kw_only=True)
class SorptionProblem(PDEProblem):
    """Diffusion with the sorption of Freundlich; parameters D and b. dt: longest step of the solver."""

    initial: InitialLaw
    dt: float

    def simulate(self, samples: int, seed: int = 0, resolution: int | None = None, *, first: int = 0) -> xarray.Dataset:
        """Trajectories `u` (sample, time, x), float32. Raises SolutionBlewUp naming the sample."""
        samples = int(check_number("samples", samples, low=1, integer=True))
        first = int(check_number("first", first, low=0, integer=True))
        grid = self.grid(resolution)
        size = grid.shape[0]
        fine = grid.at(self.solver_resolution(size))
        parts = []
        for start in range(first, first + samples, SAMPLES_PER_BATCH):
            count = min(SAMPLES_PER_BATCH, first + samples - start)
            state = self.initial.sample(fine, count, seed, start, self.values)
            parts.append(block_average(self.integrate(state, fine, self.times, first=start), fine, size))
        return self.label(
            {"u": torch.cat(parts)},
            grid,
            seed=seed,
            first=first,
            solver="finite volumes, SDIRK of order two",
            solver_resolution=fine.shape[0],
            dt=self.dt,
        )

    def integrate(
        self,
        state: Float[Tensor, "batch x"],
        grid: Grid,
        times: np.ndarray,
        *,
        dt: float | None = None,
        first: int = 0,
    ) -> Float[Tensor, "batch time x"]:
        """Trajectories on the very grid of the initial values."""
        store = Freundlich(self.values["b"])
        step = self.dt if dt is None else dt
        return integrate_storage(state, grid, store, self.values["D"], times, dt=step, first=first)

    def solver_resolution(self, resolution: int) -> int:
        """Cells of the solver's grid: the smallest multiple of `resolution` that is at least 128."""
        return resolution * math.ceil(COARSEST_SOLVER / resolution)

    def residual_of(self, grid: Grid, *, time: Float[Tensor, " time"] | None = None, **fields: Tensor) -> Tensor:
        """u_t - D u_xx/R(u) of u (batch, time, x), with both ends, by finite volumes and differences in time."""
        if time is None:
            raise InvalidArgument(f"the residual of {self.name} needs the times of the frames")
        u = fields["u"]
        matrix, load = (part.to(u) for part in diffusion_of_ends(grid, self.values["D"]))
        return time_derivative(u, time) - (u @ matrix.T + load) / Freundlich(self.values["b"]).slope(u)


PROBLEMS: tuple[SorptionProblem, ...] = (
    SorptionProblem(
        name="diffusion_sorption",
        title="Diffusion with sorption",
        equation=f"u_t = D*u_xx/(1 + {EXPONENT}*b*u^({EXPONENT} - 1))",
        fields=(Field("u", "concentration u"),),
        operator=("u", "u"),
        parameters=(
            Parameter("D", 5e-4, 1e-4, 2e-3, "diffusivity", scale="log"),
            Parameter("b", 2.468, 0.0, 10.0, "capacity of the soil"),
        ),
        initial=UniformLaw(),
        dt=2.5,
        lengths=(1.0,),
        starts=(0.0,),
        axis_kind="cells",
        boundary="u = 1 at the left, outflow u = -D u_x at the right",
        default_resolution=128,
        span=500.0,
        frames=101,
        source="Takamoto et al. 2022 (PDEBench): porosity 0.29, rho_s 2880, k_f 3.5e-4",
    ),
)
