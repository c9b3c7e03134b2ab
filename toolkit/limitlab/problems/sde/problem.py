"""Stochastic differential equations dX = a(t, X) dt + b(t, X) dW, Ito or Stratonovich, from one text.

    Stratonovich drift = Ito drift - c,      c_i = 1/2 sum_jk b_jk db_ik/dx_j

The text, such as "dX = theta*(mu - X)*dt + sigma*dW", gives drift and diffusion, what kind of noise it is, and where
they are known moments, stationary density and the solution along a given Brownian path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.labels import labelled
from limitlab.numbers import resolved
from limitlab.problems.base import Facts, Kind
from limitlab.problems.compiled.matrix_field import SymbolicMatrix
from limitlab.problems.compiled.vector_field import MatrixField, Values, VectorField, evaluator, jacobian, vector_field
from limitlab.problems.dynamical import Draws, DynamicalProblem, Times, Trajectories
from limitlab.problems.text.systems import Dynamics, parse_scalar
from limitlab.solvers.sde.fields import Calculus, Noise

if TYPE_CHECKING:
    import sympy
    import xarray

    from limitlab.solvers.sde.brownian import BrownianPath
    from limitlab.solvers.solution import Solution

DENSITY_POINTS = 20_001


@dataclass(frozen=True)
class Density:
    """A stationary density up to its factor, as text in the state, and an interval that holds all but 1e-12 of it."""

    text: str
    low: str
    high: str


@dataclass(frozen=True, kw_only=True)
class SDEProblem(DynamicalProblem):
    """A stochastic system, such as "dX = mu*X*dt + sigma*X*dW".

    calculus: of the text. step_size: of its data, and of the cells of its Brownian path. method: of its data; by the
    noise if left out. solution: one text a state in
    t, parameters, initial values ("X0"), Brownian motions ("W", "W1") and integral(...) from 0 to t.
    mean, variance: one text a state in t, parameters and initial values; or "linear" where drift and noise are linear
    and additive. density: of the stationary law.

    >>> process = ll.problems.get("ornstein_uhlenbeck", span=0.1, frames=3)
    >>> isinstance(process, ll.problems.SDEProblem), process.noise
    (True, 'additive')
    >>> dict(process.simulate(4, seed=0).sizes)
    {'sample': 4, 'time': 3, 'state': 1}
    """

    kind: ClassVar[Kind] = "sde"
    descriptive: ClassVar[frozenset[str]] = DynamicalProblem.descriptive | {"solution", "mean", "variance", "density"}
    solver_options: ClassVar[tuple[str, ...]] = ("method", "step_size")

    version: int = 2  # of all: machine code rounds otherwise
    calculus: Calculus = "ito"
    step_size: float = 0.01
    method: str | None = None
    solution: tuple[str, ...] | None = None
    mean: tuple[str, ...] | Literal["linear"] | None = None
    variance: tuple[str, ...] | None = None
    density: Density | None = None

    @property
    def noise(self) -> Noise:
        """The narrowest kind of the noise that `solve_sde` knows; scalar noise in one dimension counts as diagonal."""
        return _noise_of(self.dynamics())

    @property
    def noises(self) -> int:
        """Number of Brownian motions."""
        return self.sites or len(self.dynamics().noises)

    def drift(self, values: Values | None = None, calculus: Calculus | None = None) -> VectorField:
        """drift(t, y): (..., state) to (..., state), in the asked calculus (else that of the problem)."""
        if calculus is None or calculus == self.calculus:
            return self.field(values)
        sign = 1 if one_of("calculus", calculus, get_args(Calculus)) == "ito" else -1
        corrected = _corrected(self.dynamics(), sign)
        return vector_field(corrected, self.layout(), self.merged(values))

    def diffusion(self, values: Values | None = None, noise: Noise | None = None) -> VectorField | MatrixField:
        """diffusion(t, y): (..., state) for noise of each state's own, else (..., state, noise), as `noise` has it."""
        dynamics, layout = self.dynamics(), self.layout()
        elementwise = (noise or self.noise) in ("diagonal", "additive") and _is_square_diagonal(dynamics.diffusion)
        if dynamics.indexed or elementwise:
            diagonal = tuple(row[k if len(row) > 1 else 0] for k, row in enumerate(dynamics.diffusion))
            return vector_field(diagonal, layout, self.merged(values))
        return SymbolicMatrix(dynamics.diffusion, layout, self.merged(values))

    def facts(self) -> Facts:
        return (*super().facts(), ("calculus", {"ito": "Ito", "stratonovich": "Stratonovich"}[self.calculus]))

    def latex(self) -> str:
        """The system as an array of aligned equations; a circle marks Stratonovich noise."""
        from limitlab.problems.text.notation import system_latex

        return system_latex(self.dynamics(), self.states, self.parameters, self.calculus)

    def brownian(self, samples: int, seed: int = 0, *, first: int = 0, end: float | None = None) -> BrownianPath:
        """The Brownian path that drives samples first, first + 1, ...; it depends on no solver's steps."""
        from limitlab.solvers.sde.brownian import BrownianPath

        end = self.span if end is None else end
        # the path's cells, not the solver's steps: other steps see the same noise
        cells = max(1, round(end / self.step_size))
        grid = np.linspace(0.0, end, cells + 1)
        numbers = range(first, first + samples)
        return BrownianPath(seed, (samples, self.noises), (0.0, end), grid=grid, samples=numbers)

    def solve(
        self,
        initial: Float[Tensor, "batch state"] | None = None,
        times: Times | Sequence[float] | Tensor | None = None,
        *,
        method: str | None = None,
        values: Values | None = None,
        **options: Any,
    ) -> Solution:
        """`limitlab.solvers.solve_sde` of this problem; what is left out is the problem's. options: of `solve_sde`.

        Another calculus is another way to the same process: the drift is converted.
        """
        from limitlab.solvers.sde.solve import solve_sde

        y0 = self.start(self.merged(values)).reshape(-1, self.dimension) if initial is None else initial
        moments = resolved("times", self.stored_times(None, times), y0)
        defaults: dict[str, Any] = {"step_size": self.step_size, "noise": self.noise, "calculus": self.calculus}
        # solve_sde draws nothing without being told from which seed
        if "brownian" not in options and "seed" not in options:
            defaults["seed"] = 0
        return solve_sde(
            self.drift(values, options.get("calculus")),
            self.diffusion(values, options.get("noise")),
            y0,
            moments,
            method=method or self.method or _method_for(self.noise, self.calculus),
            **{**defaults, **options},
        )

    def _solved(self, draws: Draws, times: Times, options: Mapping[str, Any]) -> Trajectories:
        step_size, method = options.get("step_size"), options.get("method")
        step = self.step_size if step_size is None else check_number("step_size", step_size, low=1e-12)
        y0, values = self._drawn(draws)
        path = self.brownian(len(y0), draws.seed, first=draws.first, end=float(times[-1]))
        solution = self.solve(y0, times, method=method, values=values, brownian=path, step_size=step)
        return Trajectories(solution.y, values, {"solver": solution.method, "dt": step})

    def _known(self, draws: Draws, times: Times) -> Trajectories:
        from limitlab.solvers.times import sliver_of

        y0, values = self._drawn(draws)
        end = float(times[-1])
        path = self.brownian(len(y0), draws.seed, first=draws.first, end=end)
        grid = np.linspace(0.0, end, max(1, round(end / self.step_size)) + 1)
        # a stored time that rounding alone parts from the grid is no time of its own
        sliver = sliver_of(times, self.step_size)
        apart = np.abs(times - grid[np.abs(grid[:, None] - times).argmin(0)]) > sliver * self.step_size
        # the integrals of a solution are trapezoids on the whole grid, not on the stored times
        fine = np.union1d(grid, times[apart])
        w = torch.cat([torch.zeros(1, *path.shape, dtype=torch.float64), path.increments(fine)[0].cumsum(0)])
        y = self.solution_at(torch.from_numpy(fine), w.transpose(0, 1), y0, values)
        # the nearest, as equality would fail in the last bit
        stored = np.abs(fine[:, None] - times).argmin(0)
        return Trajectories(y[:, stored], values, {"solver": "exact", "dt": self.step_size})

    def solution_at(
        self,
        t: Float[Tensor, " time"],
        w: Float[Tensor, "batch time noise"],
        y0: Float[Tensor, "batch state"] | None = None,
        values: Values | None = None,
    ) -> Float[Tensor, "batch time state"]:
        """The solution at times t, where the Brownian motions are w; InvalidArgument where none is known."""
        if self.solution is None:
            raise InvalidArgument(f"no solution of {self.name} along a Brownian path is known here")
        values = self.merged(values)
        y0 = self.start(values).reshape(-1, self.dimension) if y0 is None else y0
        batch = max(y0.shape[0], w.shape[0])
        y0, w = y0.expand(batch, -1), w.expand(batch, -1, -1)
        noises = [name[1:] for name in self.dynamics().noises]
        paths = {noises[0]: w} if self.sites else dict(zip(noises, w.unbind(-1), strict=True))
        return self.formula(self.solution, t, y0, values, paths)

    def moments(
        self, times: Times | Sequence[float] | None = None, initial: Float[Tensor, " state"] | None = None
    ) -> xarray.Dataset:
        """`mean` and `variance` (time, state) from a fixed initial value, where they are known."""
        if self.mean is None:
            raise InvalidArgument(f"no moments of {self.name} are known here")
        moments = torch.from_numpy(self.stored_times(None, times))
        y0 = self.initial_value if initial is None else initial
        if self.mean == "linear":
            computed = self._linear_moments(moments, y0)
        else:
            known = [texts for texts in (self.mean, self.variance) if texts]
            computed = [self.formula(texts, moments, y0[None], self.values)[0] for texts in known]
        return labelled(
            {"problem": self.name, "equation": self.equation},
            **{name: ("time state", value, name) for name, value in zip(("mean", "variance"), computed, strict=False)},
            time=("time", moments, "time", self.time_unit),
            state=("state", list(self.components), "component"),
        )

    def _linear_moments(self, t: Tensor, y0: Tensor) -> list[Tensor]:
        """m' = A m + c and P' = A P + P A' + B B', both by matrix exponentials."""
        zero, size = torch.zeros_like(y0), len(y0)
        matrix = jacobian(self.dynamics().drift, self.layout(), self.values)(zero[:1], zero)
        offset = self.drift(calculus="ito")(zero[:1], zero)
        noise = self.diffusion(noise="general")(zero[:1], zero)
        eye = torch.eye(size, dtype=y0.dtype)
        # P' = A P + P A' as a linear equation for the entries of P
        spread = torch.kron(matrix, eye) + torch.kron(eye, matrix)
        mean = _affine_flow(matrix, offset, y0, t)
        covariance = _affine_flow(spread, (noise @ noise.T).flatten(), torch.zeros(size * size, dtype=y0.dtype), t)
        return [mean, covariance.unflatten(-1, (size, size)).diagonal(dim1=-2, dim2=-1)]

    def stationary_density(self, x: Float[Tensor, " point"]) -> Float[Tensor, " point"]:
        """The density of the stationary law at x. Raises InvalidArgument where it is not known."""
        if self.density is None:
            raise InvalidArgument(f"no stationary density of {self.name} is known here")
        layout = self.layout()
        low, high = (float(self.evaluate((text,), self.values, {})) for text in (self.density.low, self.density.high))
        shape = parse_scalar(self.density.text, tuple(self.values), states=layout.states)
        run = evaluator((shape,), layout).bind(self.values)
        points = torch.linspace(low, high, DENSITY_POINTS, dtype=torch.float64)
        heights, at_x = (run(torch.zeros(()), values.double()[:, None])[0] for values in (points, x))
        return torch.as_tensor(at_x) / torch.trapezoid(torch.as_tensor(heights), points)


def _affine_flow(matrix: Tensor, offset: Tensor, start: Tensor, t: Tensor) -> Float[Tensor, "time state"]:
    """x' = matrix x + offset from start, at times t."""
    size = len(start)
    whole = torch.zeros(size + 1, size + 1, dtype=start.dtype)
    # the offset as a column: one exponential of [[A, c], [0, 0]], also where A is singular
    whole[:size, :size], whole[:size, size] = matrix, offset
    flow = torch.linalg.matrix_exp(whole * t[:, None, None])
    return flow[:, :size, :size] @ start + flow[:, :size, size]


@lru_cache(maxsize=256)
def _noise_of(dynamics: Dynamics) -> Noise:
    import sympy

    if dynamics.indexed:
        return "diagonal"
    symbols = [sympy.Symbol(name, real=True) for name in dynamics.states]
    rows = dynamics.diffusion
    if not any(entry.free_symbols & set(symbols) for row in rows for entry in row):
        return "additive"
    if _is_square_diagonal(rows) and all(rows[k][k].free_symbols & set(symbols) <= {s} for k, s in enumerate(symbols)):
        return "diagonal"
    if len(rows[0]) == 1:
        return "scalar"
    matrix = sympy.Matrix(rows)
    columns = [matrix[:, k] for k in range(matrix.shape[1])]
    along = [[column.jacobian(symbols) * other for other in columns] for column in columns]
    pairs = [(j, k) for k in range(len(columns)) for j in range(k)]
    commute = all(_vanishes(entry) for j, k in pairs for entry in along[j][k] - along[k][j])
    return "commutative" if commute else "general"


def _vanishes(expression: sympy.Expr) -> bool:
    """Whether an expression is zero for all values of its symbols."""
    import sympy

    expanded = sympy.expand(expression)
    symbols = sorted(expanded.free_symbols, key=str)
    point = {symbol: sympy.Rational(7 + 3 * k, 11 + 5 * k) for k, symbol in enumerate(symbols)}
    # simplifying takes seconds, and one point tells nearly everything that is not zero
    value = expanded.subs(point).evalf()
    if value.is_Float and abs(value) > 1e-9:
        return False
    return bool(expanded == 0 or sympy.simplify(expanded) == 0)


def _is_square_diagonal(rows: tuple[tuple[sympy.Expr, ...], ...]) -> bool:
    size = len(rows)
    return len(rows[0]) == size and all(rows[i][j] == 0 for i in range(size) for j in range(size) if i != j)


def _method_for(noise: Noise, calculus: Calculus) -> str:
    if noise == "additive":
        return "sra1"
    if calculus == "stratonovich":
        return "heun"
    return "euler_maruyama" if noise == "general" else "milstein"


@lru_cache(maxsize=256)
def _corrected(dynamics: Dynamics, sign: int) -> tuple[sympy.Expr, ...]:
    """Drift plus sign times the correction 1/2 sum_jk b_jk db_ik/dx_j."""
    import sympy

    from limitlab.problems.text.systems import site_symbol

    if dynamics.indexed:
        pairs = [
            (drift, row[0], site_symbol(name))
            for name, drift, row in zip(dynamics.states, dynamics.drift, dynamics.diffusion, strict=True)
        ]
        return tuple(drift + sign * sympy.diff(b, x) * b / 2 for drift, b, x in pairs)
    symbols = [sympy.Symbol(name, real=True) for name in dynamics.states]
    return tuple(
        drift
        + sign
        * sum(
            dynamics.diffusion[j][k] * sympy.diff(dynamics.diffusion[i][k], symbol)
            for j, symbol in enumerate(symbols)
            for k in range(len(dynamics.noises))
        )
        / 2
        for i, drift in enumerate(dynamics.drift)
    )
