"""Conservation laws with shocks, by finite volumes in a square between walls or with open ones.

    shallow_water    water of depth h and momentum (p, q) in a closed basin, at rest under a random surface
    dam_break        a round column of water falls: 2 inside a random radius, 1 outside (Takamoto et al. 2022)
    compressible     a gas of density r, momentum (p, q) and energy E in a box, at rest under random pressure

    h_t + div(h u) = 0,   (h u)_t + div(h u u) + grad(g h^2/2) = h f (v, -u),            c = (g h)^(1/2)
    r_t + div(r u) = 0,   (r u)_t + div(r u u) + grad P = 0,   E_t + div((E + P) u) = 0,  c = (gamma P/r)^(1/2)

with P = (gamma - 1)(E - r |u|^2/2). Data are averages over blocks of a grid of at least 64 cells, which 16, 32 and 64
share. The scheme has order two where the flow is smooth and one at shocks: what is learned is the discrete flow.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.problems.pde.flows._differences import residuals_by_differences
from limitlab.problems.pde.problem import EvolvingFields, Field, Parameter
from limitlab.problems.pde.system_laws import GaussianFields, Independent, WaveLaw
from limitlab.solvers.pde.finite_volume import COURANT_NUMBER, ConservationLaw, Walls, integrate_finite_volumes
from limitlab.spaces.grid import Grid

if TYPE_CHECKING:
    pass

COARSEST_SOLVER = 64


@dataclass(frozen=True, kw_only=True)
class ConservationProblem(EvolvingFields):
    """A conservation law of all fields, with the law of their initial values."""

    @abstractmethod
    def law(self) -> ConservationLaw:
        """Fluxes and wave speeds at the problem's parameters."""

    def solver(self) -> tuple[str, float]:
        return f"HLL, monotonised central slopes, SSP-RK2, Courant number {COURANT_NUMBER}", 0.0

    def integrate(
        self,
        state: Float[Tensor, "batch field x y"],
        grid: Grid,
        times: np.ndarray,
        *,
        resolution: int | None = None,
        first: int = 0,
    ) -> Float[Tensor, "batch time field x y"]:
        """Trajectories computed on the very grid of the initial values, then averaged to `resolution` cells."""
        walls = cast(Walls, self.boundary)
        return integrate_finite_volumes(
            state, grid, self.law(), times, boundary=walls, resolution=resolution, first=first
        )

    def solver_resolution(self, resolution: int) -> int:
        """Cells of the solver's grid along an axis: the smallest multiple of `resolution` that is at least 64."""
        return resolution * math.ceil(COARSEST_SOLVER / resolution)

    def residuals_of(
        self, grid: Grid, *, time: Float[Tensor, " time"] | None = None, **fields: Tensor
    ) -> dict[str, Float[Tensor, "batch time x y"]]:
        """Left side minus right side of every equation, from the text, by differences: small where the flow is smooth.

        Of second order in space, of fourth in time.
        """
        return residuals_by_differences(self, grid, time, fields)


@dataclass(frozen=True)
class ShallowWater:
    """Depth h and momenta p, q under gravity g and rotation f."""

    g: float
    f: float = 0.0

    def flux(self, state: Tensor, axis: int) -> Tensor:
        moved = state * (state[:, 1 + axis : 2 + axis] / state[:, :1])
        moved[:, 1 + axis] += self.g / 2 * state[:, 0] ** 2
        return moved

    def speeds(self, state: Tensor, axis: int) -> tuple[Tensor, Tensor]:
        h = state[:, :1]
        velocity, wave = state[:, 1 + axis : 2 + axis] / h, (self.g * h).sqrt()
        return velocity - wave, velocity + wave

    def source(self, state: Tensor) -> Tensor | None:
        if self.f == 0:
            return None
        _, p, q = state.unbind(1)
        return torch.stack([torch.zeros_like(p), self.f * q, -self.f * p], 1)

    def normal(self, axis: int) -> int:
        return 1 + axis


@dataclass(frozen=True)
class Euler:
    """Density r, momenta p, q and energy E of an ideal gas."""

    gamma: float

    def pressure(self, state: Tensor) -> Float[Tensor, "batch 1 *grid"]:
        momentum = state[:, 1:-1].square().sum(1, keepdim=True)
        return (self.gamma - 1) * (state[:, -1:] - momentum / (2 * state[:, :1]))

    def flux(self, state: Tensor, axis: int) -> Tensor:
        velocity, pressure = state[:, 1 + axis : 2 + axis] / state[:, :1], self.pressure(state)
        moved = state * velocity
        moved[:, 1 + axis : 2 + axis] += pressure
        moved[:, -1:] += pressure * velocity
        return moved

    def speeds(self, state: Tensor, axis: int) -> tuple[Tensor, Tensor]:
        r = state[:, :1]
        velocity, sound = state[:, 1 + axis : 2 + axis] / r, (self.gamma * self.pressure(state) / r).sqrt()
        return velocity - sound, velocity + sound

    def source(self, state: Tensor) -> Tensor | None:
        return None

    def normal(self, axis: int) -> int:
        return 1 + axis


@dataclass(frozen=True, kw_only=True)
class WaterProblem(ConservationProblem):
    """Shallow water with parameters g and, where it rotates, f."""

    def law(self) -> ShallowWater:
        return ShallowWater(**self.values)


@dataclass(frozen=True, kw_only=True)
class GasProblem(ConservationProblem):
    """A gas with the parameter gamma."""

    def law(self) -> Euler:
        return Euler(**self.values)


@dataclass(frozen=True)
class RoundDam:
    """Water at rest, `inside` deep within a random radius about the middle of the box, `outside` deep elsewhere."""

    inside: float = 2.0
    outside: float = 1.0
    smallest: float = 0.3
    largest: float = 0.7

    def sample(self, grid: Grid, samples: int, seed: int, first: int, values: Mapping[str, float]) -> Tensor:
        streams = (np.random.Generator(np.random.PCG64([seed, first + sample])) for sample in range(samples))
        radii = torch.tensor([stream.uniform(self.smallest, self.largest) for stream in streams], dtype=torch.float64)
        middle = torch.tensor([axis.start + axis.length / 2 for axis in grid.axes], dtype=torch.float64)
        distance = (grid.points() - middle).square().sum(-1).sqrt()
        inside = distance < radii.reshape(-1, *(1,) * grid.dimension)
        h = torch.where(inside, self.inside, self.outside).double()
        return torch.stack([h, *(torch.zeros_like(h) for _ in grid.axes)], 1)


@dataclass(frozen=True)
class RestingGas:
    """Density and pressure of mean one, each with waves of its own up to `modes`, and no velocity."""

    modes: int = 3
    amplitude: float = 0.4

    def sample(self, grid: Grid, samples: int, seed: int, first: int, values: Mapping[str, float]) -> Tensor:
        waves = WaveLaw(self.modes, self.amplitude, mean=1.0)
        density, pressure = Independent((waves, waves)).sample(grid, samples, seed, first, values).unbind(1)
        still = [torch.zeros_like(density) for _ in grid.axes]
        return torch.stack([density, *still, pressure / (values["gamma"] - 1)], 1)


_WATER = (Field("h", "depth h"), Field("p", "momentum along x"), Field("q", "momentum along y"))
_G = Parameter("g", 1.0, 0.2, 10.0, "gravity")

PROBLEMS: tuple[ConservationProblem, ...] = (
    WaterProblem(
        name="shallow_water",
        title="Shallow water in a closed basin",
        equation="h_t = -dx(p) - dy(q); p_t = -dx(p^2/h + g*h^2/2) - dy(p*q/h) + f*q; "
        "q_t = -dx(p*q/h) - dy(q^2/h + g*h^2/2) - f*p",
        fields=_WATER,
        operator=("h", "h"),
        parameters=(_G, Parameter("f", 0.0, 0.0, 10.0, "rate of rotation")),
        initial=GaussianFields(deviations=(0.1, 0.0, 0.0), means=(1.0, 0.0, 0.0), alpha=6.0, tau=10.0),
        lengths=(1.0, 1.0),
        starts=(0.0, 0.0),
        axis_kind="cells",
        boundary="walls",
        default_resolution=64,
        span=0.5,
        frames=11,
        source="Saint-Venant 1871; smooth depths of deviation 0.1",
    ),
    WaterProblem(
        name="dam_break",
        title="Radial dam break in shallow water",
        equation="h_t = -dx(p) - dy(q); p_t = -dx(p^2/h + g*h^2/2) - dy(p*q/h); q_t = -dx(p*q/h) - dy(q^2/h + g*h^2/2)",
        fields=_WATER,
        operator=("h", "h"),
        parameters=(_G,),
        initial=RoundDam(),
        lengths=(5.0, 5.0),
        starts=(-2.5, -2.5),
        axis_kind="cells",
        boundary="outflow",
        default_resolution=64,
        span=1.0,
        frames=21,
        source="Takamoto et al. 2022 (PDEBench)",
    ),
    GasProblem(
        name="compressible",
        title="Compressible flow of a gas in a box",
        equation="r_t = -dx(p) - dy(q); p_t = -dx(p^2/r + (gamma - 1)*(E - (p^2 + q^2)/(2*r))) - dy(p*q/r); "
        "q_t = -dx(p*q/r) - dy(q^2/r + (gamma - 1)*(E - (p^2 + q^2)/(2*r))); "
        "E_t = -dx(p/r*(gamma*E - (gamma - 1)*(p^2 + q^2)/(2*r))) - dy(q/r*(gamma*E - (gamma - 1)*(p^2 + q^2)/(2*r)))",
        fields=(
            Field("r", "density r"),
            Field("p", "momentum along x"),
            Field("q", "momentum along y"),
            Field("E", "energy E"),
        ),
        operator=("r", "r"),
        parameters=(Parameter("gamma", 1.4, 1.1, 1.7, "ratio of specific heats", latex=r"\gamma"),),
        initial=RestingGas(),
        lengths=(1.0, 1.0),
        starts=(0.0, 0.0),
        axis_kind="cells",
        boundary="walls",
        default_resolution=64,
        span=0.5,
        frames=11,
        source="Euler 1757; cf. Takamoto et al. 2022 (PDEBench), whose viscous gas moves",
    ),
)
