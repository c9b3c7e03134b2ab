"""Time derivatives of measured states: smoothing splines, differences, or none of them, by integrals (the weak form).

    x'(t_i)  by a spline through or near the points, or by differences of neighbours
    -int phi_k' x dt = int phi_k f(x) dt          phi_k(t) = (1 - s^2)^6 on a window, s from -1 to 1 over it

The ends of a span carry most of the error of a derivative, since they are seen from one side: both lose 5 %.
Sources: Craven & Wahba 1979 (smoothing by generalised cross-validation); Messenger & Bortz 2021 (weak form).
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float

from limitlab.errors import InvalidArgument, check_number, one_of

Array = np.ndarray
Estimate = Literal["spline", "differences"]
FEWEST_TIMES = 8
WINDOW_POWER = 6
_BISECTIONS = 30


class Slopes(NamedTuple):
    """States (point, state) and their time derivatives, of all trajectories one below the other."""

    states: Float[Array, "point state"]
    derivatives: Float[Array, "point state"]


def read_trajectories(times: object, states: object) -> tuple[Float[Array, " time"], Float[Array, "sample time state"]]:
    """Times, increasing, and states (time, state) or (sample, time, state) as float64. Raises InvalidArgument."""
    moments = np.asarray(times, dtype=np.float64)
    y = np.asarray(states, dtype=np.float64)
    if moments.ndim != 1 or len(moments) < FEWEST_TIMES or not (np.diff(moments) > 0).all():
        raise InvalidArgument(f"times must be {FEWEST_TIMES} or more increasing numbers; got shape {moments.shape}")
    if y.ndim not in (2, 3) or y.shape[-2] != len(moments) or not y.shape[-1]:
        raise InvalidArgument(
            f"states must be ({len(moments)}, state) or (sample, {len(moments)}, state); got shape {y.shape}"
        )
    y = y.reshape(-1, *y.shape[-2:])
    if not np.isfinite(y).all():
        sample, time, state = np.argwhere(~np.isfinite(y))[0]
        raise InvalidArgument(f"states must be finite; entry [{sample}, {time}, {state}] is {y[sample, time, state]}")
    return moments, y


def estimated_slopes(
    times: object,
    states: object,
    *,
    method: Estimate = "spline",
    sigma: float | None = None,
    trim: float = 0.05,
) -> Slopes:
    """Smoothed states and their derivatives, without the share `trim` of the points at both ends.

    times: (time,). states: (time, state) or (sample, time, state). sigma: standard deviation of the noise: 0 puts the
    spline through the points, a positive one as near to them as the noise is large, None asks cross-validation.
    Raises InvalidArgument.

    >>> import numpy as np
    >>> from limitlab.discovery.symbolic.sparse.derivatives import estimated_slopes
    >>> t = np.linspace(0.0, 6.0, 61)
    >>> slopes = estimated_slopes(t, np.sin(t)[:, None], sigma=0.0)
    >>> float(abs(slopes.derivatives[:, 0] - np.cos(t[4:-4])).max()) < 1e-4
    True
    """
    one_of("method of derivatives", method, get_args(Estimate))
    moments, y = read_trajectories(times, states)
    trim = check_number("trim", trim, low=0.0, high=0.4)
    if sigma is not None:
        sigma = check_number("sigma", sigma, low=0.0)
    cut = int(np.ceil(trim * len(moments)))
    inside = slice(cut, len(moments) - cut)
    if method == "differences":
        smooth, slopes = y, np.gradient(y, moments, axis=1, edge_order=2)
    else:
        pairs = [_splined(moments, trajectory, sigma) for trajectory in y]
        smooth, slopes = (np.stack(part) for part in zip(*pairs, strict=True))
    return Slopes(smooth[:, inside].reshape(-1, y.shape[2]), slopes[:, inside].reshape(-1, y.shape[2]))


class WeakForm(NamedTuple):
    """Integrals against test functions, as matrices: `moved` takes states to -int phi' x, `kept` columns to int phi."""

    moved: Float[Array, "window time"]
    kept: Float[Array, "window time"]


def weak_form(times: Float[Array, " time"], windows: int = 100, width: float = 0.2) -> WeakForm:
    """Trapezoidal sums against test functions on evenly spread windows, each as wide as that share of the span.

    On even times the sums are exact to rounding order of the window's smoothness; on uneven ones to second order.

    >>> import numpy as np
    >>> from limitlab.discovery.symbolic.sparse.derivatives import weak_form
    >>> t = np.linspace(0.0, 6.0, 61)
    >>> weak = weak_form(t, width=0.3)
    >>> float(abs(weak.moved @ np.sin(t) - weak.kept @ np.cos(t)).max()) < 1e-4
    True
    """
    windows = int(check_number("windows", windows, low=1, integer=True))
    width = check_number("width", width, low=1e-3, high=1.0)
    span = times[-1] - times[0]
    half = width * span / 2
    if half < 3 * np.diff(times).max():
        raise InvalidArgument(f"width must hold 6 steps of the times or more; {width:g} of the span is too little")
    centers = np.linspace(times[0] + half, times[-1] - half, windows)
    s = np.clip((times[None] - centers[:, None]) / half, -1.0, 1.0)
    kept = (1 - s**2) ** WINDOW_POWER
    slopes = -2 * WINDOW_POWER * s * (1 - s**2) ** (WINDOW_POWER - 1) / half
    weights = np.gradient(times)
    weights[[0, -1]] /= 2
    # each test function has the integral 1, so that its rows are averages, as large as what they average
    weights = weights / (kept @ weights)[:, None]
    return WeakForm(-slopes * weights, kept * weights)


def _splined(times: Array, states: Array, sigma: float | None) -> tuple[Array, Array]:
    """Smooth states and slopes of one trajectory (time, state)."""
    from scipy.interpolate import make_interp_spline, make_smoothing_spline

    if sigma == 0:
        spline = make_interp_spline(times, states, k=5)
        return spline(times), spline.derivative()(times)
    splines = [
        make_smoothing_spline(times, column, lam=None if sigma is None else _as_rough(times, column, sigma))
        for column in states.T
    ]
    smooth = np.stack([spline(times) for spline in splines], axis=1)
    return smooth, np.stack([spline.derivative()(times) for spline in splines], axis=1)


def _as_rough(times: Array, values: Array, sigma: float) -> float:
    """The weight of roughness at which the residuals are as large as the noise (Morozov's discrepancy principle)."""
    from scipy.interpolate import make_smoothing_spline

    # in units of the span, so that the bracket fits all of them
    low, high = -14.0, 4.0
    unit = (times[-1] - times[0]) ** 3
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        residual = values - make_smoothing_spline(times, values, lam=10**middle * unit)(times)
        low, high = (middle, high) if np.sqrt(np.mean(residual**2)) < sigma else (low, middle)
    return 10**low * unit
