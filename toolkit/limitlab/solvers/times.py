"""The solver's time tau, which increases, and the time t of the caller, which may decrease or be far from zero:

    t = sign (origin + tau).

Fields get t in the precision of the state. Where that cannot tell the times of a span apart, as float32 cannot tell
the seconds of a day counted since 1970, tau is counted from the start of the span in the precision of the state, and
the field gets t in double.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, digits
from limitlab.numbers import resolves, rounding_of

SLIVER = 1e-9  # of a step: what rounding alone leaves over is not worth one
WIDEST_SLIVER = 1e-2
STEP_IN_UNITS = 4  # in the last place


@dataclass(frozen=True)
class Clock:
    """sign: 1 or -1. origin, last: start and end of the span, (batch, 1), of sign t, where tau is not sign t itself."""

    sign: float = 1.0
    origin: Float[Tensor, "batch 1"] | None = None
    last: Float[Tensor, "batch 1"] | None = None

    @property
    def plain(self) -> bool:
        """Whether tau is t."""
        return self.sign == 1.0 and self.origin is None

    def counted(self, t: Tensor) -> Tensor:
        """tau of t."""
        turned = t if self.sign == 1.0 else -t
        return turned if self.origin is None else turned - self.origin

    def shown(self, tau: Tensor) -> Tensor:
        """t of tau."""
        moved = tau if self.origin is None else self.origin + tau
        return moved if self.sign == 1.0 else -moved

    def shown_of(self, sample: int, tau: float) -> float:
        """t of the tau of one sample."""
        return self.sign * (tau if self.origin is None else float(self.origin[sample, 0]) + tau)

    def asked(self, tau: Float[Tensor, "batch 1"]) -> Float[Tensor, "batch 1"]:
        """t of tau as a field gets it, never beyond the end by the rounding of tau."""
        if self.origin is None or self.last is None:
            return self.shown(tau)
        moved = torch.minimum(self.origin + tau, self.last)
        return moved if self.sign == 1.0 else -moved

    def why_double(self, dtype: torch.dtype) -> str:
        """What to say to a field that cannot take its times in double."""
        assert self.origin is not None
        assert self.last is not None
        ends = (self.sign * float(self.origin[0, 0]), self.sign * float(self.last[0, 0]))
        start, end = digits(*ends)
        return (
            f"{dtype} cannot tell the times from {start} to {end} apart, so that the field gets t in torch.float64: "
            f"let it return {dtype}, or count t from the start of the span"
        )


def clock_of(times: Float[Tensor, "batch time"], sign: float, dtype: torch.dtype) -> Clock:
    """The clock of a span for states of dtype; times: sign t, increasing."""
    start, end = times[:, :1], times[:, -1:]
    return Clock(sign) if resolves(dtype, start, end) else Clock(sign, start, end)


def sliver_of(times: Tensor | np.ndarray, step_size: float, argument: str = "step_size") -> float:
    """The part of a step that rounding may leave over between times of the precision in which these were given.

    Raises InvalidArgument where steps are so short that double precision cannot tell their times apart.
    """
    latest = max(abs(float(times.min())), abs(float(times.max())))
    if step_size < STEP_IN_UNITS * np.spacing(latest):
        here, after = digits(latest, float(np.nextafter(latest, np.inf)))
        raise InvalidArgument(
            f"{argument} must be longer than the resolution of t: after {here} the next time in double precision is "
            f"{after}; got {step_size:.6g}. Count t from the start of the span"
        )
    return min(max(SLIVER, 4 * rounding_of(times) / step_size), WIDEST_SLIVER)


def may_pass(start: Float[Tensor, "batch 1"], end: Float[Tensor, "batch 1"]) -> bool:
    """Whether t + (end - t), with rounding, can lie beyond the end for some t of a span.

    The difference is exact where t and the end have one sign and neither is more than twice the other (Sterbenz). For
    0 < t < end / 2 the sum is off by at most half a unit in the last place, which is rounded away from odd ends alone.
    """
    odd = (end.contiguous().view(torch.int64) & 1).bool()
    rounded = torch.where(end > 0, (start < 0.5 * end) & (odd | (start < 0)), start < 2 * end)
    return bool(rounded.any())
