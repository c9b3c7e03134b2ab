"""Evolution equations u_t = L u + N(u) on a periodic interval, each a row of data: text, parameters, initial law, span.

The linear constant-coefficient terms of the text become the Fourier symbol of an exponential integrator, the others are
evaluated pseudo-spectrally; both come from the symbolic equation, so that generator and residual cannot disagree.
Data are made in double precision on a grid at least twice as fine as asked for, then truncated spectrally.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number
from limitlab.problems.pde.laws import InitialLaw, evaluate_text
from limitlab.problems.pde.problem import Field, PDEProblem
from limitlab.solvers.pde.spectral import dealiased, integrate_spectral
from limitlab.solvers.pde.terms import PolynomialTerm
from limitlab.spaces.grid import Grid
from limitlab.spaces.transforms import dealias_mask, derivative_symbol, fourier, inverse_fourier, spectral_resample

if TYPE_CHECKING:
    import xarray

POINTS_PER_SCALE = 8
POINTS_PER_BATCH = 2**17
U = Field("u", "solution u")


@dataclass(frozen=True, kw_only=True)
class PeriodicProblem(PDEProblem):
    """A 1-D periodic evolution equation `u_t = ...` with its initial law, solved by ETDRK4.

    dt: longest step of the solver. finest_scale: text, width of the sharpest structure; the solver puts 8 points on it.
    warm_up: time integrated before t = 0. solution: text of one exact solution in x, t and the parameters.
    """

    version: int = 2  # of all: machine code rounds otherwise, and chaos shows it
    initial: InitialLaw
    dt: float
    fields: tuple[Field, ...] = (U,)
    operator: tuple[str, str] = ("u", "u")
    finest_scale: str | None = None
    minimum_resolution: int = 32
    warm_up: float = 0.0
    solution: str | None = None

    def simulate(self, samples: int, seed: int = 0, resolution: int | None = None, *, first: int = 0) -> xarray.Dataset:
        """Trajectories `u` (sample, time, x), float32. Raises SolutionBlewUp naming the sample."""
        samples = int(check_number("samples", samples, low=1, integer=True))
        first = int(check_number("first", first, low=0, integer=True))
        grid = self.grid(resolution)
        fine = grid.at(self.solver_resolution(grid.shape[0]))
        chunk = max(1, POINTS_PER_BATCH // fine.shape[0])
        parts = []
        for start in range(first, first + samples, chunk):
            count = min(chunk, first + samples - start)
            state = self.initial.sample(fine, count, seed, start, self.values)
            if self.warm_up > 0:
                state = self.integrate(state, fine, np.array([0.0, self.warm_up]), first=start)[:, -1]
            parts.append(self.integrate(state, fine, self.times, resolution=grid.shape[0], first=start))
        return self.label(
            {"u": torch.cat(parts)},
            grid,
            seed=seed,
            first=first,
            solver="ETDRK4" if self._terms().nonlinear else "exact propagator",
            solver_resolution=fine.shape[0],
            dt=self.dt,
        )

    def solve(
        self, initial: Float[Tensor, "batch x"], times: np.ndarray | None = None, *, dt: float | None = None
    ) -> Float[Tensor, "batch time x"]:
        """Trajectories from initial values of your own on this problem's grid, at `times` (left out: the stored times).

        Solved in double precision on the solver's grid; the result has the device and dtype of `initial`.
        """
        if initial.dim() != 2 or not bool(torch.isfinite(initial).all()):
            raise InvalidArgument(f"initial must be finite and (batch, x); got shape {tuple(initial.shape)}")
        grid = self.grid(initial.shape[-1])
        size = self.solver_resolution(grid.shape[0])
        state = spectral_resample(initial.double(), grid, size)
        moments = self.times if times is None else times
        values = self.integrate(state, grid.at(size), moments, resolution=grid.shape[0], dt=dt)
        return values.to(initial.dtype)

    def integrate(
        self,
        state: Float[Tensor, "batch points"],
        grid: Grid,
        times: np.ndarray,
        *,
        dt: float | None = None,
        resolution: int | None = None,
        first: int = 0,
    ) -> Float[Tensor, "batch time x"]:
        """Trajectories computed on the very grid of the initial values, then reduced to `resolution` points."""
        linear, nonlinear = self.tendency(grid, state)
        return integrate_spectral(
            state,
            grid,
            linear,
            nonlinear,
            times,
            dt=self.dt if dt is None else dt,
            resolution=resolution,
            first=first,
        )

    def exact(self, resolution: int | None = None) -> xarray.Dataset:
        """The exact solution that the problem knows, as one sample; raises InvalidArgument where there is none."""
        if self.solution is None:
            raise InvalidArgument(f"no exact solution of {self.name} is known here")
        grid = self.grid(resolution)
        values = evaluate_text(self.solution, grid, torch.from_numpy(self.times), self.values)[None]
        return self.label({"u": values}, grid, seed=0, first=0, solver="exact", solver_resolution=grid.shape[0], dt=0.0)

    def residual_of(self, grid: Grid, *, time: Float[Tensor, " time"] | None = None, **fields: Tensor) -> Tensor:
        """u_t - L u - N(u) of u (batch, time, x): spectral in x, fourth-order differences of equally spaced frames."""
        u = fields["u"]
        if time is None:
            raise InvalidArgument(f"the residual of {self.name} needs the times of the frames")
        linear, nonlinear = self.tendency(grid, u, dealias=False)
        spectrum = fourier(u, grid)
        right = linear * spectrum if nonlinear is None else linear * spectrum + nonlinear(spectrum)
        return time_derivative(u, time) - inverse_fourier(right, grid)

    def solver_resolution(self, resolution: int) -> int:
        """Points of the solver's grid: at least twice the resolution, and eight on the finest scale."""
        needed = self.minimum_resolution
        if self.finest_scale is not None:
            scale = float(evaluate_text(self.finest_scale, self.grid(2), torch.zeros(1), self.values)[0, 0])
            # a power of two: fast transforms, and grids that nest
            needed = max(needed, 2 ** math.ceil(math.log2(POINTS_PER_SCALE * self.lengths[0] / scale)))
        return max(2 * resolution, needed)

    def tendency(
        self, grid: Grid, like: Tensor, dealias: bool = True
    ) -> tuple[Tensor, Callable[[Tensor], Tensor] | None]:
        """Symbol of the linear terms and function of the others, coefficients to coefficients, on a grid.

        like: gives device and dtype. dealias: truncate before and after products, by the 2/3 rule (cubic terms: 1/2).
        """
        from limitlab.problems.compiled.periodic_terms import fourier_symbol, require_well_posed

        terms = self._terms()
        numbers = {name: torch.tensor(value, dtype=torch.float64) for name, value in self.values.items()}
        coefficients = {order: float(f(numbers, _no_derivative)) for order, f in terms.linear.items()}
        require_well_posed(coefficients)
        symbol = fourier_symbol(coefficients, grid)
        # a real symbol stays real: half the work, and coefficients by the half circle
        precision = like.dtype.to_complex() if symbol.is_complex() else like.dtype
        symbol = symbol.to(like.device, precision)
        if not terms.nonlinear:
            return symbol, None
        derivatives = _Derivatives(grid, like)
        if terms.powers is not None:
            ((order, polynomial),) = terms.powers.items()
            mask = dealias_mask(grid, terms.keep, like.device) if dealias else None
            powers = tuple(float(f(numbers, _no_derivative)) for f in polynomial)
            waves = derivatives[order] if order else torch.ones_like(derivatives[1])
            return symbol, PolynomialTerm(grid, waves, powers, mask)
        x = grid.points(like.dtype, like.device)[..., 0]

        def nonlinear(spectrum: Tensor) -> Tensor:
            u = inverse_fourier(spectrum, grid)

            def differentiate(values: Tensor, axis: str, order: int) -> Tensor:
                # u itself is transformed already
                coefficients = spectrum if values is u else fourier(values, grid)
                return inverse_fourier(coefficients * derivatives[order], grid)

            values = {**numbers, "u": u, "x": x}
            parts = []
            for order, flux in terms.nonlinear.items():
                part = fourier(torch.as_tensor(flux(values, differentiate)).to(u).expand_as(u), grid)
                parts.append(part * derivatives[order] if order else part)
            return sum(parts[1:], parts[0])

        return symbol, dealiased(nonlinear, grid, terms.keep, like.device) if dealias else nonlinear

    @property
    def keep(self) -> float:
        """Share of the modes of a grid that the products of the equation leave clean."""
        return self._terms().keep

    def _terms(self) -> Terms:
        return terms_of(self.equation, tuple(self.values))


class Terms(NamedTuple):
    """An equation as torch functions: coefficients of linear derivatives, fluxes of the rest, share of modes kept.

    powers: of the one flux that is a polynomial in u, its coefficients from that of u^0 on; None for other equations.
    """

    linear: dict[int, Callable[..., Any]]
    nonlinear: dict[int, Callable[..., Any]]
    keep: float
    powers: dict[int, list[Callable[..., Any]]] | None


@lru_cache(maxsize=64)
def terms_of(equation: str, parameters: tuple[str, ...]) -> Terms:
    """The text split into coefficients of linear derivatives and fluxes of the rest, by order of the derivative."""
    import sympy

    from limitlab.problems.compiled.periodic_terms import degree, fluxes, linear_split, powers_of, torch_function
    from limitlab.problems.text.grammar import parse_equation

    parsed = parse_equation(equation, parameters=parameters)
    t, x = sympy.Symbol("t", real=True), sympy.Symbol("x", real=True)
    u = sympy.Function("u", real=True)(t, x)
    if parsed.lhs != sympy.Derivative(u, t):
        raise InvalidArgument(f"an evolution equation reads 'u_t = ...'; got {equation!r:.80}")
    right = parsed.rhs
    in_time = any(t in {v for v, _ in d.variable_count} for d in right.atoms(sympy.Derivative))
    if in_time or t in right.subs(u, sympy.Symbol("u")).free_symbols:
        raise InvalidArgument(f"the right side may hold u, its x derivatives and x, but no t; got {equation!r:.80}")
    linear, rest = linear_split(right, (u,))
    parts = {order: flux for (order,), flux in fluxes(rest).items()}
    powers = {order: powers_of(flux, u) for order, flux in parts.items()}
    is_known = len(parts) == 1 and None not in powers.values()
    return Terms(
        linear={order: torch_function(c) for (_, (order,)), c in linear.items() if c != 0},
        nonlinear={order: torch_function(flux) for order, flux in parts.items()},
        # Orszag's rule: a product of d factors needs 2/(d + 1)
        keep=2 / (max(2, degree(rest)) + 1),
        powers={order: [torch_function(c) for c in found or ()] for order, found in powers.items()}
        if is_known
        else None,
    )


class _Derivatives(dict):
    """Symbols (i k)^n of a grid by order n, made when first asked for."""

    def __init__(self, grid: Grid, like: Tensor) -> None:
        super().__init__()
        self._grid, self._like = grid, like

    def __missing__(self, order: int) -> Tensor:
        symbol = derivative_symbol(self._grid, 0, order, self._like.dtype, self._like.device)
        self[order] = symbol
        return symbol


def time_derivative(
    u: Float[Tensor, "batch time *grid"], times: Float[Tensor, " time"]
) -> Float[Tensor, "batch time *grid"]:
    """u_t from equally spaced frames by five-point differences: fourth order, one-sided near the first and the last."""
    frames = u.shape[1]
    if frames < 5:
        raise InvalidArgument(f"a fourth-order time difference needs at least 5 frames; got {frames}")
    # from the ends: a difference of neighbours has their rounding
    step = (times[-1] - times[0]).to(u) / (frames - 1)
    at_start = u.new_tensor([[-25.0, 48.0, -36.0, 16.0, -3.0], [-3.0, -10.0, 18.0, -6.0, 1.0]])
    first = torch.einsum("fs,bs...->bf...", at_start, u[:, :5])
    central = u[:, :-4] - 8 * u[:, 1:-3] + 8 * u[:, 3:-1] - u[:, 4:]
    last = torch.einsum("fs,bs...->bf...", -at_start.flip(0, 1), u[:, -5:])
    return torch.cat([first, central, last], dim=1) / (12 * step)


def cole_hopf(
    initial: Float[Tensor, "batch x"], grid: Grid, times: Float[Tensor, " time"], nu: float
) -> Float[Tensor, "batch time x"]:
    """Exact solution of u_t + u u_x = nu u_xx: u = -2 nu phi_x / phi, where phi solves the heat equation.

    Float64, spectral: the grid must resolve phi_0 = exp(-int u_0 / (2 nu)), whose range also bounds the digits left.
    A mean of u_0 is taken out by a Galilean shift. Source: Cole 1951, Hopf 1950.
    """
    k = derivative_symbol(grid, 0)
    spectrum = fourier(initial.double(), grid)
    mean = spectrum[:, :1].real
    primitive = torch.where(k == 0, torch.zeros_like(spectrum), spectrum / torch.where(k == 0, 1.0, k))
    exponent = -inverse_fourier(primitive, grid) / (2 * nu)
    # scaled by the maximum: phi enters as a quotient, and its exponential overflows
    phi = fourier(torch.exp(exponent - exponent.amax(1, keepdim=True)), grid)
    frames = []
    for time in times.tolist():
        # k is the symbol i k, whose square is negative
        moved = phi * torch.exp((nu * k**2).real * time - mean * k * time)
        frames.append(mean - 2 * nu * inverse_fourier(k * moved, grid) / inverse_fourier(moved, grid))
    return torch.stack(frames, dim=1)


def _no_derivative(values: Tensor, axis: str, order: int) -> Tensor:
    raise AssertionError("a coefficient holds no field")
