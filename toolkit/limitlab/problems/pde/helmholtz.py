"""Waves of one frequency in a square of varying speed of sound: -Laplacian u - (omega/c)^2 u = f, the operator c -> u.

    helmholtz           u = 0 on the walls, f = 1, below the first resonance: omega < sqrt(2) pi min c
    helmholtz_sourced   f = 0, no flux but du/dn = 1 on the middle of the top wall (de Hoop et al. 2022), many waves

c = mean + spread tanh(z), z a Neumann field. Data are averages over blocks of a grid on which the phase error of a
wave that crosses the box, k^3 h^2/24, is at most 0.05 (`limitlab.solvers.pde.helmholtz`). A closed box without losses
resonates: `helmholtz_sourced` has solutions as large as its frequency is near to an eigenvalue of the sample.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.problems.pde.elliptic import COARSEST_SOLVER, SERIES_TERMS, EllipticProblem
from limitlab.problems.pde.problem import Field, Parameter
from limitlab.solvers.pde.helmholtz import HelmholtzBoundary, helmholtz_operator, solve_helmholtz
from limitlab.spaces.fields import gaussian_field
from limitlab.spaces.grid import Grid

if TYPE_CHECKING:
    import xarray

PHASE_ERROR = 0.05
ALPHA = 2.0
LOUD = (0.35, 0.65)
"""The part of the top wall that is moved."""


@dataclass(frozen=True, kw_only=True)
class HelmholtzProblem(EllipticProblem):
    """A medium of speed mean + spread tanh(z), with the walls' condition; `sourced`: moved from the top wall."""

    mean: float
    spread: float
    walls: HelmholtzBoundary
    sourced: bool

    def sample_input(self, grid: Grid, samples: int, seed: int, first: int) -> Float[Tensor, "samples x y"]:
        z = gaussian_field(grid, samples, seed, alpha=ALPHA, tau=self.values["tau"], boundary="neumann", first=first)
        return self.mean + self.spread * torch.tanh(z)

    def solve(self, inputs: Float[Tensor, "batch x y"]) -> Float[Tensor, "batch x y"]:
        grid = self._grid_of(inputs)
        kappa = (self.values["omega"] / inputs.detach().double()) ** 2
        return solve_helmholtz(kappa, self.load(grid), grid, self.walls).to(inputs.dtype)

    def load(self, grid: Grid) -> Float[Tensor, "x y"]:
        """The right side on the cells; a flux through a wall is that of its cells, divided by their width."""
        if not self.sourced:
            return torch.ones(grid.shape, dtype=torch.float64)
        axis = grid.axes[0]
        ends = (torch.arange(axis.size + 1, dtype=torch.float64) * axis.spacing / axis.length).clamp(*LOUD)
        load = torch.zeros(grid.shape, dtype=torch.float64)
        load[:, -1] = ends.diff() * axis.length / axis.spacing / grid.spacing[1]
        return load

    @property
    def solver(self) -> str:
        return "finite volumes, sparse LU"

    def solver_resolution(self, resolution: int) -> int:
        """Cells of the solver's grid: a multiple of `resolution` with a small phase error, and at least 64."""
        k = self.values["omega"] / (self.mean - self.spread) * self.lengths[0]
        # in steps of 64 cells, so that most resolutions share one grid
        needed = COARSEST_SOLVER * math.ceil(max(1.0, math.sqrt(k**3 / (24 * PHASE_ERROR)) / COARSEST_SOLVER))
        return resolution * math.ceil(needed / resolution)

    def residual_of(self, grid: Grid, *, time: Float[Tensor, " time"] | None = None, **fields: Tensor) -> Tensor:
        """-Laplacian u - (omega/c)^2 u - f of u and c (batch, x, y), by finite volumes."""
        u = fields["u"]
        kappa = (self.values["omega"] / fields["c"]) ** 2
        return helmholtz_operator(u, kappa, grid, self.walls) - self.load(grid).to(u)

    def exact(self, resolution: int | None = None) -> xarray.Dataset:
        """A homogeneous medium, c its mean: one series over the waves along x."""
        grid = self.grid(resolution)
        side = grid.lengths[0]
        k = self.values["omega"] / self.mean * side
        x, y = (grid.points() / side).unbind(-1)
        series = self._sourced_series if self.sourced else self._driven_series
        u = series(x, y, k).real[None]
        speed = torch.full((1, *grid.shape), self.mean, dtype=torch.float64)
        return self._exact(speed, u * (side if self.sourced else side**2), grid)

    def _driven_series(self, x: Tensor, y: Tensor, k: float) -> Tensor:
        m = torch.arange(1, 2 * SERIES_TERMS, 2, dtype=torch.float64) * math.pi
        q = torch.sqrt((m**2 - k**2).to(torch.complex128))
        # cosh(q(y - 1/2))/cosh(q/2) without its overflow
        ratio = (torch.exp(-q * y[..., None]) + torch.exp(-q * (1 - y[..., None]))) / (1 + torch.exp(-q))
        return (4 * torch.sin(m * x[..., None]) / (m * q**2) * (1 - ratio)).sum(-1)

    def _sourced_series(self, x: Tensor, y: Tensor, k: float) -> Tensor:
        m = torch.arange(SERIES_TERMS, dtype=torch.float64) * math.pi
        weight = 2 * (torch.sin(LOUD[1] * m) - torch.sin(LOUD[0] * m)) / torch.where(m > 0, m, 1.0)
        weight[0] = LOUD[1] - LOUD[0]
        q = torch.sqrt((m**2 - k**2).to(torch.complex128))
        # cosh(q y)/sinh(q) without its overflow
        ratio = torch.exp(-q * (1 - y[..., None])) * (1 + torch.exp(-2 * q * y[..., None])) / (1 - torch.exp(-2 * q))
        return (weight * torch.cos(m * x[..., None]) * ratio / q).sum(-1)


_C = Field("c", "speed of sound c")
_U = Field("u", "amplitude u")

PROBLEMS: tuple[HelmholtzProblem, ...] = (
    HelmholtzProblem(
        name="helmholtz",
        title="Helmholtz equation below resonance",
        equation="-u_xx - u_yy - omega^2*u/c^2 = 1",
        fields=(_C, _U),
        operator=("c", "u"),
        parameters=(
            Parameter("omega", 2.5, 0.0, 3.0, "angular frequency", latex=r"\omega"),
            Parameter("tau", 3.0, 1.0, 20.0, "inverse length of the random field", latex=r"\tau"),
        ),
        mean=1.0,
        spread=0.3,
        walls="dirichlet",
        sourced=False,
        lengths=(1.0, 1.0),
        starts=(0.0, 0.0),
        axis_kind="cells",
        boundary="dirichlet",
        default_resolution=64,
        source="Helmholtz 1860; c = 1 + 0.3 tanh(z)",
    ),
    HelmholtzProblem(
        name="helmholtz_sourced",
        title="Helmholtz equation of a box moved at its top",
        equation="-u_xx - u_yy - omega^2*u/c^2 = 0",
        fields=(_C, _U),
        operator=("c", "u"),
        parameters=(
            Parameter("omega", 400.0, 100.0, 1000.0, "angular frequency", latex=r"\omega"),
            Parameter("tau", 3.0, 1.0, 20.0, "inverse length of the random field", latex=r"\tau"),
        ),
        mean=20.0,
        spread=1.0,
        walls="neumann",
        sourced=True,
        lengths=(1.0, 1.0),
        starts=(0.0, 0.0),
        axis_kind="cells",
        boundary="no flux, du/dn = 1 on the middle of the top",
        default_resolution=64,
        source="de Hoop et al. 2022 with omega 1000; He, Xu & Liu 2024 (MgNO)",
    ),
)
