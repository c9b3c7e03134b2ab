"""Evolution equations of one field or several, on an interval or in the plane, each a row of data.

    u_t = D (u_xx + u_yy) + u - u^3                        one field in the plane
    u_t = v;  v_t = c^2 (u_xx + u_yy)                      the wave equation as a system of first order

Periodic boxes use Fourier's waves; a box of cells has walls without flux, and cosines (`limitlab.solvers.pde.bases`).
The linear terms of a field in its own equation are integrated exactly (ETDRK4), all others pseudo-spectrally; a system
without any other is propagated exactly. Both come from the text, and so does the residual.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument
from limitlab.problems.pde.laws import evaluate_text
from limitlab.problems.pde.periodic import time_derivative
from limitlab.problems.pde.problem import EvolvingFields
from limitlab.solvers.pde.bases import Basis, Orders, basis_of
from limitlab.solvers.pde.propagator import propagate
from limitlab.solvers.pde.spectral import integrate_spectral
from limitlab.spaces.grid import Grid

if TYPE_CHECKING:
    import xarray

    from limitlab.problems.compiled.system_terms import SystemTerms


@dataclass(frozen=True, kw_only=True)
class SpectralSystem(EvolvingFields):
    """Equations `u_t = ...; v_t = ...` for all fields, in their order, with the law of their initial values.

    axis_kind: "periodic", or "cells" between walls without flux. dt: longest step. minimum_resolution: of the solver's
    grid. solution: text of one exact solution, one a field, in x, y, t and the parameters.
    """

    dt: float
    minimum_resolution: int = 32
    solution: tuple[str, ...] = ()

    @property
    def keep(self) -> float:
        """Share of the modes of a grid that the products of the equations leave clean."""
        return self.terms().keep

    def solver(self) -> tuple[str, float]:
        return "exact propagator" if self._is_linear() else "ETDRK4", self.dt

    def solve(
        self, initial: Float[Tensor, "batch field *grid"], times: np.ndarray | None = None, *, dt: float | None = None
    ) -> Float[Tensor, "batch time field *grid"]:
        """Trajectories from initial values of your own on this problem's grid, at `times` (left out: the stored times).

        Solved in double precision on the solver's grid; the result has the dtype of `initial`. Raises InvalidArgument.
        """
        expected = (len(self.fields), *(initial.shape[-1],) * self.dimension)
        if tuple(initial.shape[1:]) != expected or not bool(torch.isfinite(initial).all()):
            raise InvalidArgument(f"initial must be finite and (batch, field, *grid); got shape {tuple(initial.shape)}")
        grid = self.grid(initial.shape[-1])
        size = self.solver_resolution(grid.shape[0])
        state = basis_of(grid).resample(initial.double(), grid, size)
        moments = self.times if times is None else times
        values = self.integrate(state, grid.at(size), moments, resolution=grid.shape[0], dt=dt)
        return values.to(initial.dtype)

    def integrate(
        self,
        state: Float[Tensor, "batch field *points"],
        grid: Grid,
        times: np.ndarray,
        *,
        dt: float | None = None,
        resolution: int | None = None,
        first: int = 0,
    ) -> Float[Tensor, "batch time field *grid"]:
        """Trajectories computed on the very grid of the initial values, then reduced to `resolution` points."""
        symbols, nonlinear = self.tendency(grid, state)
        if self._is_linear():
            matrices = symbols.movedim((0, 1), (-2, -1))
            return propagate(state, grid, matrices, times, resolution=resolution, first=first)
        own = torch.stack([symbols[i, i] for i in range(len(self.fields))])
        own = own.real if own.is_complex() and not bool(own.imag.any()) else own
        step = self.dt if dt is None else dt
        return integrate_spectral(state, grid, own, nonlinear, times, dt=step, resolution=resolution, first=first)

    def exact(self, resolution: int | None = None) -> xarray.Dataset:
        """The exact solution that the problem knows, as one sample; raises InvalidArgument where there is none."""
        if not self.solution:
            raise InvalidArgument(f"no exact solution of {self.name} is known here")
        grid, times = self.grid(resolution), torch.from_numpy(self.times)
        arrays = {
            name: evaluate_text(text, grid, times, self.values)[None]
            for name, text in zip(self.names, self.solution, strict=True)
        }
        return self.label(arrays, grid, seed=0, first=0, solver="exact", solver_resolution=grid.shape[0], dt=0.0)

    def residuals_of(
        self, grid: Grid, *, time: Float[Tensor, " time"] | None = None, **fields: Tensor
    ) -> dict[str, Float[Tensor, "batch time *grid"]]:
        """Left side minus right side of every equation: spectral in space, fourth-order differences of the frames."""
        if time is None:
            raise InvalidArgument(f"the residual of {self.name} needs the times of the frames")
        state = torch.stack([fields[name] for name in self.names], 2)
        symbols, nonlinear = self.tendency(grid, state, dealias=False)
        basis = basis_of(grid)
        spectrum = basis.transform(state.flatten(0, 1), grid)
        right = symbols.diagonal(dim1=0, dim2=1).movedim(-1, 0) * spectrum
        if nonlinear is not None:
            right = right + nonlinear(spectrum)
        right = basis.inverse(right.to(spectrum.dtype), grid).reshape(state.shape)
        return dict(zip(self.names, (time_derivative(state, time) - right).unbind(2), strict=True))

    def reduced(self, values: Tensor, grid: Grid, resolution: int) -> Tensor:
        """Values on a coarser grid, by truncation of their series."""
        return basis_of(grid).resample(values, grid, resolution)

    def solver_resolution(self, resolution: int) -> int:
        """Points of the solver's grid along an axis."""
        return max(2 * resolution, self.minimum_resolution)

    def terms(self) -> SystemTerms:
        """The equations taken apart."""
        from limitlab.problems.compiled.system_terms import system_terms

        return system_terms(self.equation, self.names, tuple(self.values), self.dimension)

    def tendency(
        self, grid: Grid, like: Tensor, dealias: bool = True
    ) -> tuple[Tensor, Callable[[Tensor], Tensor] | None]:
        """Symbols (equation, field, *modes) of the linear terms, and what is not in their diagonal, on coefficients.

        dealias: truncate before and after products, by the 2/3 rule (cubic terms: 1/2).
        """
        from limitlab.problems.compiled.system_terms import require_no_growth

        terms, basis = self.terms(), basis_of(grid)
        rows = terms.numbers(self.values)
        require_no_growth(rows, self.dimension)
        symbols = torch.zeros(len(rows), len(rows), *basis.layout(grid), dtype=torch.complex128)
        for i, row in enumerate(rows):
            for (j, orders), coefficient in row.items():
                symbols[i, j] += coefficient * basis.symbol(grid, orders)
        is_real = not bool(symbols.imag.any())
        real = like.real.dtype
        symbols = (symbols.real if is_real else symbols).to(like.device, real if is_real else real.to_complex())
        coupled = [(i, j) for i, row in enumerate(rows) for j in {j for j, _ in row} if j != i]
        products = _Products(self, grid, basis, like, dealias) if any(terms.fluxes) else None
        if products is None and not coupled:
            return symbols, None

        def others(spectrum: Tensor) -> Tensor:
            parts = torch.zeros_like(spectrum) if products is None else products(spectrum)
            for i, j in coupled:
                parts[:, i] += symbols[i, j] * spectrum[:, j]
            return parts

        return symbols, others

    def _is_linear(self) -> bool:
        return not any(self.terms().fluxes)


class _Products:
    """The terms that are no linear ones, pseudo-spectrally: coefficients (batch, field, *modes) to coefficients."""

    def __init__(self, problem: SpectralSystem, grid: Grid, basis: Basis, like: Tensor, dealias: bool) -> None:
        terms = problem.terms()
        self._names, self._fluxes, self._grid, self._basis = problem.names, terms.fluxes, grid, basis
        self._mask = basis.mask(grid, terms.keep).to(like.device) if dealias else None
        points = grid.points(like.dtype, like.device)
        self._values: dict[str, Any] = {
            **{name: torch.tensor(value, dtype=torch.float64) for name, value in problem.values.items()},
            **dict(zip(grid.names, points.unbind(-1), strict=True)),
        }
        self._like, self._symbols = like, dict[Orders, Tensor]()

    def __call__(self, spectrum: Tensor) -> Tensor:
        if self._mask is not None:
            spectrum = spectrum * self._mask
        fields = self._basis.inverse(spectrum, self._grid).unbind(1)
        known = list(zip(fields, spectrum.unbind(1), strict=True))

        def differentiate(values: Tensor, axis: str, order: int) -> Tensor:
            # the fields themselves are transformed already
            coefficients = next((c for field, c in known if field is values), None)
            if coefficients is None:
                coefficients = self._basis.transform(values.expand(fields[0].shape), self._grid)
            orders = tuple(order if name == axis else 0 for name in self._grid.names)
            return self._basis.inverse(coefficients * self._symbol(orders), self._grid)

        values = {**self._values, **dict(zip(self._names, fields, strict=True))}
        result = torch.zeros_like(spectrum)
        for row, parts in enumerate(self._fluxes):
            for orders, flux in parts.items():
                product = torch.as_tensor(flux(values, differentiate)).to(fields[0]).expand_as(fields[0])
                part = self._basis.transform(product, self._grid)
                result[:, row] += part * self._symbol(orders) if any(orders) else part
        return result if self._mask is None else result * self._mask

    def _symbol(self, orders: Sequence[int]) -> Tensor:
        key = tuple(orders)
        if key not in self._symbols:
            symbol = self._basis.symbol(self._grid, key)
            real = self._like.real.dtype
            self._symbols[key] = symbol.to(self._like.device, real.to_complex() if symbol.is_complex() else real)
        return self._symbols[key]
