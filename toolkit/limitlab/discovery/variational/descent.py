"""Gradient descent on an energy in H^1, on a grid: the proof of the theory as an algorithm, up to three dimensions.

    u <- u - eta (I - Lap)^(-1) (DE(u) - f)

In H^1 this is plain gradient descent, so with eta = 2/(m + M) the error falls by (M - m)/(M + m) a step, on every grid;
without the preconditioner a stable step is 1/(M (1 + |k|^2_max)), which a finer grid makes smaller.

Functions are trigonometric polynomials of a band of modes |m| < N/2, held by their values on a grid that is finer by
`padding`: products are taken there and projected, (p + 1)/2 is enough for a power p. The mode N/2, whose derivative is
on no grid, is in no band, so derivative and preconditioner agree on all that is. Neumann walls are the even reflection
about them, with period 2. Source: Marwah, Lipton, Lu, Risteski, arXiv 2210.12101.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from limitlab.discovery.variational.barron import barron_norm
from limitlab.discovery.variational.energies import Energy, Target
from limitlab.errors import InvalidArgument, LimitlabError, check_number, one_of
from limitlab.labels import labelled
from limitlab.spaces import Grid, dealias_mask, derivative_symbol, fourier, inverse_fourier, sobolev_norm, wavenumbers

if TYPE_CHECKING:
    import xarray as xr

Walls = Literal["periodic", "neumann"]
Values = Float[Tensor, "*grid"]
HALVINGS = 40
STEEPEST = 0.5
"""How fast the energy may climb where a halved step ends, as a part of how fast it fell (Hager, Zhang 2005)."""
ROUNDING = 1e-10
"""By how much of itself an energy may rise from rounding alone."""


class StepTooLarge(LimitlabError):
    """A step of the descent made the energy rise, or not finite; the message has the curvature that it met."""


@dataclass(frozen=True)
class Band:
    """Trigonometric polynomials with |m| < resolution/2 (cos(pi m x), m < resolution, for Neumann walls) on a grid.

    >>> ll.discovery.variational.Band(16, 2).grid.shape
    (32, 32)
    """

    resolution: int
    dimension: int
    walls: Walls = "periodic"
    padding: float = 2.0

    def __post_init__(self) -> None:
        one_of("walls", self.walls, get_args(Walls))
        # a frozen dataclass; numbers of an array may be NumPy's
        for name, low, high in (("resolution", 4, None), ("dimension", 1, 3)):
            object.__setattr__(self, name, check_number(name, getattr(self, name), low=low, high=high, integer=True))
        object.__setattr__(self, "padding", check_number("padding", self.padding, low=1, high=8))

    @cached_property
    def grid(self) -> Grid:
        periods = 1 if self.walls == "periodic" else 2
        points = 2 * math.ceil(periods * self.resolution * self.padding / 2)
        return Grid.uniform(points, dimension=self.dimension, lengths=float(periods))

    @cached_property
    def points(self) -> Float[Tensor, "*grid dimension"]:
        """Where the values are, in the unit cube: a point beyond a wall is its mirror image."""
        points = self.grid.points()
        return points if self.walls == "periodic" else torch.minimum(points, 2 - points)

    @cached_property
    def mask(self) -> Tensor:
        """The modes of the band among those of the grid."""
        return dealias_mask(self.grid, (1 if self.walls == "periodic" else 2) * self.resolution / self.grid.shape[0])

    @cached_property
    def weight(self) -> Tensor:
        """1 + |k|^2, the symbol of I - Lap."""
        return 1 + torch.stack(torch.broadcast_tensors(*wavenumbers(self.grid))).square().sum(0)

    @cached_property
    def slopes(self) -> tuple[Tensor, ...]:
        """The symbols of the partial derivatives."""
        return tuple(derivative_symbol(self.grid, axis) for axis in range(self.dimension))

    def projected(self, u: Values) -> Values:
        """The part of a function that is in the band."""
        return inverse_fourier(fourier(u, self.grid) * self.mask, self.grid)

    def norm(self, u: Values) -> float:
        """H^1 norm on the unit cube."""
        return float(sobolev_norm(u[None, None], self.grid)) / math.sqrt(math.prod(self.grid.lengths))

    def gradient(self, u: Values) -> Float[Tensor, "*grid dimension"]:
        coefficients = fourier(u, self.grid)
        return torch.stack([inverse_fourier(coefficients * slope, self.grid) for slope in self.slopes], -1)


@dataclass(frozen=True)
class GridProblem:
    """DE(u) = f in a band: f by its coefficients, and the solution's values where it is known.

    >>> v = ll.discovery.variational
    >>> problem = v.grid_problem(v.instance("V1"), v.cosines(1, half_waves=2), v.Band(16, 1))
    >>> float((problem.operator(problem.exact) - problem.source).abs().max())
    0.0
    """

    energy: Energy
    band: Band
    source: Complex[Tensor, "*modes"]
    exact: Values | None = None

    def operator(self, u: Values) -> Complex[Tensor, "*modes"]:
        """Coefficients of DE(u), projected on the band."""
        return _operator(self.energy, self.band, u)

    def value(self, u: Values) -> float:
        """E(u), by the mean over the grid."""
        band = self.band
        density = self.energy.density(band.points, u, band.gradient(u))
        return float((density - inverse_fourier(self.source, band.grid) * u).mean())

    def error(self, u: Values) -> float:
        """Relative error in H^1; not a number where the solution is not known."""
        return self.band.norm(u - self.exact) / self.band.norm(self.exact) if self.exact is not None else math.nan

    def direction(self, u: Values, preconditioned: bool = True) -> Values:
        """(I - Lap)^(-1) (DE(u) - f), the gradient of E in H^1, or that in L2, without the inverse."""
        residual = self.operator(u) - self.source
        return inverse_fourier(residual / self.band.weight if preconditioned else residual, self.band.grid)


def grid_problem(energy: Energy, target: Target, band: Band) -> GridProblem:
    """The problem whose solution in the band is the target's part there: f = DE(u*), by the same operator.

    >>> v = ll.discovery.variational
    >>> v.grid_problem(v.instance("V2"), v.cosines(2, half_waves=2), v.Band(8, 2)).exact.shape
    torch.Size([16, 16])
    """
    if target.dimension != band.dimension:
        raise InvalidArgument(f"target has dimension {target.dimension}, the band {band.dimension}")
    exact = band.projected(target.value(band.points))
    return GridProblem(energy, band, _operator(energy, band, exact), exact)


@dataclass(frozen=True)
class Descent:
    """Where a descent ended, and its history along `iteration`: error, energy, barron (norm of the iterate), step."""

    values: Values
    history: xr.Dataset
    converged: bool

    @property
    def iterations(self) -> int:
        return self.history.sizes["iteration"] - 1

    @property
    def factor(self) -> float:
        """By how much the error fell a step, in the geometric mean of all."""
        error = self.history["error"].values
        return float((error[-1] / error[0]) ** (1 / max(self.iterations, 1)))


def descend(
    problem: GridProblem,
    *,
    step: float | None = None,
    iterations: int = 500,
    tolerance: float = 1e-8,
    preconditioned: bool = True,
    backtracking: bool = False,
    start: Values | None = None,
) -> Descent:
    """Descent from zero until the relative H^1 error, or the step where no solution is known, is below tolerance.

    step: left out, 2/(m + M), or 1/(M (1 + |k|^2_max)) without preconditioner. backtracking: halve a step that goes too
    far. Raises StepTooLarge where one makes the energy rise without it, InvalidArgument where M is infinite.

    >>> v = ll.discovery.variational
    >>> problem = v.grid_problem(v.instance("V3"), v.cosines(2, half_waves=2), v.Band(16, 2))
    >>> v.descend(problem).converged
    True
    """
    size = _step_size(problem, preconditioned) if step is None else check_number("step", step, low=1e-12)
    limit = int(check_number("iterations", iterations, low=1, integer=True))
    band = problem.band
    u = torch.zeros(band.grid.shape, dtype=torch.float64) if start is None else band.projected(start)
    rows = [_row(problem, u, size)]
    while len(rows) <= limit and not rows[-1][0] < tolerance:
        downhill, tried = problem.direction(u, preconditioned), size
        for _ in range(HALVINGS if backtracking else 1):
            trial = u - tried * downhill
            row = _row(problem, trial, tried)
            if not backtracking or not (_rises(rows[-1], row) or _overshoots(problem, u, trial, downhill)):
                break
            tried /= 2
        if _rises(rows[-1], row):
            raise _too_large(problem, u, row[-1], len(rows), preconditioned)
        moved = band.norm(trial - u) / max(band.norm(trial), 1e-300)
        u = trial
        rows.append(row)
        if problem.exact is None and moved < tolerance:
            return Descent(u, _history(rows), True)
    return Descent(u, _history(rows), rows[-1][0] < tolerance)


def largest_curvature(problem: GridProblem, u: Values, *, iterations: int = 30, seed: int = 0) -> float:
    """The largest second derivative of E at u in H^1, by power iteration on (I - Lap)^(-1) D^2 E(u): an M near u.

    >>> v = ll.discovery.variational
    >>> problem = v.grid_problem(v.instance("V1"), v.cosines(1, half_waves=2), v.Band(16, 1))
    >>> round(v.largest_curvature(problem, problem.exact), 6)
    1.0
    """
    band, generator = problem.band, torch.Generator().manual_seed(int(check_number("seed", seed, low=0, integer=True)))
    v = band.projected(torch.randn(band.grid.shape, generator=generator, dtype=torch.float64))
    value = math.nan
    for _ in range(int(check_number("iterations", iterations, low=1, integer=True))):
        v = v / band.norm(v)
        along = torch.func.jvp(problem.operator, (u,), (v,))[1]
        v = inverse_fourier(along / band.weight, band.grid)
        value = band.norm(v)
    return value


def plain_step(problem: GridProblem) -> float:
    """1/(M (1 + |k|^2_max)), stable without the preconditioner.

    >>> v = ll.discovery.variational
    >>> coarse, fine = (v.grid_problem(v.instance("V1"), v.cosines(1, half_waves=2), v.Band(n, 1)) for n in (16, 32))
    >>> v.plain_step(coarse) > 4 * v.plain_step(fine)
    True
    """
    return 1 / (_bounds(problem)[1] * float(problem.band.weight[problem.band.mask].max()))


def _bounds(problem: GridProblem) -> tuple[float, float]:
    largest = float(problem.exact.abs().max()) if problem.exact is not None else 1.0
    low, high = problem.energy.bounds(largest)
    if not math.isfinite(high):
        raise InvalidArgument("the energy's second derivative has no bound M: pass step=, with backtracking=True")
    return low, high


def _step_size(problem: GridProblem, preconditioned: bool) -> float:
    return 2 / sum(_bounds(problem)) if preconditioned else plain_step(problem)


def _operator(energy: Energy, band: Band, u: Values) -> Complex[Tensor, "*modes"]:
    z = band.gradient(u)
    flux = energy.in_slope(band.points, u, z)
    coefficients = fourier(energy.in_value(band.points, u, z), band.grid)
    for axis, slope in enumerate(band.slopes):
        coefficients = coefficients - slope * fourier(flux[..., axis], band.grid)
    return coefficients * band.mask


def _row(problem: GridProblem, u: Values, size: float) -> tuple[float, ...]:
    return problem.error(u), problem.value(u), barron_norm(u, problem.band.grid), size


def _rises(before: tuple[float, ...], after: tuple[float, ...]) -> bool:
    # not "<=": an energy that is not a number has risen too
    return not after[1] <= before[1] + ROUNDING * max(abs(before[1]), abs(after[1]))


def _overshoots(problem: GridProblem, u: Values, trial: Values, downhill: Values) -> bool:
    """Whether E climbs at the trial, half as fast as it fell: energies near the minimum differ by rounding alone."""
    fell, falls = (
        float((inverse_fourier(problem.operator(at) - problem.source, problem.band.grid) * downhill).mean())
        for at in (u, trial)
    )
    return -falls > STEEPEST * fell


def _too_large(problem: GridProblem, u: Values, size: float, iteration: int, preconditioned: bool) -> StepTooLarge:
    curvature = largest_curvature(problem, u)
    scale = "" if preconditioned else ", times 1 + |k|^2 without the preconditioner"
    return StepTooLarge(
        f"step {size:.4g} makes the energy rise at iteration {iteration}: its curvature there is about "
        f"M = {curvature:.4g}{scale}; take a step below 2/M, or backtracking=True"
    )


def _history(rows: Sequence[tuple[float, ...]]) -> xr.Dataset:
    error, energy, barron, size = zip(*rows, strict=True)
    return labelled(
        error=("iteration", error, "relative error in H1"),
        energy=("iteration", energy, "energy"),
        barron=("iteration", barron, "Barron norm (2 pi convention)"),
        step=("iteration", size, "step size"),
        iteration=("iteration", range(len(rows)), "iteration"),
    )
