"""Stochastic Runge-Kutta schemes of strong order 3/2: SRA1 for additive and SRI2W1 for diagonal or scalar noise.

With the increment W of a step h, its area H and the iterated integrals

    I_1 = W,    I_11 = (W^2 - h)/2,    I_111 = (W^3 - 3 h W)/6,    I_10 = int_0^h W_s ds = h (W/2 + H),

SRI2W1 has stages i with f_i = f(t + c_i h, y_i), g_i = g(t + d_i h, u_i),

    y_i = y + h sum_j A_ij f_j + I_10/h sum_j B_ij g_j,        u_i = y + h sum_j C_ij f_j + sqrt(h) sum_j D_ij g_j,
    y + h sum_i a_i f_i + sum_i (b1_i I_1 + b2_i I_11/sqrt(h) + b3_i I_10/h + b4_i I_111/h) g_i.

SRA1, with two stages and g at t and t + h: y_2 = y + 3/4 h f_1 + 3/2 g(t + h) I_10/h and

    y + h (f_1 + 2 f_2)/3 + g(t + h) I_1 + (g(t) - g(t + h)) I_10/h.

Error estimate: |h (sum_i a_i f_i - f_1)| + |the b3 and b4 part|, local errors of size h^(3/2).
Source: Roessler, SIAM J. Numer. Anal. 48 (2010), tables 6.1 and 6.3.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from limitlab.solvers.sde.fields import Fields, Interval, State, Step, drifted


class DiagonalTableau(NamedTuple):
    """Coefficients of the module's formula; rows of stages two and later, shorter than the stages before them."""

    c: tuple[float, ...]
    d: tuple[float, ...]
    drift_drift: tuple[tuple[float, ...], ...]
    drift_noise: tuple[tuple[float, ...], ...]
    noise_drift: tuple[tuple[float, ...], ...]
    noise_noise: tuple[tuple[float, ...], ...]
    a: tuple[float, ...]
    b: tuple[tuple[float, ...], ...]


SRI2W1 = DiagonalTableau(
    c=(0.0, 1.0, 1 / 2),
    d=(0.0, 1 / 4, 1.0, 1 / 4),
    drift_drift=((1.0,), (1 / 4, 1 / 4)),
    drift_noise=((0.0,), (1.0, 1 / 2)),
    noise_drift=((1 / 4,), (1.0, 0.0), (0.0, 0.0, 1 / 4)),
    noise_noise=((-1 / 2,), (1.0, 0.0), (2.0, -1.0, 1 / 2)),
    a=(1 / 6, 1 / 6, 2 / 3),
    b=(
        (-1.0, 4 / 3, 2 / 3, 0.0),
        (1.0, -4 / 3, 1 / 3, 0.0),
        (2.0, -4 / 3, -2 / 3, 0.0),
        (-2.0, 5 / 3, -2 / 3, 1.0),
    ),
)


def sri2w1(fields: Fields, at: Interval, y: State, carry: tuple[Tensor, ...], estimate: bool) -> Step:
    """One step of SRI2W1; for additive noise, which has no need of it, one of SRA1."""
    if fields.noise == "additive":
        return sra1(fields, at, y, carry, estimate)
    table, h, w = SRI2W1, at.h, at.w
    root = h**0.5
    level = w / 2 + at.area
    f, g = [fields.drift(at.t, y)], [fields.diffusion(at.t, y)]
    for stage in range(1, len(table.d)):
        if stage < len(table.c):
            at_drift = _summed(y, table.drift_drift[stage - 1], f, h)
            for weight, slope in zip(table.drift_noise[stage - 1], g, strict=False):
                at_drift = at_drift if weight == 0.0 else fields.kicked(at_drift, slope, level, weight)
        at_noise = _summed(y, table.noise_drift[stage - 1], f, h)
        at_noise = _summed(at_noise, table.noise_noise[stage - 1], g, root)
        g.append(fields.diffusion(_between(at, table.d[stage]), at_noise))
        if stage < len(table.c):
            f.append(fields.drift(_between(at, table.c[stage]), at_drift))
    # sizes of zero are those of samples at their end
    floor = torch.finfo(y.dtype).tiny ** 0.5
    safe, safe_root = (h, root) if isinstance(h, float) else (h.clamp_min(floor), root.clamp_min(floor))
    doubled, tripled = (w.square() - h) / (2 * safe_root), (w.square() - 3 * h) * w / (6 * safe)
    end = _summed(y, table.a, f, h)
    for b1, b2, b3, b4, slope in zip(*table.b, g, strict=True):
        end = fields.kicked(end, slope, b1 * w + b2 * doubled + b3 * level + b4 * tripled)
    if not estimate:
        return Step(end)
    noise_error = torch.zeros_like(y)
    for b3, b4, slope in zip(*table.b[2:], g, strict=True):
        noise_error = fields.kicked(noise_error, slope, b3 * level + b4 * tripled)
    drift_error = _summed(-h * f[0], table.a, f, h)
    return Step(end, (), drift_error.abs() + noise_error.abs(), (f[1], f[0], y + h * f[0], y))


def sra1(fields: Fields, at: Interval, y: State, carry: tuple[Tensor, ...], estimate: bool) -> Step:
    """One step of SRA1."""
    h, level = at.h, at.w / 2 + at.area
    f, g, g_end = fields.drift(at.t, y), fields.diffusion(at.t, y), fields.diffusion(at.after, y)
    ahead = fields.kicked(drifted(y, h, f, 0.75), g_end, level, 1.5)
    f_ahead = fields.drift(_between(at, 0.75), ahead)
    end = fields.kicked(drifted(drifted(y, h, f, 1 / 3), h, f_ahead, 2 / 3), g_end, at.w)
    change = fields.product(g - g_end, level)
    if not estimate:
        return Step(end + change)
    error = (2 / 3 * h * (f_ahead - f)).abs() + change.abs()
    return Step(end + change, (), error, (f_ahead, f, ahead, y))


def _summed(y: State, row: tuple[float, ...], slopes: list[State], h: float | Tensor) -> State:
    """y + h sum_j row_j slopes_j."""
    for weight, slope in zip(row, slopes, strict=False):
        y = y if weight == 0.0 else drifted(y, h, slope, weight)
    return y


def _between(at: Interval, fraction: float) -> Tensor:
    """The time at a fraction of the step."""
    return at.t if fraction == 0.0 else at.after if fraction == 1.0 else torch.lerp(at.t, at.after, fraction)
