"""The flow that a lid drives in a box around a rectangle, from rest: the operator from what is solid to the velocity.

    lid_driven_cavity   u_t + u . grad u + grad p = nu Laplacian u,  div u = 0,  u = (U, 0) on the lid, 0 on other walls

b is 1 in a cell of fluid and 0 in a solid one. u and v lie on the upper faces of cells, p and b in the cells, as in
`limitlab.solvers.pde.staggered`. Every frame is one implicit step from the one before, of order one in time: what is
learned is the discrete flow, and its residual is nought to rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number
from limitlab.problems.pde.problem import Field, Parameter, PDEProblem
from limitlab.solvers.pde.staggered import Enclosure, solve_step, step_residual
from limitlab.spaces.grid import Grid

if TYPE_CHECKING:
    import sympy
    import xarray


@dataclass(frozen=True)
class RectangleLaw:
    """A box of fluid, with a solid rectangle in so large a `share` of them; lengths in units of an axis.

    The sides are uniform between `shortest` and `longest`, the place between walls that are `margin` away.
    """

    share: float = 0.5
    shortest: float = 0.17
    longest: float = 0.33
    margin: float = 0.13

    def sample(self, grid: Grid, samples: int, seed: int, first: int, values: Mapping[str, float]) -> Tensor:
        """1 in a cell of fluid, 0 where its middle is in the rectangle, (samples, *cells); float64."""
        axes = grid.dimension
        streams = (np.random.Generator(np.random.PCG64([seed, first + sample])) for sample in range(samples))
        numbers = torch.tensor(np.stack([stream.uniform(size=1 + 2 * axes) for stream in streams]))
        sides = self.shortest + (self.longest - self.shortest) * numbers[:, 1 : 1 + axes]
        start = self.margin + (1 - 2 * self.margin - sides) * numbers[:, 1 + axes :]
        lengths = torch.tensor(grid.lengths, dtype=torch.float64)
        begin = torch.tensor([axis.start for axis in grid.axes], dtype=torch.float64)
        offset = (grid.points() - begin) / lengths - start.view(samples, *[1] * axes, axes)
        inside = ((offset >= 0) & (offset <= sides.view(samples, *[1] * axes, axes))).all(-1)
        present = (numbers[:, 0] < self.share).view(samples, *[1] * axes)
        return 1 - (inside & present).double()


@dataclass(frozen=True, kw_only=True)
class CavityProblem(PDEProblem):
    """Flow in a box with the parameters nu and U, from rest. body: the law of what is solid."""

    body: RectangleLaw

    def simulate(self, samples: int, seed: int = 0, resolution: int | None = None, *, first: int = 0) -> xarray.Dataset:
        """Boxes `b` (sample, x, y), and `u`, `v`, `p` (sample, time, x, y); float32."""
        samples = int(check_number("samples", samples, low=1, integer=True))
        first = int(check_number("first", first, low=0, integer=True))
        grid = self.grid(resolution)
        b = self.body.sample(grid, samples, seed, first, self.values)
        u, v, p = self.solve(b).unbind(2)
        step = float(self.times[1])
        solver = "implicit steps on a staggered grid, sparse LU"
        size = grid.shape[0]
        arrays = {"b": b, "u": u, "v": v, "p": p}
        return self.label(arrays, grid, seed=seed, first=first, solver=solver, solver_resolution=size, dt=step)

    def solve(self, fluid: Float[Tensor, "batch x y"]) -> Float[Tensor, "batch time 3 x y"]:
        """u, v and p at the stored times, from rest, in boxes of your own. Raises InvalidArgument."""
        box = self.box(fluid, fluid)
        states = [torch.zeros(len(fluid), 3, *fluid.shape[1:], dtype=fluid.dtype, device=fluid.device)]
        for step in np.diff(self.times):
            states.append(solve_step(states[-1], box, dt=float(step), viscosity=self.values["nu"]))
        return torch.stack(states, 1)

    def box(self, fluid: Tensor, like: Tensor) -> Enclosure:
        """The boxes under the problem's lid."""
        lid = torch.full((len(fluid),), self.values["U"])
        return Enclosure(fluid.to(like), lid.to(like), self.lengths[0] / fluid.shape[-1])

    def residuals_of(
        self, grid: Grid, *, time: Float[Tensor, " time"] | None = None, **fields: Tensor
    ) -> dict[str, Float[Tensor, "batch time x y"]]:
        """Of every frame as a step from the one before: both momenta as "u" and "v", the divergence as "p".

        Nought at the first frame, on closed faces and in solid cells.
        """
        if time is None:
            raise InvalidArgument(f"the residual of {self.name} needs the times of the frames")
        states = torch.stack([fields[name] for name in ("u", "v", "p")], 2)
        box = self.box(fields["b"], states)
        parts = [torch.zeros_like(states[:, 0])]
        for frame, step in enumerate(time.diff().tolist()):
            momentum, divergence = step_residual(
                states[:, frame + 1], states[:, frame], box, dt=step, viscosity=self.values["nu"]
            )
            parts.append(torch.cat([momentum, divergence[:, None]], 1))
        return dict(zip(("u", "v", "p"), torch.stack(parts, 1).unbind(2), strict=True))

    def residual_of(self, grid: Grid, *, time: Float[Tensor, " time"] | None = None, **fields: Tensor) -> Tensor:
        """That of the momentum along the lid; `residuals_of` has all three."""
        return self.residuals_of(grid, time=time, **fields)["u"]

    def reduced(self, values: Float[Tensor, "*grid"], grid: Grid, resolution: int) -> Float[Tensor, "*coarse"]:
        """Refused: velocities lie on faces, and half a solid cell is none."""
        raise InvalidArgument(f"{self.name} lives on faces and whole cells; generate it at resolution {resolution}")

    def expression(self) -> sympy.Eq:
        """The momentum along the lid; `expressions` has all three equations."""
        return self.expressions()[0]

    def expressions(self) -> tuple[sympy.Eq, ...]:
        """The equations as sympy equalities: momentum along x and y, and no divergence."""
        from limitlab.problems.text.grammar import parse_equation

        names, parameters = [f.name for f in self.fields], [p.name for p in self.parameters]
        lines = self.equation.split(";")
        return tuple(parse_equation(line, fields=names, parameters=parameters, dimension=2) for line in lines)

    def latex(self) -> str:
        """The equations as LaTeX, one a row."""
        return self.rows_latex(self.expressions())


PROBLEMS: tuple[CavityProblem, ...] = (
    CavityProblem(
        name="lid_driven_cavity",
        title="Flow in a box under a moving lid",
        equation="u_t = -u*u_x - v*u_y - p_x + nu*(u_xx + u_yy); v_t = -u*v_x - v*v_y - p_y + nu*(v_xx + v_yy); "
        "u_x + v_y = 0",
        fields=(
            Field("b", "1 in the fluid, 0 in a body"),
            Field("u", "velocity u along the lid"),
            Field("v", "velocity v"),
            Field("p", "pressure p"),
        ),
        operator=("b", "u"),
        parameters=(
            Parameter("nu", 0.01, 1e-3, 1.0, "viscosity", latex=r"\nu", scale="log"),
            Parameter("U", 1.0, 0.1, 2.0, "speed of the lid"),
        ),
        body=RectangleLaw(),
        lengths=(1.0, 1.0),
        starts=(0.0, 0.0),
        axis_kind="cells",
        boundary="u = U on the lid, 0 on the other walls and on the body",
        default_resolution=32,
        span=1.0,
        frames=11,
        source="Ghia, Ghia & Shin 1982 for the empty box; bodies and start as in Wandel et al. 2021",
    ),
)
