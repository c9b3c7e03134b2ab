"""Continuous paths through data: what drives a controlled differential equation dz = f(z) dX.

Through the observations (t_k, x_k), k = 0 .. n-1, of a sample, each channel apart:

    linear       straight between observations, kinks at them; on [t_k, t_k+1] it needs x_k+1
    rectilinear  first time advances with the values held, then the values jump with time held: 2n - 1 knots, and its
                 parameter is the index 0 .. 2n-2 of a knot, as dX/dt would be infinite; observation k is at s = 2k
    hermite      cubic, C^1, slope at t_k+1 is the backward difference (x_k+1 - x_k)/(t_k+1 - t_k)
    natural      natural cubic spline, C^2; every value changes all of it, so it is no path for online prediction

A NaN is a missing value. The rectilinear path holds the last value until the next one is there, so that it knows
nothing before its time; the linear and the Hermite path go straight from a channel's last value to its next; the
natural spline of a channel goes through the values that are there. Before a channel's first value the first three
take it to be `before` at the first time (0 unless told: the mean, for normalised data), as filling backwards would
show the future; the natural spline, which sees the future anyway, holds the first value.

Sources: Kidger, Morrill, Foster & Lyons 2020 (neural controlled differential equations); Morrill, Kidger, Yang & Lyons
2021 (the choice of the interpolation).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number, digits, one_of
from limitlab.numbers import tensor_of
from limitlab.spaces.paths.missing import extended, held, straight, with_first_row
from limitlab.spaces.paths.splines import backward_difference_slopes, cubic_pieces, linear_pieces, natural_slopes

MOST_MOVED = 1e-2  # of an interval between times, by rounding
Interpolation = Literal["linear", "rectilinear", "hermite", "natural"]


def control_path(
    times: Float[Tensor, "*batch time"] | Sequence[float],
    values: Float[Tensor, "batch time channel"],
    interpolation: Interpolation = "linear",
    *,
    include_time: bool = True,
    before: float | Float[Tensor, " channel"] | None = None,
    lengths: Int[Tensor, " batch"] | None = None,
) -> ControlPath:
    """The path of every sample through its values (batch, time, channel) at its times, (time,) or (batch, time).

    include_time: put time in front of the channels; without it a model cannot tell slow data from fast. before: what a
    channel is before its first value. lengths: rows of each sample that count; left out, those up to its last row with
    a value. After them the path stays where it is, time included, so that z does not move any more; where times are a
    sample's own, its path ends there. Differentiable in values and times. Raises InvalidArgument, UnknownName.

    >>> ll.spaces.control_path([0.0, 1.0, 2.0], torch.tensor([[[1.0], [3.0], [2.0]]])).evaluate(0.5).tolist()
    [[0.5, 2.0]]
    """
    one_of("interpolation", interpolation, get_args(Interpolation))
    if interpolation == "rectilinear" and not include_time:
        raise InvalidArgument("include_time must be True for a rectilinear path: it advances time and values in turn")
    _check_values(values)
    inside = _counted_rows(values, lengths)
    times, clock = _checked_times(times, values, inside)
    observed = ~torch.isnan(values) & inside[..., None]
    _check_before(before, observed)
    # NaN goes before any arithmetic: times zero it would still be NaN, in the gradient too
    points = torch.where(observed, values, 0)
    if before is not None or interpolation != "natural":
        points, observed = with_first_row(points, observed, 0.0 if before is None else before)
    if interpolation == "rectilinear":
        # every knot twice, time and values moved against each other by one: first time goes on, then the values
        points = held(points, observed).repeat_interleave(2, dim=1)[:, :-1]
        points = torch.cat([clock.repeat_interleave(2, dim=1)[:, 1:, None], points], dim=-1)
        knots = torch.arange(points.shape[1], dtype=points.dtype, device=points.device)
        return ControlPath(interpolation, knots, linear_pieces(knots, points))
    if interpolation == "natural":
        points, observed = extended(points, observed, inside)
    else:
        points = straight(points, observed, clock)
    if include_time:
        points = torch.cat([clock[..., None], points], dim=-1)
        observed = torch.cat([inside[..., None], observed], dim=-1)
    knots = times if times.dim() == 1 else clock
    if interpolation == "linear":
        return ControlPath(interpolation, knots, linear_pieces(knots, points))
    pieces = inside[:, 1:]
    if interpolation == "hermite":
        left, right = backward_difference_slopes(knots, points, pieces)
    else:
        points, slopes = natural_slopes(knots, points, observed)
        left, right = (torch.where(pieces[..., None], part, 0) for part in (slopes[:, :-1], slopes[:, 1:]))
    return ControlPath(interpolation, knots, cubic_pieces(knots, points, left, right))


@dataclass(frozen=True)
class ControlPath:
    """A path of every sample, a polynomial between knots; made by `control_path` and `log_signature_path`.

    knots: (knot,), or (batch, knot) where every sample has its own. coefficients: of 1, u, u^2, .. with u = s - knot,
    for the piece that begins at each knot; the piece of the last knot is constant, as is what comes before the first.

    >>> path = ll.spaces.control_path([0.0, 1.0, 2.0], torch.tensor([[[1.0], [3.0], [2.0]]]), "natural")
    >>> path
    ControlPath(natural: 1 samples, 2 channels, 3 knots on [0, 2])
    """

    interpolation: str
    knots: Float[Tensor, "*batch knot"]
    coefficients: Float[Tensor, "batch knot power channel"]

    def evaluate(self, s: Tensor | float) -> Float[Tensor, "batch *query channel"]:
        """X(s) of every sample. s: a number, (query,) for all samples, or (batch, query). Constant outside the ends."""
        return self.near(s).evaluate(s)

    def derivative(self, s: Tensor | float) -> Float[Tensor, "batch *query channel"]:
        """dX/ds, with s as for `evaluate`: at a kink that of the piece which begins there, at the end of the last."""
        return self.near(s).differentiated().evaluate(s)

    def near(self, s: Tensor | float) -> Pieces:
        """The polynomials that the path is made of at each s, with s as for `evaluate`."""
        s = tensor_of("s", s, dtype=self.knots.dtype, device=self.knots.device)
        if s.dim() > 2 or (s.dim() == 2 and s.shape[0] not in (1, self.batch)):
            raise InvalidArgument(f"s must be a number, (query,) or ({self.batch}, query); got shape {tuple(s.shape)}")
        queries = s.reshape(1, -1) if s.dim() < 2 else s
        shared = self.knots.dim() == 1 and queries.shape[0] == 1
        if not shared:
            queries = queries.expand(self.batch, -1)
        # right: at a knot the piece that begins there
        piece = torch.searchsorted(self._edges, queries.detach().contiguous(), right=True)
        # the piece before the first knot is constant, so that it does not matter from which knot it is measured
        knot = (piece - 1).clamp_min(0)
        # from the knot, not from zero: powers of a late time would lose all digits
        origin = self.knots[knot] if self.knots.dim() == 1 else self.knots.gather(1, knot)
        if shared:
            powers = self._powers[:, piece[0]]
        else:
            powers = self._powers[torch.arange(self.batch, device=piece.device)[:, None], piece]
        if s.dim() == 0:
            origin, powers = origin[:, 0], powers[:, 0]
        return Pieces(origin, powers.unbind(-2))

    @property
    def start(self) -> Float[Tensor, "*batch"]:
        return self.knots[..., 0]

    @property
    def end(self) -> Float[Tensor, "*batch"]:
        return self.knots[..., -1]

    @property
    def batch(self) -> int:
        return self.coefficients.shape[0]

    @property
    def channels(self) -> int:
        return self.coefficients.shape[-1]

    @property
    def degree(self) -> int:
        """Of the polynomial between knots: 1 or 3."""
        return self.coefficients.shape[2] - 1

    def __repr__(self) -> str:
        knots = self.knots.shape[-1]
        span = f"[{', '.join(digits(float(self.start.min()), float(self.end.max())))}]"
        owner = "" if self.knots.dim() == 1 else " of its own"
        size = f"{self.batch} samples, {self.channels} channels"
        return f"ControlPath({self.interpolation}: {size}, {knots} knots{owner} on {span})"

    @cached_property
    def _edges(self) -> Float[Tensor, "*batch knot"]:
        # a solver's last stage may be a rounding error beyond the end, where the path must not yet stand still
        first, last = self.knots[..., :1].detach(), self.knots[..., -1:].detach()
        margin = 2 * torch.finfo(self.knots.dtype).eps * torch.maximum(first.abs(), last.abs())
        edges = torch.where(self.knots.detach() == last, last + margin, self.knots.detach())
        return torch.cat([first - margin, edges[..., 1:]], dim=-1).contiguous()

    @cached_property
    def _powers(self) -> Float[Tensor, "batch piece power channel"]:
        # kept for all queries: what is made in inference mode could serve no gradient
        with torch.inference_mode(False):
            before = torch.zeros_like(self.coefficients[:, :1])
            before[:, :, 0] = self.coefficients[:, :1, 0]
            return torch.cat([before, self.coefficients], dim=1)


class Pieces(NamedTuple):
    """One polynomial a query: coefficients of 1, u, u^2, .. with u = s - origin."""

    origin: Float[Tensor, "batch *query"]
    powers: tuple[Float[Tensor, "batch *query channel"], ...]

    def split(self) -> list[Pieces]:
        """Those of each query of its own, (batch, 1)."""
        origins, *powers = self.origin.split(1, 1), *(power.split(1, 1) for power in self.powers)
        return [Pieces(origin, tuple(parts)) for origin, *parts in zip(origins, *powers, strict=True)]

    def evaluate(self, s: Tensor | float) -> Float[Tensor, "batch *query channel"]:
        if len(self.powers) == 1:
            return self.powers[0]
        s = tensor_of("s", s, dtype=self.origin.dtype, device=self.origin.device)
        u, value = (s - self.origin)[..., None], self.powers[-1]
        for coefficient in reversed(self.powers[:-1]):
            value = torch.addcmul(coefficient, u, value)
        return value

    def differentiated(self) -> Pieces:
        """The polynomials of dX/ds."""
        return Pieces(self.origin, tuple(power * value for power, value in enumerate(self.powers[1:], start=1)))


def _check_values(values: Tensor) -> None:
    if not isinstance(values, Tensor) or values.dim() != 3 or not values.dtype.is_floating_point:
        got = f"{values.dtype} {tuple(values.shape)}" if isinstance(values, Tensor) else type(values).__name__
        raise InvalidArgument(f"values must be a floating-point tensor (batch, time, channel); got {got}")
    if values.shape[0] < 1 or values.shape[1] < 2 or values.shape[2] < 1:
        shape = tuple(values.shape)
        raise InvalidArgument(f"values must hold a sample, two times and a channel at the least; got shape {shape}")
    if bool(torch.isinf(values).any()):
        raise InvalidArgument("values must be finite, or NaN where they are missing; got an infinite one")


def _counted_rows(values: Tensor, lengths: Tensor | None) -> Bool[Tensor, "batch time"]:
    """Which rows count: the first `lengths` of a sample, or all up to its last row with a value."""
    batch, count, _ = values.shape
    rows = torch.arange(count, device=values.device)
    if lengths is None:
        some = (~torch.isnan(values)).any(dim=-1)
        return rows <= torch.where(some, rows, 0).amax(dim=1, keepdim=True)
    lengths = tensor_of("lengths", lengths, device=values.device)
    if lengths.dtype.is_floating_point or lengths.shape != (batch,):
        raise InvalidArgument(f"lengths must be {batch} whole numbers; got {lengths.dtype} {tuple(lengths.shape)}")
    if not bool(((lengths >= 1) & (lengths <= count)).all()):
        raise InvalidArgument(
            f"lengths must lie between 1 and the {count} rows of values; got {lengths.tolist()!r:.80}"
        )
    return rows < lengths[:, None]


def _checked_times(times: Tensor | Sequence[float], values: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """The times, and as (batch, time) those of each sample, which hold the last one in rows that do not count."""
    exact = tensor_of("times", times, dtype=None if isinstance(times, Tensor) else torch.float64, device=values.device)
    times = exact.to(values.dtype)
    batch, count, _ = values.shape
    if times.shape not in ((count,), (batch, count)):
        raise InvalidArgument(f"times must be ({count},) or ({batch}, {count}), as values; got {tuple(times.shape)}")
    counted = inside if times.dim() == 2 else torch.ones_like(inside[:1])
    table = times.reshape(-1, count)
    if not bool((torch.isfinite(table) | ~counted).all()):
        raise InvalidArgument("times must be finite in every row that counts; got NaN or infinity")
    wrong = (table.diff(dim=1) <= 0) & counted[:, 1:]
    if bool(wrong.any()):
        sample, row = wrong.nonzero()[0].tolist()
        pair = " then ".join(digits(*exact.detach().reshape(-1, count)[sample, row : row + 2].tolist()))
        raise InvalidArgument(f"times must increase (as {values.dtype}); sample {sample} has {pair} in row {row + 1}")
    moved = (times.double() - exact.double()).detach().reshape(-1, count)
    if bool(((moved.diff(dim=1).abs() > MOST_MOVED * table.diff(dim=1)) & counted[:, 1:]).any()):
        start, end = digits(*exact.detach().reshape(-1, count)[0, [0, -1]].tolist())
        raise InvalidArgument(
            f"times from {start} to {end} lie too close together, or too far from zero, for values of {values.dtype}: "
            "count them from the first, or take values in torch.float64"
        )
    if times.dim() == 2 and not bool(inside[:, 1].all()):
        sample = int((~inside[:, 1]).nonzero()[0])
        raise InvalidArgument(f"values of sample {sample} have one row; a path with times of its own needs two")
    last = inside.sum(dim=1, keepdim=True) - 1
    table = table.expand(batch, -1)
    return times, torch.where(inside, table, table.gather(1, last))


def _check_before(before: float | Tensor | None, observed: Tensor) -> None:
    channels = observed.shape[-1]
    if before is None:
        silent = ~observed.any(dim=1)
        if bool(silent.any()):
            sample, channel = silent.nonzero()[0].tolist()
            series = f"values of sample {sample}, channel {channel}"
            raise InvalidArgument(f"{series} are all missing; give before=, what a channel is until it is observed")
    elif isinstance(before, Tensor):
        if before.shape not in ((), (channels,)) or not bool(torch.isfinite(before).all()):
            raise InvalidArgument(f"before must be a finite number or ({channels},); got shape {tuple(before.shape)}")
    else:
        before = check_number("before", before)
