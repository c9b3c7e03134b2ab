"""A step length that satisfies the strong Wolfe conditions, by the search of More and Thuente.

Along x + a d, with f(a) the loss and f'(a) its slope, a step length is accepted where
    f(a) <= f(0) + c1 a f'(0)    and    |f'(a)| <= c2 |f'(0)|,      c1 = 1e-4, c2 = 0.9.
Where the two losses differ by rounding alone, the first is replaced by the condition on slopes that it implies for a
parabola, f'(a) <= (2 c1 - 1) f'(0) (Hager, Zhang 2005): a sum of squares of a billionth would end every search.
A trial whose loss or slope is not finite counts as too long. Sources: More, Thuente, Line search algorithms with
guaranteed sufficient decrease (1994), the version of MINPACK-2; Hager, Zhang, A new conjugate gradient method (2005).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

DECREASE, CURVATURE = 1e-4, 0.9
TRIALS = 60
NARROWEST = 1e-14
ROUNDING = 1e-14


class Trial(NamedTuple):
    """A step length, with the loss and the slope there."""

    length: float
    loss: float
    slope: float

    def tilted(self, by: float) -> Trial:
        """The same trial of f(a) - by a."""
        return Trial(self.length, self.loss - by * self.length, self.slope - by)


def strong_wolfe(
    evaluate: Callable[[float], tuple[float, float]], loss: float, slope: float, first: float
) -> Trial | None:
    """The accepted trial, which is the last that was evaluated; None where rounding leaves none to be found.

    evaluate(length) gives loss and slope; `loss` and `slope` (negative) are those at length 0, `first` is tried first.
    """
    descent = DECREASE * slope
    best = other = Trial(0.0, loss, slope)
    bracketed, below_line = False, True
    low, high, limit = 0.0, 5 * first, math.inf
    width, width_before = math.inf, math.inf
    length = first
    for _ in range(TRIALS):
        trial = Trial(length, *evaluate(length))
        if not (math.isfinite(trial.loss) and math.isfinite(trial.slope)):
            limit = length
            length = (best.length + limit) / 2
            continue
        if _accepted(trial, loss, slope):
            return trial
        if bracketed and (not low < length < high or high - low <= NARROWEST * high):
            return None
        line = loss + length * descent
        # until a trial is below the line of sufficient decrease and rises, the loss less that line is minimised
        below_line = below_line and not (trial.loss <= line and trial.slope >= 0)
        tilt = descent if below_line and line < trial.loss <= best.loss else 0.0
        best, other, length, bracketed = _refined(
            best.tilted(tilt), other.tilted(tilt), trial.tilted(tilt), bracketed, (low, high)
        )
        best, other = best.tilted(-tilt), other.tilted(-tilt)
        if bracketed:
            # three trials must shrink the interval to two thirds, or it is halved
            if abs(other.length - best.length) >= 0.66 * width_before:
                length = (best.length + other.length) / 2
            width_before, width = width, abs(other.length - best.length)
            low, high = sorted((best.length, other.length))
            if not low < length < high:
                length = best.length
        else:
            low, high = (length + factor * (length - best.length) for factor in (1.1, 4.0))
            length = min(length, (best.length + limit) / 2)
    return None


def _accepted(trial: Trial, loss: float, slope: float) -> bool:
    decreased = trial.loss <= loss + DECREASE * trial.length * slope
    level = trial.loss <= loss + ROUNDING * abs(loss) and trial.slope <= (2 * DECREASE - 1) * slope
    return (decreased or level) and abs(trial.slope) <= -CURVATURE * slope


def _refined(
    best: Trial, other: Trial, trial: Trial, bracketed: bool, bounds: tuple[float, float]
) -> tuple[Trial, Trial, float, bool]:
    """Both ends of the interval of uncertainty with the trial among them, the next length, whether it is bracketed."""
    opposite = trial.slope * math.copysign(1.0, best.slope) < 0
    if trial.loss > best.loss:
        cubic, quadratic = _cubic(best, trial), _quadratic(best, trial)
        nearer = abs(cubic - best.length) <= abs(quadratic - best.length)
        return best, trial, cubic if nearer else cubic + (quadratic - cubic) / 2, True
    if opposite:
        cubic, secant = _cubic(trial, best), _secant(trial, best)
        return trial, best, max(cubic, secant, key=lambda length: abs(length - trial.length)), True
    if abs(trial.slope) < abs(best.slope):
        length = _flattening(best, other, trial, bracketed, bounds)
    elif bracketed:
        length = _cubic(trial, other)
    else:
        length = bounds[trial.length > best.length]
    return trial, other, length, bracketed


def _flattening(best: Trial, other: Trial, trial: Trial, bracketed: bool, bounds: tuple[float, float]) -> float:
    """The next length after a lower loss whose slope has the same sign and is smaller."""
    forward = trial.length > best.length
    secant = _secant(trial, best)
    ratio, root = _cubic_ratio(trial, best)
    # a cubic that does not fall to a minimum beyond the trial has none to offer
    cubic = trial.length + ratio * (best.length - trial.length) if ratio < 0 and root != 0 else bounds[forward]
    nearer, farther = sorted((cubic, secant), key=lambda length: abs(length - trial.length))
    if not bracketed:
        return min(max(farther, bounds[0]), bounds[1])
    end = trial.length + 0.66 * (other.length - trial.length)
    return min(end, nearer) if forward else max(end, nearer)


def _cubic(base: Trial, end: Trial) -> float:
    """The minimum of the cubic through losses and slopes of two trials."""
    return base.length + _cubic_ratio(base, end)[0] * (end.length - base.length)


def _cubic_ratio(base: Trial, end: Trial) -> tuple[float, float]:
    """Where the cubic's minimum lies between two trials, as a part of their distance, and its discriminant's root."""
    theta = 3 * (base.loss - end.loss) / (end.length - base.length) + base.slope + end.slope
    scale = max(abs(theta), abs(base.slope), abs(end.slope))
    root = scale * math.sqrt(max(0.0, (theta / scale) ** 2 - (base.slope / scale) * (end.slope / scale)))
    if end.length < base.length:
        root = -root
    return _quotient(root - base.slope + theta, root - base.slope + root + end.slope), root


def _quadratic(base: Trial, end: Trial) -> float:
    """The minimum of the parabola through two losses and the slope of the first."""
    distance = end.length - base.length
    return base.length + _quotient(base.slope, (base.loss - end.loss) / distance + base.slope) / 2 * distance


def _secant(base: Trial, end: Trial) -> float:
    """The root of the straight line through two slopes."""
    return base.length + _quotient(base.slope, base.slope - end.slope) * (end.length - base.length)


def _quotient(above: float, below: float) -> float:
    # half way, where rounding has left no denominator
    return above / below if below else 0.5
