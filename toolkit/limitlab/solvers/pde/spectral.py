"""Time integration of v_t = L v + N(v) on periodic grids: L diagonal in Fourier space, N evaluated pseudo-spectrally.

Between walls without flux, on grids of cells, cosines take the place of Fourier's waves.

Fourth-order exponential time differencing (ETDRK4; Cox & Matthews 2002, Kassam & Trefethen 2005). With z = L dt:

    a = e^(z/2) v + Q N(v),    b = e^(z/2) v + Q N(a),    c = e^(z/2) a + Q (2 N(b) - N(v)),
    v' = e^z v + f1 N(v) + 2 f2 (N(a) + N(b)) + f3 N(c),

    Q  = dt (e^(z/2) - 1) / z,                       f1 = dt (-4 - z + e^z (4 - 3 z + z^2)) / z^3,
    f2 = dt (2 + z + e^z (z - 2)) / z^3,             f3 = dt (-4 - 3 z - z^2 + e^z (4 - z)) / z^3.

Near z = 0 these cancel, so each is the mean over a circle of radius one around z. For a real L the upper half circle
and the real part suffice; for a complex L the coefficients are complex; their real part would lose three orders.

Where the time goes, for one N of one vorticity on 128 x 128 points in double precision, in microseconds of one thread:

    N called, in torch          690    four real transforms 390, products 150, stages 65, coefficients of steps 55
    N of `terms`, compiled      120    rows 65, columns 50; in both, the transforms are three fifths

A call of torch reads and writes whole fields, which leave the cache; machine code (`limitlab.solvers.pde.native`) runs
four samples side by side, eight in single precision, and passes over a field twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number, digits
from limitlab.interruption import ask_to_go_on
from limitlab.solvers.derivatives import is_watched
from limitlab.solvers.failures import SolutionBlewUp
from limitlab.solvers.pde.bases import basis_of
from limitlab.solvers.pde.terms import March
from limitlab.solvers.times import sliver_of
from limitlab.spaces.grid import Grid
from limitlab.spaces.transforms import dealias_mask

CONTOUR_POINTS = 32  # the trapezoid rule on a circle converges geometrically: these reach round-off
STEPS_BETWEEN_CHECKS = 64


class ETDRK4Coefficients(NamedTuple):
    """e^z, e^(z/2), Q, f1, f2, f3 of the module's formulas, each of L's shape."""

    exponential: Tensor
    half_exponential: Tensor
    q: Tensor
    f1: Tensor
    f2: Tensor
    f3: Tensor

    def step(self, state: Tensor, nonlinear: Callable[[Tensor], Tensor]) -> Tensor:
        """Coefficients one step later."""
        at_start = nonlinear(state)
        decayed = self.half_exponential * state
        a = decayed + self.q * at_start
        at_a = nonlinear(a)
        at_b = nonlinear(decayed + self.q * at_a)
        c = self.half_exponential * a + self.q * (2 * at_b - at_start)
        return self.exponential * state + self.f1 * at_start + 2 * self.f2 * (at_a + at_b) + self.f3 * nonlinear(c)


@runtime_checkable
class Compilable(Protocol):
    """A nonlinear term that may know its steps in machine code (`limitlab.solvers.pde.terms`)."""

    def compiled(self, scheme: Sequence[Tensor], state: Tensor) -> March | None:
        """Steps with these coefficients, from states like this one, or None where the term has to be called."""


def integrate_spectral(
    initial: Tensor,
    grid: Grid,
    linear: Tensor,
    nonlinear: Callable[[Tensor], Tensor] | None,
    times: Sequence[float] | np.ndarray | Tensor,
    *,
    dt: float,
    resolution: int | Sequence[int] | None = None,
    first: int = 0,
) -> Float[Tensor, "batch time *state"]:
    """Solution of v_t = L v + N(v) at `times`, where times[0] belongs to the initial value; exact when N is None.

    initial: (batch, *grid) real values, (batch, field, *grid) of a system, or coefficients of `fourier` in place of
    values; double precision advised. linear: (*modes) or (field, *modes) symbol L, real or complex, in the layout of
    the transform. nonlinear: coefficients -> coefficients.
    dt: longest step; each interval between times is cut into equal steps that land on its end.
    resolution: of the result, reduced by spectral truncation (the grid's when left out). first: number of the first
    sample, used in messages. Raises SolutionBlewUp naming sample and time, InvalidArgument.
    Source: Kassam & Trefethen 2005.
    """
    dt = check_number("dt", dt, low=1e-12)
    moments = [float(moment) for moment in times]
    if not moments or any(not later > earlier for earlier, later in pairwise(moments)):
        raise InvalidArgument(f"times must increase strictly; got {moments[:8]}")
    sliver = sliver_of(np.array(moments), dt, "dt")
    basis = basis_of(grid)
    coefficients = initial if initial.is_complex() else basis.transform(initial, grid)
    layout = basis.layout(grid)
    fields = coefficients.dim() - grid.dimension - 1
    if fields not in (0, 1) or tuple(coefficients.shape[1 + fields :]) != layout:
        raise InvalidArgument(
            f"initial must be (batch, *{grid.shape}) or (batch, *{layout}); got {tuple(initial.shape)}"
        )

    def stored(state: Tensor) -> Tensor:
        values = basis.inverse(state, grid)
        return values if resolution is None else basis.resample(values, grid, resolution)

    _require_finite(coefficients, moments[0], moments[0], first)
    frames = [stored(coefficients)]
    state, marches = coefficients, {}
    for start, end in pairwise(moments):
        if nonlinear is None:
            # from the very start: products of exponentials would add up their rounding
            state = coefficients * torch.exp(linear * (end - moments[0]))
            _require_finite(state, start, end, first)
        else:
            # an interval that is a multiple of dt but for rounding gets no step more
            steps = max(1, math.ceil((end - start) / dt - sliver))
            step_size = (end - start) / steps
            # equal intervals have lengths that differ in the last bit, and one scheme
            key = round(step_size, 15)
            if key not in marches:
                marches[key] = _march(etdrk4_coefficients(linear, step_size), nonlinear, state)
            state = _advance(state, marches[key], steps, (start, end), first)
        frames.append(stored(state))
    return torch.stack(frames, dim=1)


def etdrk4_coefficients(linear: Float[Tensor, "*modes"] | Complex[Tensor, "*modes"], dt: float) -> ETDRK4Coefficients:
    """Coefficients of one step of length dt for the symbol L; real exactly when L is."""
    if not linear.is_complex() and linear.dim() > 1 and not is_watched(linear):
        # in the plane many waves are as long as each other
        lengths, places = linear.unique(return_inverse=True)
        return ETDRK4Coefficients(*(coefficient[places] for coefficient in _on_circles(lengths, dt)))
    return _on_circles(linear, dt)


def _on_circles(linear: Tensor, dt: float) -> ETDRK4Coefficients:
    # in double whatever the state is: the quotients below cancel three leading terms
    z = linear.to(torch.complex128 if linear.is_complex() else torch.float64) * dt
    # halfway between: on the upper half circle the points then stand for their mirror images too
    points = torch.arange(CONTOUR_POINTS, dtype=torch.float64, device=z.device) + 0.5
    angles = points * ((2 if linear.is_complex() else 1) * math.pi / CONTOUR_POINTS)
    r = z[..., None] + torch.exp(1j * angles)
    e = torch.exp(r)

    def mean(values: Tensor) -> Tensor:
        average = dt * values.mean(-1)
        return (average if linear.is_complex() else average.real).to(linear.dtype)

    return ETDRK4Coefficients(
        exponential=torch.exp(z).to(linear.dtype),
        half_exponential=torch.exp(z / 2).to(linear.dtype),
        q=mean((torch.exp(r / 2) - 1) / r),
        f1=mean((-4 - r + e * (4 - 3 * r + r**2)) / r**3),
        f2=mean((2 + r + e * (r - 2)) / r**3),
        f3=mean((-4 - 3 * r - r**2 + e * (4 - r)) / r**3),
    )


def dealiased(
    term: Callable[[Tensor], Tensor], grid: Grid, keep: float = 2 / 3, device: torch.device | str | None = None
) -> Callable[[Tensor], Tensor]:
    """The term of a truncated state, truncated again: removes aliases before and after a product (Orszag 1971).

    term: coefficients -> coefficients. keep: 2/3 for quadratic terms, 1/2 for cubic ones.
    """
    mask = dealias_mask(grid, keep, device)

    def truncated(coefficients: Tensor) -> Tensor:
        return term(coefficients * mask) * mask

    return truncated


def _march(scheme: ETDRK4Coefficients, nonlinear: Callable[[Tensor], Tensor], state: Tensor) -> March:
    """In machine code where the term can be had so."""
    march = nonlinear.compiled(scheme, state) if isinstance(nonlinear, Compilable) else None
    if march is not None:
        return march

    def step_by_step(state: Tensor, steps: int) -> Tensor:
        for _ in range(steps):
            ask_to_go_on()
            state = scheme.step(state, nonlinear)
        return state

    return step_by_step


def _advance(state: Tensor, march: March, steps: int, span: tuple[float, float], first: int) -> Tensor:
    start, end = span
    checked = start
    for done in range(0, steps, STEPS_BETWEEN_CHECKS):
        count = min(done + STEPS_BETWEEN_CHECKS, steps)
        state = march(state, count - done)
        now = start + count * ((end - start) / steps)
        _require_finite(state, checked, now, first)
        checked = now
    return state


def _require_finite(state: Tensor, since: float, now: float, first: int) -> None:
    finite = torch.isfinite(state).flatten(1).all(1)
    if not bool(finite.all()):
        sample = first + int((~finite).nonzero()[0, 0])
        before, after = digits(since, now)
        raise SolutionBlewUp(
            f"sample {sample} is not finite between t = {before} and t = {after}: "
            "take a shorter step dt, a higher resolution, or other parameters"
        )
