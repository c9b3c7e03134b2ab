"""What a Brownian path accepts: shapes, spans, grids, and times that lie in its span but for rounding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from torch import Tensor

from limitlab.errors import InvalidArgument, check_numbers, digits
from limitlab.numbers import rounding_of

Moments = TypeVar("Moments", np.ndarray, Tensor)


def inside(times: Moments, span: tuple[float, float]) -> Moments:
    """The times, those beyond the span by rounding alone moved to its ends. Raises InvalidArgument for others."""
    if not len(times):
        return times
    start, end = float(times.min()), float(times.max())
    if span[0] <= start and end <= span[1]:
        return times
    margin = 4 * max(rounding_of(times), rounding_of(np.array(span)))
    if not (span[0] - margin <= start and end <= span[1] + margin):
        low, high, start_text, end_text = digits(*span, start, end)
        raise InvalidArgument(f"times must lie in the span [{low}, {high}] of the path; got {start_text} to {end_text}")
    return times.clip(*span)


def read_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """(batch, noise), two positive whole numbers. Raises InvalidArgument."""
    if not isinstance(shape, Sequence) or len(shape) != 2:
        raise InvalidArgument(f"shape must be (batch, noise), two positive whole numbers; got {shape!r:.80}")
    batch, noise = check_numbers("shape", shape, low=1, integer=True)
    return int(batch), int(noise)


def read_span(span: tuple[float, float]) -> tuple[float, float]:
    """(start, end), increasing. Raises InvalidArgument."""
    start, end = check_numbers("span", span, 2)
    if not start < end:
        raise InvalidArgument(f"span must be (start, end) with start < end; got ({', '.join(digits(start, end))})")
    return start, end


def read_grid(grid: Sequence[float] | np.ndarray | Tensor | None, span: tuple[float, float]) -> np.ndarray:
    """Times from the start of the span to its end, which are these two where left out. Raises InvalidArgument."""
    if grid is None:
        return np.array(span)
    times = np.array(grid.detach().cpu() if isinstance(grid, Tensor) else grid, dtype=np.float64)
    increasing = times.ndim == 1 and len(times) > 1 and bool((np.diff(times) > 0).all())
    margin = 4 * max(rounding_of(times), rounding_of(np.array(span))) if increasing else 0.0
    if not increasing or max(abs(times[0] - span[0]), abs(times[-1] - span[1])) > margin:
        first = np.atleast_1d(times).ravel()
        start, end, *shown = digits(*span, *first[:3].tolist(), *first[3:][-1:].tolist())
        raise InvalidArgument(
            f"grid must increase strictly from {start} to {end}; got {len(first)} times, {', '.join(shown)}"
        )
    # a span in decimals, a grid in single precision: the ends are those of the span
    times[[0, -1]] = span
    return times
