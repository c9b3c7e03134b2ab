"""The weight of the residual from the data: Morozov's discrepancy principle, or validation on points left out.

With a small weight lambda of the residual the network follows the noise, with a large one it ignores the data. The
misfit mean |u(z_i) - y_i|^2 grows with lambda, so bisection of log lambda finds where it equals the variance sigma^2 of
the noise, up to a fifth. Where sigma is not known, points that were left out say how well the network predicts them.

Sources: Morozov, On the solution of functional equations by the method of regularization (1966); Stone,
Cross-validatory choice and assessment of statistical predictions (1974).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

from limitlab.discovery.pinn.points import Measurements
from limitlab.errors import InvalidArgument, check_number, check_numbers

LOWEST, HIGHEST = 1e-3, 1e3
TOLERANCE = 0.2
WEIGHTS = (1e-2, 1e-1, 1.0, 1e1, 1e2)


class DiscrepancyNotMet(UserWarning):
    """No weight of the residual brings the misfit to the noise: the nearest one is taken."""


class Balanced(NamedTuple):
    """A weight of the residual, the misfit there, and what was tried on the way: (weight, misfit)."""

    weight: float
    misfit: float
    tried: tuple[tuple[float, float], ...]


def cross_validated(
    error: Callable[[float, Measurements, Measurements], float],
    measurements: Measurements,
    weights: Sequence[float] = WEIGHTS,
    *,
    folds: int = 5,
    seed: int = 0,
) -> Balanced:
    """The weight of the residual whose networks predict best what was left out of their data, in the mean over folds.

    error(weight, learned, left_out): mean squared misfit on `left_out` of a network that was trained with this weight
    on `learned`; each call is a training, folds x weights of them. Raises InvalidArgument for an error that is no
    number.

    >>> seen = ll.discovery.pinn.Measurements(torch.rand(1, 10, 1), torch.rand(1, 10, 1))
    >>> ll.discovery.pinn.cross_validated(lambda weight, learned, left_out: abs(weight - 1.0), seen).weight
    1.0
    """
    pairs = measurements.folds(folds, seed)
    chosen = check_numbers("weights", weights, low=1e-300)
    if not chosen:
        raise InvalidArgument("weights must hold a weight or more")
    tried = []
    for weight in chosen:
        errors = [check_number("error", error(weight, *pair), low=0.0) for pair in pairs]
        tried.append((weight, sum(errors) / len(errors)))
    return Balanced(*min(tried, key=lambda pair: pair[1]), tuple(tried))


def discrepancy(
    misfit: Callable[[float], float],
    variance: float,
    *,
    low: float = LOWEST,
    high: float = HIGHEST,
    trials: int = 8,
) -> Balanced:
    """The weight of the residual at which the mean squared misfit is the noise's variance, up to 20 %.

    misfit(weight): of a network that was trained with this weight; each call is a training. The first is at the middle
    of [low, high], the ends are never asked unless bisection leads there. Warns with DiscrepancyNotMet where none of
    the `trials` comes as near, and gives the nearest.

    >>> ll.discovery.pinn.discrepancy(lambda weight: 0.01 * weight, 0.01).weight
    1.0
    """
    low, high = check_number("low", low, low=1e-12), check_number("high", high, low=1e-12)
    variance = check_number("variance", variance, low=0.0)
    if low >= high or variance == 0:
        raise InvalidArgument(f"low < high and a variance above 0 are needed; got {low:g}, {high:g} and {variance:g}")
    ends = [math.log(low), math.log(high)]
    tried: list[tuple[float, float]] = []
    for _ in range(int(check_number("trials", trials, low=1, integer=True))):
        middle = sum(ends) / 2
        weight = math.exp(middle)
        tried.append((weight, check_number("misfit", misfit(weight), low=0.0)))
        if abs(tried[-1][1] - variance) <= TOLERANCE * variance:
            return Balanced(*tried[-1], tuple(tried))
        ends[tried[-1][1] > variance] = middle
    nearest = min(tried, key=lambda pair: abs(math.log(max(pair[1], 1e-300) / variance)))
    warnings.warn(
        f"the misfit came to {nearest[1]:.3g} at best where the noise has variance {variance:.3g}: more trials, a "
        "wider range of weights or another estimate of the noise is needed",
        DiscrepancyNotMet,
        stacklevel=2,
    )
    return Balanced(*nearest, tuple(tried))
