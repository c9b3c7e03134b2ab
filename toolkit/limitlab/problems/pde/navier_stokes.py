"""Two-dimensional incompressible flow on a periodic box, in vorticity form.

    w_t + u . grad w = nu Laplacian w - drag w + f,     -Laplacian psi = w,     (u, v) = (psi_y, -psi_x)

The transport term is evaluated from the two velocities alone (Basdevant 1983), in four transforms instead of five:

    u . grad w = (d_xx - d_yy)(u v) + d_xy(v^2 - u^2)          for div (u, v) = 0

ETDRK4 in double precision, 2/3 de-aliasing, on a grid at least twice as fine as asked for, then truncated spectrally.
The step is the longest dt/2^m below 0.5 dx/max|u|, chosen for every sample by itself at every stored time.

    navier_stokes          unit square, w(0) a Gaussian field, fixed forcing: the recipe of Li et al. 2020; w(0) -> w(T)
    navier_stokes_forced   [0, 2 pi]^2, w(0) = 0, random forcing: Kossaifi et al. 2023; f -> w(T)
    kolmogorov             [0, 2 pi]^2, w(0) a Gaussian field, forced by four waves of shear; w(0) -> w(T)

A fixed forcing is the part of the equation's text that holds no field; a random one is the field f of that text. The
law 27 (-Laplacian + 9)^-4 that the paper prints gives, on this box, a field of pointwise deviation 0.03, whose flow
is nearly linear: w(5) differs from 5 f by a fifth. Scaled as the Gaussian fields of Li et al. 2020 are (27^2 instead
of 27, waves of amplitude one instead of orthonormal ones) its deviation is 0.96 and the flow turbulent. That is
`amplitude` 1, the default; amplitude 1/(2 pi 27^(1/2)) = 0.0306 is the printed law.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number
from limitlab.problems.pde.laws import GaussianLaw
from limitlab.problems.pde.periodic import time_derivative
from limitlab.problems.pde.problem import Field, Parameter, PDEProblem
from limitlab.solvers.failures import SolutionBlewUp
from limitlab.solvers.pde.native import is_transformed
from limitlab.solvers.pde.spectral import integrate_spectral
from limitlab.solvers.pde.terms import VorticityTransport, velocity_symbol
from limitlab.spaces.grid import Grid
from limitlab.spaces.transforms import fourier, inverse_fourier, spectral_resample, wavenumbers

if TYPE_CHECKING:
    import xarray

COURANT_NUMBER = 0.5
MOST_HALVINGS = 12  # a flow that needs dt/4096 is blowing up
POINTS_IN_CACHE = 2**17
POINTS_PER_BATCH = 2**21  # in machine code, whose lanes many samples of one step fill


@dataclass(frozen=True, kw_only=True)
class NavierStokesProblem(PDEProblem):
    """Vorticity w on a periodic box, with parameters `nu`, `drag` and those of its forcing.

    initial: law of w(0), at rest when None. forcing: law of the field f, scaled by the parameter `amplitude`; when None
    the forcing is fixed, by the text of the equation. dt: longest step of the solver. minimum_resolution: of its grid.
    """

    initial: GaussianLaw | None
    forcing: GaussianLaw | None = None
    version: int = 2  # of all: machine code rounds otherwise
    dt: float = 0.04
    minimum_resolution: int = 64

    def simulate(self, samples: int, seed: int = 0, resolution: int | None = None, *, first: int = 0) -> xarray.Dataset:
        """Trajectories `w` (sample, time, x, y), and `f` (sample, x, y) where it is random; float32."""
        samples = int(check_number("samples", samples, low=1, integer=True))
        first = int(check_number("first", first, low=0, integer=True))
        grid = self.grid(resolution)
        fine = grid.at(self.solver_resolution(grid.shape[0]))
        points = POINTS_PER_BATCH if all(map(is_transformed, fine.shape)) else POINTS_IN_CACHE
        chunk = max(1, points // math.prod(fine.shape))
        flows, forcings = [], []
        for start in range(first, first + samples, chunk):
            count = min(chunk, first + samples - start)
            forcing = self.sample_forcing(fine, count, seed, start)
            vorticity = torch.zeros(count, *fine.shape, dtype=torch.float64)
            if self.initial is not None:
                vorticity = self.initial.sample(fine, count, seed, start, self.values)
            flows.append(self.integrate(vorticity, forcing, fine, self.times, resolution=grid.shape[0], first=start))
            forcings.append(spectral_resample(forcing, fine, grid.shape[0]))
        arrays = {"w": torch.cat(flows)}
        if self.forcing is not None:
            arrays["f"] = torch.cat(forcings)
        return self.label(
            arrays,
            grid,
            seed=seed,
            first=first,
            solver=f"ETDRK4, 2/3 de-aliasing, Courant number {COURANT_NUMBER}",
            solver_resolution=fine.shape[0],
            dt=self.dt,
        )

    def solve(
        self,
        vorticity: Float[Tensor, "batch x y"],
        forcing: Float[Tensor, "batch x y"] | None = None,
        times: np.ndarray | None = None,
        *,
        dt: float | None = None,
    ) -> Float[Tensor, "batch time x y"]:
        """Trajectories from vorticities of your own at `times` (left out: the stored times).

        forcing: where left out, the fixed forcing of the equation, or none where it is random. Solved in double
        precision on the solver's grid; the result has dtype and device of `vorticity`. Raises InvalidArgument.
        """
        if vorticity.dim() != 3 or vorticity.shape[1] != vorticity.shape[2]:
            raise InvalidArgument(f"vorticity must have shape (batch, n, n); got {tuple(vorticity.shape)}")
        grid = self.grid(vorticity.shape[-1])
        size = self.solver_resolution(grid.shape[0])
        if forcing is None:
            forcing = self.fixed_forcing(grid)[None]
        if forcing.shape not in (vorticity.shape, (1, *grid.shape)):
            raise InvalidArgument(f"forcing must have the shape of vorticity; got {tuple(forcing.shape)}")
        for name, values in (("vorticity", vorticity), ("forcing", forcing)):
            if not bool(torch.isfinite(values).all()):
                raise InvalidArgument(f"{name} must be finite at every point")
        state, push = (
            spectral_resample(values.to(vorticity.device).double(), grid, size) for values in (vorticity, forcing)
        )
        moments = self.times if times is None else times
        flow = self.integrate(state, push.expand_as(state), grid.at(size), moments, dt=dt, resolution=grid.shape[0])
        return flow.to(vorticity.dtype)

    def integrate(
        self,
        vorticity: Float[Tensor, "batch nx ny"],
        forcing: Float[Tensor, "batch nx ny"],
        grid: Grid,
        times: np.ndarray,
        *,
        dt: float | None = None,
        resolution: int | None = None,
        first: int = 0,
    ) -> Float[Tensor, "batch time x y"]:
        """Trajectories computed on the very grid of the initial values, then truncated to `resolution` points.

        Raises SolutionBlewUp, naming sample `first` + its place, when the flow asks for a step below dt/2^12.
        """
        longest = dt or self.dt
        moments = [float(moment) for moment in times]
        coarse = grid.shape if resolution is None else grid.at(resolution).shape
        frames = [spectral_resample(vorticity, grid, coarse)]
        push = _speed(forcing, grid)
        for start, end in pairwise(moments):
            # a bound of the speed until the next stored time: what the forcing alone can add
            fastest = _speed(vorticity, grid) + (end - start) * push
            # powers of two only: few different steps, so that many samples share one scheme
            halvings = torch.log2(longest * fastest / (COURANT_NUMBER * min(grid.spacing))).ceil().clamp_min(0)
            # not (>), which a NaN would pass
            if not bool((halvings <= MOST_HALVINGS).all()):
                sample = first + int((~(halvings <= MOST_HALVINGS)).nonzero()[0, 0])
                raise SolutionBlewUp(
                    f"sample {sample} moves too fast at t = {start:g} for steps of {longest:g}/2^{MOST_HALVINGS}"
                )
            # written into below, where the caller's own tensor must stay
            vorticity = vorticity.clone()
            for level in halvings.unique():
                alike = halvings == level
                linear, nonlinear = self.tendency(grid, forcing[alike])
                step = longest / 2 ** int(level)
                flow = integrate_spectral(vorticity[alike], grid, linear, nonlinear, [start, end], dt=step)
                vorticity[alike] = flow[:, -1]
            frames.append(spectral_resample(vorticity, grid, coarse))
        return torch.stack(frames, dim=1)

    def tendency(
        self, grid: Grid, forcing: Float[Tensor, "#batch x y"], dealias: bool = True
    ) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Symbol -nu |k|^2 - drag, and f - u . grad w from coefficients to coefficients."""
        kx, ky = wavenumbers(grid, forcing.dtype, forcing.device)
        linear = -self.values["nu"] * (kx**2 + ky**2) - self.values["drag"]
        return linear, VorticityTransport(grid, forcing, dealias)

    def residual_of(self, grid: Grid, *, time: Float[Tensor, " time"] | None = None, **fields: Tensor) -> Tensor:
        """w_t + u . grad w - nu Laplacian w + drag w - f; w (batch, time, x, y) and, where random, f (batch, x, y).

        Spectral in space, with products on a grid twice as fine, where they have no aliases; fourth-order differences
        of equally spaced frames, which must be close enough to resolve the motion.
        """
        w = fields["w"]
        if time is None:
            raise InvalidArgument(f"the residual of {self.name} needs the times of the frames")
        forcing = fields["f"] if self.forcing is not None else self.fixed_forcing(grid).to(w)[None]
        # products of two waves reach twice the wavenumber
        fine = grid.at(tuple(2 * size for size in grid.shape))
        moved, push = spectral_resample(w, grid, fine.shape), spectral_resample(forcing, grid, fine.shape)
        linear, nonlinear = self.tendency(fine, push[:, None], dealias=False)
        spectrum = fourier(moved, fine)
        right = inverse_fourier(linear * spectrum + nonlinear(spectrum), fine)
        return time_derivative(w, time) - spectral_resample(right, fine, grid.shape)

    def sample_forcing(self, grid: Grid, samples: int, seed: int, first: int) -> Float[Tensor, "samples x y"]:
        """Forcings number first, first + 1, ..., float64; the equation's own for every sample where it holds one."""
        if self.forcing is None:
            return self.fixed_forcing(grid).expand(samples, *grid.shape)
        return self.values["amplitude"] * self.forcing.sample(grid, samples, seed, first, self.values)

    def fixed_forcing(self, grid: Grid) -> Float[Tensor, "x y"]:
        """The terms of the equation's right side without a field, on the grid; float64."""
        names = tuple(f.name for f in self.fields)
        function = _source_term(self.equation, names, tuple(self.values))
        values = {name: torch.tensor(value, dtype=torch.float64) for name, value in self.values.items()}

        def at(points: Tensor) -> Tensor:
            x, y = points.unbind(-1)
            return torch.as_tensor(function({**values, "x": x, "y": y}, None), dtype=torch.float64).expand(grid.shape)

        forcing, points = at(grid.points()), grid.points()
        for shift in torch.diag(torch.tensor(grid.lengths, dtype=torch.float64)):
            if not torch.allclose(at(points + shift), forcing, rtol=1e-6, atol=1e-9):
                raise InvalidArgument(f"the forcing of {self.name} is not periodic on a box of lengths {grid.lengths}")
        return forcing

    def solver_resolution(self, resolution: int) -> int:
        """Points of the solver's grid along an axis."""
        return max(2 * resolution, self.minimum_resolution)


def velocity(w: Float[Tensor, "*batch x y"], grid: Grid) -> Float[Tensor, "2 *batch x y"]:
    """Velocities (psi_y, -psi_x), -Laplacian psi = w, of zero mean; w on a periodic grid."""
    symbol = velocity_symbol(grid, w)
    spectrum = fourier(w, grid)
    return inverse_fourier(torch.stack([spectrum * component for component in symbol]), grid)


def _speed(w: Tensor, grid: Grid) -> Tensor:
    """Greatest speed of every sample."""
    return velocity(w, grid).square().sum(0).flatten(1).amax(1).sqrt()


@lru_cache(maxsize=64)
def _source_term(equation: str, fields: tuple[str, ...], parameters: tuple[str, ...]) -> Callable[..., Any]:
    import sympy
    from sympy.core.function import AppliedUndef

    from limitlab.problems.compiled.periodic_terms import torch_function
    from limitlab.problems.text.grammar import parse_equation

    right = parse_equation(equation, fields=fields, parameters=parameters, dimension=2).rhs
    return torch_function(sympy.Add(*(term for term in sympy.Add.make_args(right) if not term.has(AppliedUndef))))


_FIELDS = (
    Field("w", "vorticity w"),
    Field("psi", "stream function, -Laplacian psi = w", latex=r"\psi"),
    Field("f", "forcing f of the vorticity"),
)
_NU = Parameter("nu", 1e-3, 1e-5, 0.1, "viscosity", latex=r"\nu", scale="log")
_DRAG = Parameter("drag", 0.0, 0.0, 1.0, "linear drag", latex=r"\mu")

PROBLEMS: tuple[NavierStokesProblem, ...] = (
    NavierStokesProblem(
        name="navier_stokes",
        title="Navier-Stokes flow from random vorticity",
        equation="w_t = psi_x*w_y - psi_y*w_x + nu*(w_xx + w_yy) - drag*w"
        " + amplitude*(sin(2*pi*(x + y)) + cos(2*pi*(x + y)))",
        fields=_FIELDS[:2],
        operator=("w", "w"),
        parameters=(_NU, Parameter("amplitude", 0.1, 0.0, 1.0, "amplitude of the forcing", latex="A"), _DRAG),
        initial=GaussianLaw(alpha=2.5, tau=7.0, sigma=7.0**1.5),
        lengths=(1.0, 1.0),
        starts=(0.0, 0.0),
        default_resolution=64,
        span=10.0,
        frames=11,
        source="Li et al. 2020 (FNO): w0 ~ N(0, 7^3 (-Lap + 49)^-2.5), nu 1e-3 to T 50, 1e-4 to 30, 1e-5 to 20",
    ),
    NavierStokesProblem(
        name="navier_stokes_forced",
        title="Navier-Stokes flow from rest under random forcing",
        equation="w_t = psi_x*w_y - psi_y*w_x + nu*(w_xx + w_yy) - drag*w + f",
        fields=_FIELDS,
        operator=("f", "w"),
        parameters=(
            Parameter("nu", 0.002, 1e-4, 0.1, "viscosity", latex=r"\nu", scale="log"),
            Parameter("amplitude", 1.0, 0.0, 10.0, "factor of the forcing", latex="A"),
            _DRAG,
        ),
        initial=None,
        forcing=GaussianLaw(alpha=4.0, tau=3.0, sigma=27.0 * 2 * math.pi),
        lengths=(2 * math.pi, 2 * math.pi),
        starts=(0.0, 0.0),
        default_resolution=64,
        minimum_resolution=128,
        span=5.0,
        frames=11,
        source="Kossaifi et al. 2023",
    ),
    NavierStokesProblem(
        name="kolmogorov",
        title="Kolmogorov flow",
        equation="w_t = psi_x*w_y - psi_y*w_x + nu*(w_xx + w_yy) - drag*w - 4*cos(4*y)",
        fields=_FIELDS[:2],
        operator=("w", "w"),
        parameters=(
            Parameter("nu", 0.01, 1e-3, 0.1, "viscosity, 1/Re", latex=r"\nu", scale="log"),
            Parameter("drag", 0.1, 0.0, 1.0, "linear drag", latex=r"\mu"),
        ),
        initial=GaussianLaw(alpha=4.0, tau=3.0, sigma=27.0 * 2 * math.pi),
        lengths=(2 * math.pi, 2 * math.pi),
        starts=(0.0, 0.0),
        default_resolution=64,
        minimum_resolution=128,
        span=5.0,
        frames=11,
        source="Koehler et al. 2024 (APEBench); Chandler & Kerswell 2013",
    ),
)
