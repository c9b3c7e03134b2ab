"""Candidates of a search put into a periodic equation, and fitted to what was measured of its field.

    u_t = K(u) + G(u, u_x, u_xx),    minimise over the constants of G:   sum ((y_i - u(t_i, x_i))/scale)^2

A formula that was read off a network carries the network's errors; the equation with it, solved by the equation's own
exponential integrator, meets the raw measurements. The start is known, or a sum of waves whose coefficients are fitted
with the constants. Everything else is as `refit` does it: shorter formulas are tried, and the criterion decides.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.discovery.symbolic.expression import Expr
from limitlab.discovery.symbolic.refit.combinations import Candidates, combinations
from limitlab.discovery.symbolic.refit.completed import Refits
from limitlab.discovery.symbolic.refit.field import HOLE, FieldSimulator, HoledField, Places
from limitlab.discovery.symbolic.refit.fitting import Measured
from limitlab.discovery.symbolic.refit.forward import Fills
from limitlab.discovery.symbolic.refit.rounds import refits_of
from limitlab.errors import InvalidArgument, check_number
from limitlab.numbers import array_of
from limitlab.problems.pde.periodic import PeriodicProblem
from limitlab.spaces.transforms import spectral_resample

COARSEST, FINEST = 64, 512
SETTLED = 1e-6
"""Of the size of the field: twice the points and half the step change no more than this, or a tenth of the misfit."""
HIGHEST_DERIVATIVE = 4
SMALLER = (0.1, 0.0)
"""Parts of its constants at which a formula begins whose equation cannot be solved as it is."""


class UnsettledField(UserWarning):
    """A fit whose grid or steps are too coarse for the field that it found."""


def refit_field(
    candidates: Candidates,
    known: PeriodicProblem,
    points: Any,
    values: Any,
    *,
    initial: Any,
    waves: int | None = None,
    sigma: float | None = None,
    most: int = 9,
) -> Refits:
    """Formulas for what a periodic equation lacks, fitted to measurements through the equation that they complete.

    candidates: a front or formulas in the field and its derivatives in x, u, u_x, u_xx, ... known: the equation without
    the term. points: (point, 2), t and x. values: (point,), NaN where nothing was measured. initial: (x,), the field at
    time 0 on equally spaced points of the domain; waves: how many waves of it are fitted too, where it is only a guess.
    sigma: standard deviation of the noise. Warns with UnsettledField. Raises InvalidArgument, UnknownName.

    >>> from limitlab.discovery.symbolic import Expr, refit_field
    >>> heat = ll.problems.get("heat", nu=0.02, frames=5)
    >>> u = heat.simulate(1, resolution=16)["u"][0]
    >>> points = [(t, x) for t in u.time.values[1:] for x in u.x.values]
    >>> nothing = ll.problems.parse("u_t = 0*u", resolution=16)
    >>> diffusion = Expr.parse("a*u_xx", ("u", "u_xx"), parameters={"a": 0.03})
    >>> start, seen = u.values[0], u.values[1:].ravel()
    >>> str(refit_field([diffusion], nothing, points, seen, initial=start).best.formulas[0])
    '0.02*u_xx'
    """
    places, seen, begun = _read(known, points, values, initial)
    known_noise = sigma is not None and check_number("sigma", sigma, low=0.0) > 0
    most = int(check_number("most", most, low=1, integer=True))
    field = known.operator[1]
    variables = (field, *(f"{field}_{'x' * order}" for order in range(1, HIGHEST_DERIVATIVE + 1)))
    chosen = combinations({HOLE: candidates}, (HOLE,), variables, most)
    spread = float(np.nanstd(seen))
    scale = sigma if sigma is not None and known_noise else spread if spread > 0 else 1.0
    problem = _Problem(known, places, seen, begun, waves, float(scale))
    chosen = problem.solvable(chosen)
    level = problem.settled_level(chosen)
    while True:
        simulator = partial(problem.simulator, level=level)
        refits = refits_of(chosen, HoledField(known), simulator, problem.measured(level), known_noise)
        best = refits[0]
        settled = not math.isfinite(best.loss) or problem.is_settled(best.formulas, level)
        if settled or problem.resolution(level) >= FINEST:
            break
        # on from where the coarser grid led
        chosen, level = [row.formulas for row in refits.rows], level + 1
    if not settled:
        warnings.warn(
            f"the field of {best.equation:.80} changes on a grid of more than {problem.resolution(level)} points or at "
            "shorter steps: its constants may be those of the grid",
            UnsettledField,
            stacklevel=2,
        )
    return refits


@dataclasses.dataclass(frozen=True, eq=False)
class _Problem:
    """What is compared with what; level k has 2^k times the points of the coarsest."""

    known: PeriodicProblem
    places: Places
    seen: Float[np.ndarray, " point"]
    initial: Float[Tensor, " x"]
    waves: int | None
    scale: float

    def resolution(self, level: int) -> int:
        return max(COARSEST, 2 ** math.ceil(math.log2(4 * (self.waves or 1)))) * 2**level

    def simulator(self, fills: Fills, *, level: int, shorter: int = 1) -> FieldSimulator:
        known = dataclasses.replace(self.known, dt=self.known.dt / shorter)
        grid = known.grid(self.resolution(level))
        size = max(float(np.nanmax(np.abs(self.seen))), float(self.initial.abs().max()), 1e-300)
        return FieldSimulator(fills, known, self.places, self._basis(level), size, grid)

    def measured(self, level: int) -> Measured:
        """For the fit: the start on the grid, or its coefficients."""
        size = self.resolution(level)
        start = spectral_resample(self.initial[None], self.known.grid(len(self.initial)), size)[0]
        basis = self._basis(level)
        if basis is not None:
            start = torch.linalg.lstsq(basis.T, start[:, None]).solution[:, 0]
        states = self.seen[None, :, None]
        spread = np.full(len(start), float(self.initial.std()) or 1.0)
        floor = (10 * SETTLED) ** 2
        return Measured(states, np.array([self.scale]), start.numpy()[None], basis is None, spread, floor)

    def solvable(self, chosen: list[tuple[Expr, ...]]) -> list[tuple[Expr, ...]]:
        """The formulas, those that cannot be solved with smaller constants: nearer to what is known alone."""
        for part in SMALLER:
            left = ~np.isfinite(self._field(chosen, 0)).all(1)
            if not left.any():
                break
            chosen = [
                tuple(expr.with_parameters([part * value for value in expr.values]) for expr in row) if gone else row
                for row, gone in zip(chosen, left, strict=True)
            ]
        return chosen

    def settled_level(self, chosen: list[tuple[Expr, ...]]) -> int:
        """The coarsest level on which that candidate is settled which comes nearest as it is."""
        best = self._nearest(chosen, 0)
        level = 0
        while self.resolution(level) < FINEST and best is not None and not self.is_settled(best, level):
            level += 1
        return level

    def is_settled(self, formulas: tuple[Expr, ...], level: int) -> bool:
        """Whether the next finer level, at half the step, says the same at the measurements."""
        coarse, fine = self._field([formulas], level)[0], self._field([formulas], level + 1, shorter=2)[0]
        if np.isnan(fine).any():
            return False
        misfit = math.sqrt(float(np.nanmean((fine - self.seen) ** 2)))
        change = math.sqrt(float(np.mean((fine - coarse) ** 2)))
        return change <= max(SETTLED * float(np.nanstd(self.seen)), misfit / 10)

    def _nearest(self, chosen: list[tuple[Expr, ...]], level: int) -> tuple[Expr, ...] | None:
        there = np.isfinite(self.seen)
        errors = ((self._field(chosen, level) - self.seen)[:, there] ** 2).mean(1)
        solved = np.isfinite(errors)
        return chosen[int(np.argmin(np.where(solved, errors, np.inf)))] if solved.any() else None

    def _field(self, chosen: list[tuple[Expr, ...]], level: int, *, shorter: int = 1) -> Float[np.ndarray, "row point"]:
        """Of some formulas as they are, at the measurements."""
        formulas = tuple(row[0] for row in chosen)
        fills = Fills(HoledField(self.known), (formulas,), np.arange(len(formulas))[:, None])
        start = self.measured(level).starts
        numbers, _ = fills.constants()
        starts = np.broadcast_to(start, (len(formulas), *start.shape))
        return self.simulator(fills, level=level, shorter=shorter)(np.arange(len(formulas)), numbers, starts)[
            :, 0, :, 0
        ]

    def _basis(self, level: int) -> Float[Tensor, "start x"] | None:
        """A constant, and cosines and sines of the first waves; None where the start is known."""
        if self.waves is None:
            return None
        angles = 2 * math.pi * torch.arange(self.resolution(level), dtype=torch.float64) / self.resolution(level)
        turned = torch.arange(1, self.waves + 1, dtype=torch.float64)[:, None] * angles
        return torch.cat([torch.ones_like(angles)[None], torch.cos(turned), torch.sin(turned)])


def _read(
    known: PeriodicProblem, points: Any, values: Any, initial: Any
) -> tuple[Places, Float[np.ndarray, " point"], Float[Tensor, " x"]]:
    """Places, values and start. Raises InvalidArgument."""
    where, seen = array_of("points", points), array_of("values", values)
    begun = torch.from_numpy(np.array(array_of("initial", initial), dtype=np.float64))
    if where.ndim != 2 or where.shape[1] != 2 or seen.shape != where.shape[:1]:
        raise InvalidArgument(
            f"points must be (point, 2) of t and x, and values (point,); got {where.shape} and {seen.shape}"
        )
    if not np.isfinite(where).all() or not len(where) or (where[:, 0] < 0).any():
        raise InvalidArgument("points must be finite, at times of 0 or later")
    if np.isinf(seen).any() or not np.isfinite(seen).any():
        raise InvalidArgument("values must be finite, or NaN where nothing was measured, and somewhere measured")
    if begun.dim() != 1 or len(begun) < 2 or not bool(torch.isfinite(begun).all()):
        raise InvalidArgument(f"initial must be finite and (x,), of two points or more; got {tuple(begun.shape)}")
    return Places.of(where), seen.astype(np.float64), begun
