"""Nonlinear terms N(v) whose form is known, coefficients to coefficients: written in torch, and run in machine code.

    PolynomialTerm        N(v) = symbol F[p(u)], on an interval
    VorticityTransport    N(w) = f - u . grad w, in the plane

Each is a function for any tensors, on any device and with gradients. `compiled` gives the same steps of ETDRK4 as
machine code (`limitlab.solvers.pde.native`) where they can be had: on the CPU, where no gradient is asked, for numbers
of points that are powers of two, in one precision; elsewhere None.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor

from limitlab.solvers.derivatives import is_watched
from limitlab.solvers.pde.native import is_transformed
from limitlab.spaces.grid import Grid
from limitlab.spaces.transforms import dealias_mask, derivative_symbol, fourier, inverse_fourier, wavenumbers

March = Callable[[Tensor, int], Tensor]
"""Coefficients, and a number of steps, to coefficients."""


@dataclass(frozen=True)
class PolynomialTerm:
    """symbol F[p(u)] of the truncated state, truncated: p(u) = powers[0] + powers[1] u + ...; mask: of the waves kept.

    >>> from limitlab.solvers.pde.terms import PolynomialTerm
    >>> grid = ll.spaces.Grid.uniform(8)
    >>> square = PolynomialTerm(grid, torch.ones(5, dtype=torch.complex128), (0.0, 0.0, 1.0))
    >>> u = torch.rand(2, 8, dtype=torch.float64)
    >>> bool(torch.allclose(ll.spaces.inverse_fourier(square(ll.spaces.fourier(u, grid)), grid), u**2))
    True
    """

    grid: Grid
    symbol: Complex[Tensor, " mode"]
    powers: tuple[float, ...]
    mask: Bool[Tensor, " mode"] | None = None

    def __call__(self, spectrum: Complex[Tensor, "*batch mode"]) -> Complex[Tensor, "*batch mode"]:
        u = inverse_fourier(spectrum if self.mask is None else spectrum * self.mask, self.grid)
        parts = [factor * u**power for power, factor in enumerate(self.powers) if factor]
        term = self.symbol * fourier(sum(parts, torch.zeros_like(u)), self.grid)
        return term if self.mask is None else term * self.mask

    def compiled(self, scheme: Sequence[Tensor], state: Complex[Tensor, "batch mode"]) -> March | None:
        """Steps with these coefficients of ETDRK4, or None."""
        kept = _columns(self.mask, self.symbol.shape)
        # a half of the points is transformed, and none is no length
        lengths = [size // 2 if size % 2 == 0 else 0 for size in self.grid.shape]
        whole = self.grid.dimension == 1 and self.symbol.shape == state.shape[1:]
        if not whole or kept is None or not _runs_natively(state, scheme, [self.symbol], lengths):
            return None
        from limitlab.solvers.pde.native.line import line_march

        return line_march(scheme, self.symbol, self.powers or (0.0,), self.grid.shape[0], kept)


class VorticityTransport:
    """f - u . grad w on a periodic plane, of the truncated w; f whole.

    dealias: whether to truncate, before and after the products, by the 2/3 rule.

    >>> from limitlab.solvers.pde.terms import VorticityTransport
    >>> grid = ll.spaces.Grid.uniform(16, dimension=2, lengths=2 * torch.pi)
    >>> shear = torch.sin(grid.points()[..., 1])
    >>> transport = VorticityTransport(grid, torch.zeros_like(shear))
    >>> bool(transport(ll.spaces.fourier(shear, grid)).abs().max() < 1e-15)
    True
    """

    def __init__(self, grid: Grid, forcing: Float[Tensor, "*#batch x y"], dealias: bool = True) -> None:
        kx, ky = wavenumbers(grid, forcing.dtype, forcing.device)
        self.grid = grid
        self.mask = dealias_mask(grid, device=forcing.device) if dealias else None
        mask = torch.ones((), device=forcing.device) if self.mask is None else self.mask
        self.velocity = velocity_symbol(grid, forcing) * mask
        self.of_product, self.of_difference = (kx**2 - ky**2) * mask, kx * ky * mask
        self.forcing = fourier(forcing, grid)

    def __call__(self, spectrum: Complex[Tensor, "*batch kx ky"]) -> Complex[Tensor, "*batch kx ky"]:
        u, v = (inverse_fourier(spectrum * component, self.grid) for component in self.velocity)
        # v^2 - u^2, without the loss of digits where the two are close
        product, difference = fourier(u * v, self.grid), fourier((v - u) * (v + u), self.grid)
        return self.of_product * product + self.of_difference * difference + self.forcing

    def compiled(self, scheme: Sequence[Tensor], state: Complex[Tensor, "batch kx ky"]) -> March | None:
        """Steps with these coefficients of ETDRK4, or None."""
        kept = _columns(self.mask, self.velocity.shape[1:])
        # the wave of half the points is real, which the rows leave out
        if not kept or kept > self.grid.shape[1] // 2 or self.velocity.shape[1:] != state.shape[1:]:
            return None
        term = [self.velocity, self.of_product, self.of_difference, self.forcing]
        fits = self.forcing.dim() == 3 and len(self.forcing) in (1, len(state))
        if not fits or not _runs_natively(state, scheme, term, self.grid.shape):
            return None
        from limitlab.solvers.pde.native.plane import plane_march

        symbols = [*self.velocity.imag, self.of_product, self.of_difference]
        return plane_march(scheme, symbols, self.forcing.expand_as(state), self.grid.shape[1], kept)


def velocity_symbol(grid: Grid, like: Tensor) -> Complex[Tensor, "2 kx ky"]:
    """From w to (psi_y, -psi_x), -Laplacian psi = w."""
    kx, ky = wavenumbers(grid, like.dtype, like.device)
    squared = kx**2 + ky**2
    # the mean vorticity of a periodic flow is zero, and has no stream function
    reciprocal = torch.where(squared > 0, 1 / squared.where(squared > 0, torch.ones_like(squared)), 0.0)
    dx, dy = (derivative_symbol(grid, axis, 1, like.dtype, like.device) for axis in (0, 1))
    return torch.stack([dy * reciprocal, -dx * reciprocal])


def _columns(mask: Bool[Tensor, "*modes"] | None, shape: Sequence[int]) -> int | None:
    """How many of the last axis' waves a mask keeps, or None where they are not the lowest."""
    if mask is None:
        return shape[-1]
    columns = mask.flatten(0, -2).any(0) if mask.dim() > 1 else mask
    kept = int(columns.sum())
    return kept if bool(columns[:kept].all()) else None


def _runs_natively(state: Tensor, scheme: Sequence[Tensor], term: Sequence[Tensor], lengths: Sequence[int]) -> bool:
    """Whether plain numbers in memory, of one precision, whose gradient nobody asks, on grids that halve."""
    tensors = [state, *scheme, *term]
    if (
        not state.numel()
        or scheme[0].shape != state.shape[1:]
        or any(tensor.device.type != "cpu" for tensor in tensors)
    ):
        return False
    if {tensor.dtype.to_real() for tensor in tensors} not in ({torch.float32}, {torch.float64}):
        return False
    if any(map(is_watched, tensors)):
        return False
    return all(map(is_transformed, lengths))
