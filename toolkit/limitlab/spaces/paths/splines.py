"""Piecewise polynomials through points, as power series at their knots, and the slopes that make them smooth.

On a piece of length h, from x to x + h d with slopes a and b at its ends (u = s - knot),

    X = x + a u + c u^2 + e u^3,      c = (3 d - 2 a - b)/h,      e = (a + b - 2 d)/h^2.

The natural cubic spline has slopes m_k with continuous second derivative, which vanishes at both ends:

    m_{k-1} r_{k-1} + 2 m_k (r_{k-1} + r_k) + m_{k+1} r_k = 3 (d_{k-1} r_{k-1} + d_k r_k),    r_k = 1/h_k,

with r = 0 before the first and after the last piece.

Sources: de Boor, A practical guide to splines, IV; Morrill, Kidger, Yang & Lyons 2021 (backward differences).
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def linear_pieces(
    knots: Float[Tensor, "*batch knot"], points: Float[Tensor, "batch knot channel"]
) -> Float[Tensor, "batch knot power channel"]:
    """Coefficients of 1 and u of the straight pieces through the points; those of the last knot are constant."""
    slopes = torch.cat([secants(knots, points), torch.zeros_like(points[:, :1])], dim=1)
    return torch.stack([points, slopes], dim=2)


def cubic_pieces(
    knots: Float[Tensor, "*batch knot"],
    points: Float[Tensor, "batch knot channel"],
    left: Float[Tensor, "batch piece channel"],
    right: Float[Tensor, "batch piece channel"],
) -> Float[Tensor, "batch knot power channel"]:
    """Coefficients of 1, u, u^2 and u^3 of the cubic pieces with slopes `left` and `right` at their ends."""
    inverse, chord = inverse_lengths(knots), secants(knots, points)
    square = (3 * chord - 2 * left - right) * inverse
    cube = (left + right - 2 * chord) * inverse**2
    rest = torch.stack([left, square, cube], dim=2)
    return torch.cat([points[:, :, None], torch.cat([rest, torch.zeros_like(rest[:, :1])], dim=1)], dim=2)


def secants(
    knots: Float[Tensor, "*batch knot"], points: Float[Tensor, "batch knot channel"]
) -> Float[Tensor, "batch piece channel"]:
    """Slopes of the chords, zero where a piece has no length."""
    return points.diff(dim=1) * inverse_lengths(knots)


def backward_difference_slopes(
    knots: Float[Tensor, "*batch knot"],
    points: Float[Tensor, "batch knot channel"],
    inside: Bool[Tensor, "batch piece"],
) -> tuple[Tensor, Tensor]:
    """Slopes at the two ends of every piece: that of the chord before it, and its own; zero where not `inside`.

    The first piece has no chord before it and takes its own, so it is straight.
    """
    chord = secants(knots, points)
    before = torch.cat([chord[:, :1], chord[:, :-1]], dim=1)
    return torch.where(inside[..., None], before, 0), torch.where(inside[..., None], chord, 0)


def natural_slopes(
    knots: Float[Tensor, "*batch knot"],
    points: Float[Tensor, "batch knot channel"],
    observed: Bool[Tensor, "batch knot channel"],
) -> tuple[Float[Tensor, "batch knot channel"], Float[Tensor, "batch knot channel"]]:
    """Values and slopes at all knots of the natural cubic splines through each channel's observed points.

    The first point must be observed. Knots after a channel's last observed one repeat its value and slope.
    """
    times = knots.expand(points.shape[0], -1)[..., None].expand_as(points)
    # observed points of a channel move to the front, so that its spline is one tridiagonal system
    order = torch.sort((~observed).byte(), dim=1, stable=True).indices
    observed_times, observed_points = times.gather(1, order), points.gather(1, order)
    present = observed.gather(1, order)[:, 1:]
    # one, not zero, where there is no piece: the quotients stay finite, in the gradient too
    lengths = torch.where(present, observed_times.diff(dim=1), 1)
    rates = torch.where(present, 1 / lengths, 0)
    chord = torch.where(present, observed_points.diff(dim=1) / lengths, 0)
    slopes = _solve_spline(rates, 3 * chord * rates)
    # a cubic on a part of its interval is the cubic there: its value and slope at every knot in between say it all
    last = (observed.cumsum(dim=1) - 1).clamp_min(0)
    piece = last.clamp_max(points.shape[1] - 2)
    length, d = lengths.gather(1, piece), chord.gather(1, piece)
    x, a, b = observed_points.gather(1, last), slopes.gather(1, piece), slopes.gather(1, piece + 1)
    inner = present.gather(1, piece) & (last == piece)
    u = torch.where(inner, times - observed_times.gather(1, last), 0)
    c, e = (3 * d - 2 * a - b) / length, (a + b - 2 * d) / length**2
    values = x + u * (a + u * (c + u * e))
    slope = torch.where(inner, a + u * (2 * c + 3 * u * e), slopes.gather(1, last))
    return values, slope


def _solve_spline(
    rates: Float[Tensor, "batch piece channel"], weighted: Float[Tensor, "batch piece channel"]
) -> Float[Tensor, "batch knot channel"]:
    """Slopes of the natural spline by elimination along the knots; 0 at knots that belong to no piece."""
    nothing = torch.zeros_like(rates[:, :1])
    diagonal = 2 * (torch.cat([nothing, rates], dim=1) + torch.cat([rates, nothing], dim=1))
    # a knot without a piece gets the equation m = 0
    diagonals = torch.where(diagonal > 0, diagonal, 1).unbind(1)
    sides = (torch.cat([nothing, weighted], dim=1) + torch.cat([weighted, nothing], dim=1)).unbind(1)
    couplings = rates.unbind(1)
    pivots, eliminated = [diagonals[0]], [sides[0]]
    # without pivoting, as the matrix is diagonally dominant
    for diagonal, side, coupling in zip(diagonals[1:], sides[1:], couplings, strict=True):
        factor = coupling / pivots[-1]
        pivots.append(diagonal - factor * coupling)
        eliminated.append(side - factor * eliminated[-1])
    slopes = [eliminated[-1] / pivots[-1]]
    for pivot, side, coupling in zip(pivots[-2::-1], eliminated[-2::-1], couplings[::-1], strict=True):
        slopes.append((side - coupling * slopes[-1]) / pivot)
    return torch.stack(slopes[::-1], dim=1)


def inverse_lengths(knots: Float[Tensor, "*batch knot"]) -> Float[Tensor, "batch piece 1"]:
    """1/h of every piece, 0 for those without length; batch is 1 where the knots are shared."""
    lengths = knots.reshape(-1, knots.shape[-1]).diff(dim=1)[..., None]
    # both: the gradient of a quotient that `where` drops would be NaN
    return torch.where(lengths > 0, 1 / torch.where(lengths > 0, lengths, 1), 0)
