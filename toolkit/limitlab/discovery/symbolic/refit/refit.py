"""The step after a search: candidates put into the equation that they complete, and fitted to what was measured.

A search fits derivatives, or the output of a network, whose errors are smooth: their white-noise criteria choose too
long formulas. Here every combination of candidates is simulated, its constants fitted to the measurements themselves,
its least significant constants dropped as long as the criterion falls, and the shortest among the best is chosen:

    BIC = n ln(sum r^2/n) + q ln n,   or   sum r^2/sigma^2 + q ln n   where the noise is known
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from limitlab.discovery.symbolic.refit.combinations import Candidates, combinations
from limitlab.discovery.symbolic.refit.completed import Refits
from limitlab.discovery.symbolic.refit.fitting import Measured, Simulate
from limitlab.discovery.symbolic.refit.forward import TIME, Fills, Holed, Samples, trajectories
from limitlab.discovery.symbolic.refit.rounds import refits_of
from limitlab.errors import InvalidArgument, check_number
from limitlab.numbers import array_of


def refit(
    candidates: Mapping[str, Candidates],
    holed: Holed,
    times: Any,
    states: Any,
    *,
    sigma: float | Sequence[float] | None = None,
    starts: Any = None,
    most: int = 27,
    method: str = "dopri8",
) -> Refits:
    """Every combination of candidates, `most` at most, fitted to measurements through the equation that it completes.

    candidates: by hole, a front or formulas in the states and t. times: (time,) or (sample, time). states: (time,
    state) or (sample, time, state), NaN where nothing was measured. sigma: standard deviation of the noise, one for
    all or one a state. starts: the states at the first times, where they are known; sigma=0 says that the measured
    ones are; else they are fitted. Constants that are not significant are dropped one by one. A combination whose
    solve fails has the loss infinity. Raises InvalidArgument, UnknownName.

    >>> from limitlab.discovery.symbolic import Expr, Holed, refit
    >>> t = torch.linspace(0.0, 2.0, 21).double()
    >>> growth = [Expr.parse(text, ("x",), parameters={"a": 0.5}) for text in ("a*x", "a*x^2")]
    >>> str(refit({"F": growth}, Holed("x' = F", ("F",)), t, torch.exp(0.7 * t)[:, None], sigma=0.0).best.formulas[0])
    '0.7*x'
    """
    moments, y = _read(times, states, len(holed.states))
    noise = _noise(sigma, len(holed.states))
    measured = _measured(y, noise, starts)
    most = int(check_number("most", most, low=1, integer=True))
    # a healthy solve makes two or three steps from one time to the next
    samples = Samples(moments, *_box(y), method, max_steps=200 + 10 * moments.shape[1])
    variables = (*holed.states, TIME)
    chosen = combinations(candidates, holed.holes, variables, most)
    known = noise is not None and bool((noise > 0).all())

    def simulator(fills: Fills) -> Simulate:
        return partial(trajectories, fills, samples)

    return refits_of(chosen, holed, simulator, measured, known)


def _read(times: Any, states: Any, dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """Times (sample, time) and states (sample, time, state)."""
    moments, y = array_of("times", times), array_of("states", states)
    y = y[None] if y.ndim == 2 else y
    if y.ndim != 3 or y.shape[2] != dimension:
        raise InvalidArgument(f"states must be (time, {dimension}) or (sample, time, {dimension}); got {y.shape}")
    if moments.shape not in (y.shape[1:2], y.shape[:2]) or not (np.diff(moments, axis=-1) > 0).all():
        raise InvalidArgument(
            f"times must be {y.shape[1]} increasing numbers, for all samples or each; got {moments.shape}"
        )
    if np.isinf(y).any() or not np.isfinite(y).any((0, 1)).all():
        raise InvalidArgument("states must be finite, or NaN where nothing was measured, and each measured somewhere")
    return np.broadcast_to(moments, y.shape[:2]).copy(), y


def _noise(sigma: float | Sequence[float] | None, dimension: int) -> np.ndarray | None:
    if sigma is None:
        return None
    noise = np.broadcast_to(np.asarray(sigma, dtype=np.float64), (dimension,))
    for value in noise:
        check_number("sigma", value, low=0.0)
    if (noise == 0).any() and (noise > 0).any():
        raise InvalidArgument(f"sigma must be positive for all states, or 0 for all; got {sigma!r}")
    return noise


def _box(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Middle and spread of each state; infinite for one that is known at the first times alone, and may go anywhere."""
    flat = y.reshape(-1, y.shape[2])
    middle, spread = np.nanmean(flat, 0), np.nanmax(flat, 0) - np.nanmin(flat, 0)
    spread = np.where(spread > 0, spread, np.maximum(abs(middle), 1e-6))
    return middle, np.where(np.isfinite(y[:, 1:]).any((0, 1)), spread, np.inf)


def _measured(y: np.ndarray, noise: np.ndarray | None, starts: Any) -> Measured:
    positive = noise is not None and bool((noise > 0).all())
    spread = np.nanstd(y.reshape(-1, y.shape[2]), axis=0)
    scale = noise if noise is not None and positive else np.where(spread > 0, spread, 1.0)
    known = starts is not None or (noise is not None and not positive)
    if starts is None:
        first = np.argmax(np.isfinite(y), axis=1)
        begin = np.take_along_axis(y, first[:, None], axis=1)[:, 0]
        # where nothing of a state was measured in a sample
        begin = np.where(np.isfinite(begin), begin, np.nanmean(y, axis=(0, 1)))
        if known and not np.isfinite(y[:, 0]).all():
            raise InvalidArgument("sigma=0 takes the first states as known; some were not measured: give starts")
    else:
        begin = np.broadcast_to(np.asarray(starts, dtype=np.float64), (len(y), y.shape[2])).copy()
    if known:
        y = y.copy()
        # a start that is known is not fitted
        y[:, 0] = np.nan
    return Measured(y, scale, begin, known)
