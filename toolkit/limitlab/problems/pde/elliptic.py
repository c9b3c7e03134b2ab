"""Steady problems on the unit square, u = 0 on its walls: flow through a random medium, and the Poisson equation.

    darcy             -div(a grad u) = 1,   a = a_high where z >= 0, a_low elsewhere   (Li et al. 2020: 12 and 3)
    darcy_lognormal   -div(a grad u) = 1,   a = exp(strength z)
    poisson           -Laplacian u = f,     f a random sine series

z is the Neumann field N(0, tau^2 (-Laplacian + tau^2)^-2). Everything lives on cells. Data for n cells an axis are
made on the smallest multiple of n that is at least 64, then averaged over blocks: 16, 32 and 64 cells show one and
the same solution, and from 64 cells on the data solve the discrete equations to rounding. Below 64, a is a mean over
both phases, so the residual is that of averaging. Against 256 cells the two-phase solution is off by about 1.2, 0.5
and 0.2 % at 32, 64 and 128 cells: what is learned is the discrete solution.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number
from limitlab.problems.pde.problem import Field, Parameter, PDEProblem
from limitlab.solvers.pde.elliptic import darcy_operator, solve_darcy, solve_poisson
from limitlab.spaces.differences import block_average
from limitlab.spaces.fields import gaussian_field
from limitlab.spaces.grid import Grid
from limitlab.spaces.transforms import inverse_sine_transform, sine_transform

if TYPE_CHECKING:
    import xarray

COARSEST_SOLVER = 64  # below, averages over blocks of a finer solution: a coarse scheme would be the larger error
POINTS_PER_BATCH = 2**20
SERIES_TERMS = 256


@dataclass(frozen=True, kw_only=True)
class EllipticProblem(PDEProblem):
    """A steady problem that takes one random field to one solution; `operator` names the two."""

    @abstractmethod
    def sample_input(self, grid: Grid, samples: int, seed: int, first: int) -> Float[Tensor, "samples x y"]:
        """Coefficients or forcings number first, first + 1, ..., float64: the same functions on every grid."""

    @abstractmethod
    def solve(self, inputs: Float[Tensor, "batch x y"]) -> Float[Tensor, "batch x y"]:
        """Discrete solutions for coefficients or forcings of your own, on their own grid, in their dtype."""

    @abstractmethod
    def exact(self, resolution: int | None = None) -> xarray.Dataset:
        """One sample whose solution is known in closed form, at the cell centres."""

    @property
    @abstractmethod
    def solver(self) -> str:
        """How `solve` works, for the attributes of the data."""

    def simulate(self, samples: int, seed: int = 0, resolution: int | None = None, *, first: int = 0) -> xarray.Dataset:
        """Pairs of input and solution (sample, x, y), float32, averaged from the solver's grid."""
        samples = int(check_number("samples", samples, low=1, integer=True))
        first = int(check_number("first", first, low=0, integer=True))
        grid = self.grid(resolution)
        size = grid.shape[0]
        fine = grid.at(self.solver_resolution(size))
        chunk = max(1, POINTS_PER_BATCH // math.prod(fine.shape))
        pairs: list[tuple[Tensor, Tensor]] = []
        for start in range(first, first + samples, chunk):
            inputs = self.sample_input(fine, min(chunk, first + samples - start), seed, start)
            pairs.append((block_average(inputs, fine, size), block_average(self.solve(inputs), fine, size)))
        arrays = {name: torch.cat(parts) for name, parts in zip(self.operator, zip(*pairs, strict=True), strict=True)}
        return self.label(
            arrays, grid, seed=seed, first=first, solver=self.solver, solver_resolution=fine.shape[0], dt=0.0
        )

    def solver_resolution(self, resolution: int) -> int:
        """Cells of the solver's grid along an axis: the smallest multiple of `resolution` that is at least 64."""
        return resolution * math.ceil(COARSEST_SOLVER / resolution)

    def _exact(self, inputs: Tensor, solution: Tensor, grid: Grid) -> xarray.Dataset:
        arrays = dict(zip(self.operator, (inputs, solution), strict=True))
        return self.label(arrays, grid, seed=0, first=0, solver="exact", solver_resolution=grid.shape[0], dt=0.0)

    def _grid_of(self, values: Tensor) -> Grid:
        if values.dim() != 3 or values.shape[1] != values.shape[2]:
            raise InvalidArgument(f"{self.operator[0]} must have shape (batch, n, n); got {tuple(values.shape)}")
        return self.grid(values.shape[-1])


class CoefficientLaw(Protocol):
    """A random medium made from a Gaussian field and the problem's parameters."""

    @property
    def alpha(self) -> float:
        """Exponent of the field's covariance (-Laplacian + tau^2)^-alpha."""

    def of(self, field: Tensor, values: Mapping[str, float]) -> Tensor:
        """The coefficient where the Gaussian field has these values."""


@dataclass(frozen=True)
class TwoPhase:
    """a_high where the field is >= 0, a_low elsewhere."""

    alpha: float = 2.0

    def of(self, field: Tensor, values: Mapping[str, float]) -> Tensor:
        # torch.where of two numbers has the default dtype
        return torch.where(field >= 0, values["a_high"], values["a_low"]).to(field.dtype)


@dataclass(frozen=True)
class LogNormal:
    """exp(strength * field)."""

    alpha: float = 2.0

    def of(self, field: Tensor, values: Mapping[str, float]) -> Tensor:
        return torch.exp(values["strength"] * field)


@dataclass(frozen=True, kw_only=True)
class DarcyProblem(EllipticProblem):
    """-div(a grad u) = 1: the operator a -> u."""

    medium: CoefficientLaw

    def sample_input(self, grid: Grid, samples: int, seed: int, first: int) -> Float[Tensor, "samples x y"]:
        tau, alpha = self.values["tau"], self.medium.alpha
        field = gaussian_field(grid, samples, seed, alpha=alpha, tau=tau, boundary="neumann", first=first)
        return self.medium.of(field, self.values)

    def solve(self, inputs: Float[Tensor, "batch x y"]) -> Float[Tensor, "batch x y"]:
        return solve_darcy(inputs, 1.0, self._grid_of(inputs))

    @property
    def solver(self) -> str:
        return "finite volumes, harmonic means"

    def residual_of(self, grid: Grid, *, time: Float[Tensor, " time"] | None = None, **fields: Tensor) -> Tensor:
        """A(a) u - 1 of a and u (batch, x, y), by finite volumes."""
        return darcy_operator(fields["u"], fields["a"], grid) - 1

    def exact(self, resolution: int | None = None) -> xarray.Dataset:
        """A homogeneous medium, a as where the field is zero: u is the Saint-Venant series of a twisted square bar."""
        grid = self.grid(resolution)
        a = self.medium.of(torch.zeros(1, *grid.shape, dtype=torch.float64), self.values)
        side = grid.lengths[0]
        x, y = (grid.points() / side).unbind(-1)
        m = torch.arange(1, 2 * SERIES_TERMS, 2, dtype=torch.float64) * math.pi
        decay = torch.exp(-m * y[..., None]) + torch.exp(-m * (1 - y[..., None]))  # cosh(m(y - 1/2)), no overflow
        # both hyperbolic cosines divided by exp(m/2), which overflows from m = 1420 on
        terms = torch.sin(m * x[..., None]) * decay / (m**3 * (1 + torch.exp(-m)))
        u = side**2 * (x * (1 - x) / 2 - 4 * terms.sum(-1)) / a
        return self._exact(a, u, grid)


@dataclass(frozen=True, kw_only=True)
class PoissonProblem(EllipticProblem):
    """-Laplacian u = f: the operator f -> u, exact for the sine series through the cell centres."""

    alpha: float

    def sample_input(self, grid: Grid, samples: int, seed: int, first: int) -> Float[Tensor, "samples x y"]:
        tau = self.values["tau"]
        return gaussian_field(grid, samples, seed, alpha=self.alpha, tau=tau, boundary="dirichlet", first=first)

    def solve(self, inputs: Float[Tensor, "batch x y"]) -> Float[Tensor, "batch x y"]:
        return solve_poisson(inputs, self._grid_of(inputs), "dirichlet")

    @property
    def solver(self) -> str:
        return "sine series, exact eigenvalues"

    def residual_of(self, grid: Grid, *, time: Float[Tensor, " time"] | None = None, **fields: Tensor) -> Tensor:
        """-Laplacian u - f of u and f (batch, x, y), by the sine series of u."""
        u = fields["u"]
        coefficients = sine_transform(u, grid)
        k = torch.arange(1, grid.shape[0] + 1, dtype=u.dtype, device=u.device) * math.pi / grid.lengths[0]
        q = torch.arange(1, grid.shape[1] + 1, dtype=u.dtype, device=u.device) * math.pi / grid.lengths[1]
        return inverse_sine_transform((k[:, None] ** 2 + q**2) * coefficients, grid) - fields["f"]

    def exact(self, resolution: int | None = None) -> xarray.Dataset:
        """The lowest mode u = sin(pi x/L) sin(pi y/L), f = 2 (pi/L)^2 u."""
        grid = self.grid(resolution)
        k = math.pi / grid.lengths[0]
        u = torch.sin(k * grid.points()).prod(-1)[None]
        return self._exact(2 * k**2 * u, u, grid)


_A = Field("a", "coefficient a")
_U = Field("u", "solution u")
_F = Field("f", "forcing f")
_TAU = Parameter("tau", 3.0, 1.0, 20.0, "inverse length of the random field", latex=r"\tau")

PROBLEMS: tuple[EllipticProblem, ...] = (
    DarcyProblem(
        name="darcy",
        title="Darcy flow in a medium of two phases",
        equation="-dx(a*u_x) - dy(a*u_y) = 1",
        fields=(_A, _U),
        operator=("a", "u"),
        parameters=(
            Parameter("a_low", 3.0, 0.1, 100.0, "coefficient where z < 0", latex=r"a_-", scale="log"),
            Parameter("a_high", 12.0, 0.1, 100.0, "coefficient where z >= 0", latex=r"a_+", scale="log"),
            _TAU,
        ),
        medium=TwoPhase(),
        lengths=(1.0, 1.0),
        starts=(0.0, 0.0),
        axis_kind="cells",
        boundary="dirichlet",
        default_resolution=64,
        source="Li et al. 2020 (FNO): a in {3, 12} by the sign of a Gaussian field, f = 1",
    ),
    DarcyProblem(
        name="darcy_lognormal",
        title="Darcy flow in a log-normal medium",
        equation="-dx(a*u_x) - dy(a*u_y) = 1",
        fields=(_A, _U),
        operator=("a", "u"),
        parameters=(Parameter("strength", 1.0, 0.0, 8.0, "factor of z in log a", latex=r"\sigma"), _TAU),
        medium=LogNormal(),
        lengths=(1.0, 1.0),
        starts=(0.0, 0.0),
        axis_kind="cells",
        boundary="dirichlet",
        default_resolution=64,
        source="Bhattacharya et al. 2021 (PCA-Net): a = exp(z)",
    ),
    PoissonProblem(
        name="poisson",
        title="Poisson equation",
        equation="-u_xx - u_yy = f",
        fields=(_F, _U),
        operator=("f", "u"),
        parameters=(_TAU,),
        alpha=2.0,
        lengths=(1.0, 1.0),
        starts=(0.0, 0.0),
        axis_kind="cells",
        boundary="dirichlet",
        default_resolution=64,
        source="Poisson 1813; f ~ N(0, tau^2 (-Lap + tau^2)^-2)",
    ),
)
