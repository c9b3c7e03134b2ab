"""Least squares on measured trajectories for many equations at once: Levenberg and Marquardt's method.

    minimise over c and y(0):   sum ((measured - y(t; c, y(0)))/scale)^2

Whoever simulates is not known here: `simulate(fill, constants, starts)` gives the states of every row. The starts of
the samples are eliminated from the normal equations (each belongs to one sample), and sensitivities are
differences of trajectories of the same solve. An equation whose solve fails has the loss infinity.
Source: Levenberg 1944; Marquardt 1963.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from limitlab.discovery.symbolic.refit.forward import RTOL, Fills

Array = np.ndarray
Simulate = Callable[[Array, Array, Array], Array]
"""(row,) numbers of fills, (row, constant) and (row, sample, start) to states (row, sample, time, state)."""
SHIFT = 1e-5
SMALLEST_SHIFT = 1e-2
MOST_ITERATIONS = 40
ENOUGH = 1e-4
"""A fit ends when the sum of squares falls by less than this part of itself."""
PATIENCE, FAR = 8, 1e4
"""After so many steps a fit ends whose sum of squares is so many times the least of all."""
FLOOR = (10 * RTOL) ** 2
"""Mean squares below this are the solver's error."""


class Measured(NamedTuple):
    """States (sample, time, state), NaN where nothing is compared, their scale, and starts, which may be known.

    start_scale: of the numbers of a start, the states' where left out. floor: mean squares below it are the solver's
    error.
    """

    states: Float[Array, "sample time state"]
    scale: Float[Array, " state"]
    starts: Float[Array, "sample start"]
    starts_known: bool
    start_scale: Float[Array, " start"] | None = None
    floor: float = FLOOR

    @property
    def seen(self) -> Bool[Array, "sample time state"]:
        """Which entries are fitted."""
        return np.isfinite(self.states)


class Fit(NamedTuple):
    """Constants, starts, sum of squares in units of the scale, and standard errors for residuals of variance one."""

    constants: Float[Array, "fill constant"]
    starts: Float[Array, "fill sample start"]
    squares: Float[Array, " fill"]
    errors: Float[Array, "fill constant"]


class _Linear(NamedTuple):
    """Residuals and their slopes in constants and starts, at one point of every fill."""

    residual: Float[Array, "fill sample entry"]
    constants: Float[Array, "fill sample entry constant"]
    starts: Float[Array, "fill sample entry start"]


def fitted(fills: Fills, simulate: Simulate, measured: Measured) -> Fit:
    """Least squares for every fill from the constants of its formulas."""
    constants, there = fills.constants()
    count = len(constants)
    starts = np.broadcast_to(measured.starts, (count, *measured.starts.shape)).copy()
    everyone = np.arange(count)
    linear = _linearised(simulate, measured, everyone, constants=constants, starts=starts, there=there)
    squares = _squares(linear)
    damping = np.full(count, 1e-3)
    active = np.isfinite(squares)
    enough = measured.floor * measured.seen.sum() / 100
    for iteration in range(MOST_ITERATIONS):
        active &= squares > enough
        if iteration >= PATIENCE:
            active &= squares < FAR * max(squares.min(), enough)
        some = np.flatnonzero(active)
        if not len(some):
            break
        here = _Linear(*(part[some] for part in linear))
        step, start_step = _step(here, there[some], damping[some], measured.starts_known)
        trial = constants[some] + step
        trial_starts = starts[some] + start_step
        new = _linearised(simulate, measured, some, constants=trial, starts=trial_starts, there=there)
        better = _squares(new) < squares[some]
        won, lost = some[better], some[~better]
        fall = 1 - _squares(new)[better] / squares[won]
        constants[won], starts[won], squares[won] = trial[better], trial_starts[better], _squares(new)[better]
        for whole, part in zip(linear, new, strict=True):
            whole[won] = part[better]
        damping[won] /= 5
        damping[lost] *= 6
        active[won[fall < ENOUGH]] = False
        active &= damping < 1e8
    return Fit(constants, starts, squares, _errors(linear, there, measured.starts_known))


def _linearised(
    simulate: Simulate,
    measured: Measured,
    some: Array,
    *,
    constants: Array,
    starts: Array,
    there: Array,
) -> _Linear:
    """Residuals and slopes of some fills by one solve: each as it is, and once for every shifted number."""
    count, size = constants.shape
    dimension = starts.shape[2]
    fill, number = np.nonzero(there[some])
    shifts = SHIFT * np.maximum(abs(constants), SMALLEST_SHIFT)
    start_shifts = SHIFT * (measured.scale if measured.start_scale is None else measured.start_scale)
    moved = constants[fill].copy()
    moved[np.arange(len(fill)), number] += shifts[fill, number]
    directions = 0 if measured.starts_known else dimension
    moved_starts = [starts + start_shifts * np.eye(dimension)[k] for k in range(directions)]
    y = simulate(
        np.concatenate([some, some[fill], *[some] * directions]),
        np.concatenate([constants, moved, *[constants] * directions]),
        np.concatenate([starts, starts[fill], *moved_starts]),
    )
    seen = measured.seen
    target = np.where(seen, measured.states, 0.0)

    def entries(states: Array) -> Array:
        return (np.where(seen, states, 0.0) / measured.scale).reshape(*states.shape[:2], seen[0].size)

    base, rest = entries(y[:count]), entries(y[count:])
    slopes = np.zeros((*base.shape, size))
    slopes[fill, :, :, number] = (rest[: len(fill)] - base[fill]) / shifts[fill, number][:, None, None]
    blocks = rest[len(fill) :].reshape(directions, *base.shape)
    start_slopes = np.stack([(b - base) / start_shifts[k] for k, b in enumerate(blocks)], -1) if directions else None
    residual = entries(np.broadcast_to(target, y[:count].shape)) - base
    return _Linear(
        np.where(np.isfinite(residual), residual, np.inf),
        _bounded(slopes),
        np.zeros((*base.shape, 0)) if start_slopes is None else _bounded(start_slopes),
    )


def _bounded(slopes: Array) -> Array:
    """Slopes whose squares and sums are numbers; 0 where a shifted solve failed."""
    return np.clip(np.nan_to_num(slopes, posinf=0.0, neginf=0.0), -1e100, 1e100)


def _squares(linear: _Linear) -> Float[Array, " fill"]:
    return (linear.residual**2).sum((1, 2))


class _Normal(NamedTuple):
    """Blocks of the normal equations: of constants, of constants with starts, of starts; and both right sides."""

    constants: Array
    both: Array
    starts: Array
    right: Array
    right_starts: Array


def _normal(linear: _Linear, there: Array, damping: Array) -> _Normal:
    """The damped normal equations; a constant that a fill lacks is a row of the identity."""
    # a solve that failed has infinite residuals; its step is made from what is finite, and judged by the loss
    f = np.where(np.isfinite(linear.residual), linear.residual, 0.0)
    c, s = linear.constants, linear.starts
    top = np.einsum("psea,pseb->pab", c, c, optimize=True)
    within = np.einsum("psea,pseb->psab", s, s, optimize=True)
    for matrix, factor in ((top, damping[:, None]), (within, damping[:, None, None])):
        diagonal = np.einsum("...aa->...a", matrix)
        # a number that moves nothing must not make the matrix singular
        diagonal += factor * diagonal + 1e-14 * (diagonal.max(-1, keepdims=True, initial=0.0) + 1e-30)
    top += np.eye(top.shape[-1]) * ~there[:, None]
    return _Normal(
        top,
        np.einsum("psea,pseb->psab", c, s, optimize=True),
        within,
        np.einsum("psea,pse->pa", c, f, optimize=True),
        np.einsum("psea,pse->psa", s, f, optimize=True),
    )


def _step(linear: _Linear, there: Array, damping: Array, starts_known: bool) -> tuple[Array, Array]:
    normal = _normal(linear, there, damping)
    if starts_known:
        return np.linalg.solve(normal.constants, normal.right[..., None])[..., 0], np.zeros(1)
    inverse = np.linalg.inv(normal.starts)
    through = normal.both @ inverse
    matrix = normal.constants - (through @ normal.both.swapaxes(-1, -2)).sum(1)
    right = normal.right - np.einsum("psab,psb->pa", through, normal.right_starts)
    step = np.linalg.solve(matrix, right[..., None])[..., 0]
    rest = normal.right_starts - np.einsum("psab,pa->psb", normal.both, step)
    return step, np.einsum("psab,psb->psa", inverse, rest)


def _errors(linear: _Linear, there: Array, starts_known: bool) -> Float[Array, "fill constant"]:
    """Square roots of the diagonal of the inverse of J'J, with the starts eliminated; infinite where it has none."""
    normal = _normal(linear, there, np.zeros(len(there)))
    matrix = normal.constants
    if not starts_known:
        through = normal.both @ np.linalg.inv(normal.starts)
        matrix = matrix - (through @ normal.both.swapaxes(-1, -2)).sum(1)
    diagonal = np.sqrt(np.maximum(np.einsum("paa->pa", normal.constants), 1e-300))
    scaled = np.linalg.pinv(matrix / (diagonal[:, :, None] * diagonal[:, None]), rcond=1e-13, hermitian=True)
    variances = np.einsum("paa->pa", scaled) / diagonal**2
    return np.where(there & (variances > 0), np.sqrt(np.maximum(variances, 0.0)), np.where(there, np.inf, 0.0))
