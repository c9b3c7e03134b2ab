"""Missing values along time, filled channel by channel: what a path is between the values that are there.

All take points (batch, time, channel), finite everywhere, and which of them are observed. Nothing here loops: the last
and the next observed row of every entry are running maxima of row numbers.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Points = Float[Tensor, "batch time channel"]
Mask = Bool[Tensor, "batch time channel"]


def with_first_row(points: Points, observed: Mask, before: float | Float[Tensor, " channel"]) -> tuple[Points, Mask]:
    """The first row completed by `before`, as if it had been observed there."""
    first = torch.where(observed[:, 0], points[:, 0], torch.as_tensor(before, dtype=points.dtype, device=points.device))
    return (
        torch.cat([first[:, None], points[:, 1:]], dim=1),
        torch.cat([torch.ones_like(observed[:, :1]), observed[:, 1:]], dim=1),
    )


def held(points: Points, observed: Mask) -> Points:
    """The last observed value, of a channel whose first is; causal."""
    return points.gather(1, _last_observed(observed))


def straight(points: Points, observed: Mask, times: Float[Tensor, "batch time"]) -> Points:
    """On the line from the last observed value to the next, of a channel whose first is; held after its last."""
    last, following = _last_observed(observed), _next_observed(observed)
    following = torch.where(following < points.shape[1], following, last)
    times = times[..., None].expand_as(points)
    begin, span = times.gather(1, last), times.gather(1, following) - times.gather(1, last)
    # both: the gradient of a quotient that `where` drops would be NaN
    weight = torch.where(span > 0, (times - begin) / torch.where(span > 0, span, 1), 0)
    values = points.gather(1, last)
    return values + weight * (points.gather(1, following) - values)


def extended(points: Points, observed: Mask, inside: Bool[Tensor, "batch time"]) -> tuple[Points, Mask]:
    """Every channel's first and last value held outwards over the rows `inside`, as if observed there."""
    last, following = _last_observed(observed), _next_observed(observed)
    count = points.shape[1]
    leading, trailing = last < 0, (following == count) & inside[..., None]
    nearest = torch.where(leading, following.clamp_max(count - 1), last)
    return points.gather(1, nearest), observed | leading | trailing


def _last_observed(observed: Mask) -> Int[Tensor, "batch time channel"]:
    """Row of the last observed value at or before each row, -1 where there is none."""
    rows = torch.arange(observed.shape[1], device=observed.device)[:, None]
    return torch.where(observed, rows, -1).cummax(dim=1).values


def _next_observed(observed: Mask) -> Int[Tensor, "batch time channel"]:
    """Row of the next observed value at or after each row, the number of rows where there is none."""
    count = observed.shape[1]
    rows = torch.arange(count, device=observed.device)[:, None]
    return torch.where(observed, rows, count).flip(1).cummin(dim=1).values.flip(1)
