"""Steady problems on the unit square, u = 0 on its walls: flow through a random medium, and the Poisson equation.

    darcy             -div(a grad u) = 1,   a = a_high where z >= 0, a_low elsewhere   (Li et al. 2020: 12 and 3)
    darcy_lognormal   -div(a grad u) = 1,   a = exp(strength z)
    darcy_multiscale  -div(a grad u) = 1,   a a product of waves of four lengths, each half as long as the one before
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
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np
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
    """A random medium."""

    @property
    def coarsest(self) -> int:
        """Cells of the coarsest grid along an axis that shows the medium."""

    def sample(
        self, grid: Grid, samples: int, seed: int, first: int, values: Mapping[str, float]
    ) -> Float[Tensor, "samples x y"]:
        """Coefficients number first, first + 1, ..., float64; `values` are the problem's parameters."""

    def plain(self, values: Mapping[str, float]) -> float:
        """The coefficient of the homogeneous medium among them."""


@dataclass(frozen=True)
class _OfField:
    """A medium made point by point from a Gaussian field of covariance (-Laplacian + tau^2)^-alpha."""

    coarsest: ClassVar[int] = COARSEST_SOLVER

    alpha: float = 2.0

    @abstractmethod
    def of(self, field: Tensor, values: Mapping[str, float]) -> Tensor:
        """The coefficient where the Gaussian field has these values."""

    def sample(self, grid: Grid, samples: int, seed: int, first: int, values: Mapping[str, float]) -> Tensor:
        tau = values["tau"]
        field = gaussian_field(grid, samples, seed, alpha=self.alpha, tau=tau, boundary="neumann", first=first)
        return self.of(field, values)

    def plain(self, values: Mapping[str, float]) -> float:
        return float(self.of(torch.zeros((), dtype=torch.float64), values))


@dataclass(frozen=True)
class TwoPhase(_OfField):
    """a_high where the field is >= 0, a_low elsewhere."""

    def of(self, field: Tensor, values: Mapping[str, float]) -> Tensor:
        # torch.where of two numbers has the default dtype
        return torch.where(field >= 0, values["a_high"], values["a_low"]).to(field.dtype)


@dataclass(frozen=True)
class LogNormal(_OfField):
    """exp(strength * field)."""

    def of(self, field: Tensor, values: Mapping[str, float]) -> Tensor:
        return torch.exp(values["strength"] * field)


@dataclass(frozen=True)
class Multiscale:
    """prod_k (1 + depth cos(a_k pi (x + y))) (1 + depth cos(a_k pi (y - 3 x))), a_k uniform in 2^(k-1) [1, 1.5]."""

    coarsest: ClassVar[int] = 128

    scales: int = 4

    def sample(self, grid: Grid, samples: int, seed: int, first: int, values: Mapping[str, float]) -> Tensor:
        streams = (np.random.Generator(np.random.PCG64([seed, first + sample])) for sample in range(samples))
        draws = torch.from_numpy(np.stack([stream.uniform(1.0, 1.5, self.scales) for stream in streams]))
        waves = draws * 2.0 ** torch.arange(self.scales) * math.pi
        x, y = (grid.points() / grid.lengths[0]).unbind(-1)
        angles = waves[:, :, None, None, None] * torch.stack([x + y, y - 3 * x])
        return (1 + values["depth"] * torch.cos(angles)).prod(2).prod(1)

    def plain(self, values: Mapping[str, float]) -> float:
        return 1.0


@dataclass(frozen=True, kw_only=True)
class DarcyProblem(EllipticProblem):
    """-div(a grad u) = 1: the operator a -> u."""

    medium: CoefficientLaw

    def sample_input(self, grid: Grid, samples: int, seed: int, first: int) -> Float[Tensor, "samples x y"]:
        return self.medium.sample(grid, samples, seed, first, self.values)

    def solver_resolution(self, resolution: int) -> int:
        """Cells of the solver's grid: the smallest multiple of `resolution` that shows the medium, at least 64."""
        return resolution * math.ceil(self.medium.coarsest / resolution)

    def solve(self, inputs: Float[Tensor, "batch x y"]) -> Float[Tensor, "batch x y"]:
        return solve_darcy(inputs, 1.0, self._grid_of(inputs))

    @property
    def solver(self) -> str:
        return "finite volumes, harmonic means"

    def residual_of(self, grid: Grid, *, time: Float[Tensor, " time"] | None = None, **fields: Tensor) -> Tensor:
        """A(a) u - 1 of a and u (batch, x, y), by finite volumes."""
        return darcy_operator(fields["u"], fields["a"], grid) - 1

    def exact(self, resolution: int | None = None) -> xarray.Dataset:
        """The homogeneous medium of the law: u is the Saint-Venant series of a twisted square bar."""
        grid = self.grid(resolution)
        a = torch.full((1, *grid.shape), self.medium.plain(self.values), dtype=torch.float64)
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
    DarcyProblem(
        name="darcy_multiscale",
        title="Darcy flow in a medium of many scales",
        equation="-dx(a*u_x) - dy(a*u_y) = 1",
        fields=(_A, _U),
        operator=("a", "u"),
        parameters=(Parameter("depth", 0.5, 0.0, 0.8, "depth of the waves of a"),),
        medium=Multiscale(),
        lengths=(1.0, 1.0),
        starts=(0.0, 0.0),
        axis_kind="cells",
        boundary="dirichlet",
        default_resolution=64,
        source="Owhadi 2017; Liu, Xu & Zhang 2022, with six scales",
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
