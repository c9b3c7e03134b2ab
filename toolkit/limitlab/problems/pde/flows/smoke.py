"""Smoke that rises in a closed box and sets the air in motion.

    buoyant_smoke    smoke s is lighter than air: it lifts the air, which carries it along

    s_t + u . grad s = 0,    u_t + u . grad u + grad P = nu Laplacian u + buoyancy s e_y,    div u = 0

The pressure P is what keeps the velocity (u, v) without divergence; it is no field of the data. Air sticks to the
walls, and smoke does not cross them. Data are averages over blocks of a grid of at least 64 cells, which 16, 32 and 64
share, of a scheme of order one (`limitlab.solvers.pde.smoke`): what is learned is the discrete flow.
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

from limitlab.problems.pde.flows._differences import residuals_by_differences
from limitlab.problems.pde.problem import EvolvingFields, Field, Parameter
from limitlab.problems.pde.system_laws import GaussianFields
from limitlab.solvers.pde.smoke import divergence_free, integrate_smoke, to_cells, to_faces
from limitlab.spaces.grid import Grid

if TYPE_CHECKING:
    pass

COARSEST_SOLVER = 64
PRESSURE = "P"


@dataclass(frozen=True)
class StillSmoke:
    """|z| of smoke in still air, z a Gaussian field of deviation one and covariance (-Laplacian + tau^2)^-alpha."""

    alpha: float
    tau: float

    def sample(self, grid: Grid, samples: int, seed: int, first: int, values: Mapping[str, float]) -> Tensor:
        law = GaussianFields(deviations=(1.0,), means=(0.0,), alpha=self.alpha, tau=self.tau)
        smoke = law.sample(grid, samples, seed, first, values)[:, 0].abs()
        still = torch.zeros_like(smoke)
        return torch.stack([smoke, still, still], 1)


@dataclass(frozen=True, kw_only=True)
class SmokeProblem(EvolvingFields):
    """Smoke and velocity in a box; parameters `nu` and `buoyancy`. dt: longest step. lead: time before frame one."""

    dt: float
    lead: float

    def solver(self) -> tuple[str, float]:
        return "semi-Lagrangian transport, explicit diffusion, projection on a staggered grid", self.dt

    def first_frame(
        self, initial: Float[Tensor, "batch field x y"], grid: Grid, first: int
    ) -> Float[Tensor, "batch field x y"]:
        """The initial values after the time `lead`, in which smoke that hung still sets itself in motion."""
        if not self.lead:
            return initial
        return self.integrate(initial, grid, np.array([0.0, self.lead]), first=first)[:, -1]

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
        buoyancy, nu = self.values["buoyancy"], self.values["nu"]
        return integrate_smoke(
            state, grid, times, buoyancy=buoyancy, viscosity=nu, dt=self.dt, resolution=resolution, first=first
        )

    def solver_resolution(self, resolution: int) -> int:
        """Cells of the solver's grid along an axis: the smallest multiple of `resolution` that is at least 64."""
        return resolution * math.ceil(COARSEST_SOLVER / resolution)

    def residuals_of(
        self, grid: Grid, *, time: Float[Tensor, " time"] | None = None, **fields: Tensor
    ) -> dict[str, Float[Tensor, "batch time x y"]]:
        """Left side minus right side of every equation, from the text, by differences, with what no P can balance.

        Of second order in space, of fourth in time: small where the flow is smooth and its frames are close.
        """
        still = {PRESSURE: torch.zeros_like(fields["u"])}
        residuals = residuals_by_differences(self, grid, time, fields, others=still)
        force = to_faces(residuals["u"].flatten(0, 1), residuals["v"].flatten(0, 1))
        u, v = to_cells(*divergence_free(force, grid))
        return {"s": residuals["s"], "u": u.view_as(residuals["u"]), "v": v.view_as(residuals["v"])}

    @property
    def unknowns(self) -> tuple[str, ...]:
        """The fields and the pressure."""
        return (*self.names, PRESSURE)


PROBLEMS: tuple[SmokeProblem, ...] = (
    SmokeProblem(
        name="buoyant_smoke",
        title="Smoke that rises in a closed box",
        equation="s_t = -u*s_x - v*s_y; u_t = -u*u_x - v*u_y - P_x + nu*(u_xx + u_yy); "
        "v_t = -u*v_x - v*v_y - P_y + nu*(v_xx + v_yy) + buoyancy*s",
        fields=(Field("s", "smoke s"), Field("u", "velocity along x"), Field("v", "velocity along y")),
        operator=("s", "s"),
        parameters=(
            Parameter("nu", 0.01, 1e-3, 0.1, "viscosity", latex=r"\nu", scale="log"),
            Parameter("buoyancy", 0.5, 0.0, 1.0, "lift of smoke", latex=r"\beta"),
        ),
        initial=StillSmoke(alpha=6.0, tau=2 * math.pi / 11),
        dt=1.5,
        lead=18.0,
        lengths=(32.0, 32.0),
        starts=(0.0, 0.0),
        axis_kind="cells",
        boundary="walls",
        default_resolution=64,
        span=78.0,
        frames=14,
        source="Gupta & Brandstetter 2023 (PDEArena): 128 x 128 cells, frames 6 apart from t = 18 to 96",
    ),
)
