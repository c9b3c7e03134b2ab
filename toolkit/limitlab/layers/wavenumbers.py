"""Which wavenumbers a spectral layer keeps: a block in the centre, so many along every axis.

For m modes along an axis, k = -floor(m/2) .. ceil(m/2)-1; along the last axis, whose other half a real function
implies, k = 0 .. floor(m/2). Fewer modes are a block in the centre of more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from limitlab.errors import InvalidArgument, check_numbers

Wavenumbers = tuple[tuple[int, int], ...]
"""First and last wavenumber (inclusive) of every axis."""


def centred(modes: Sequence[int]) -> Wavenumbers:
    """The wavenumbers of so many modes, full counts, along every axis."""
    return (*((-(m // 2), math.ceil(m / 2) - 1) for m in modes[:-1]), (0, modes[-1] // 2))


def weight_shape(fed: int, given: int, modes: Sequence[int], separable: bool) -> tuple[int, ...]:
    """The shape of R: (in, out, *kept), or (channels, *kept) when separable."""
    return (*((fed,) if separable else (fed, given)), *(last - first + 1 for first, last in centred(modes)))


def check_modes(modes: Sequence[int]) -> tuple[int, ...]:
    """`modes` as a tuple of one to three positive whole numbers; raises InvalidArgument."""
    counts = tuple(map(int, check_numbers("modes", modes, low=1, integer=True)))
    if not 1 <= len(counts) <= 3:
        raise InvalidArgument(f"modes must hold 1 to 3 whole numbers, one per axis; got {modes!r:.80}")
    return counts


def existing_wavenumbers(wavenumbers: Wavenumbers, *grids: Sequence[int]) -> Wavenumbers:
    """The wavenumbers that exist, |k_j| <= n_j / 2, on every one of the grids."""
    limits = [min(sizes) // 2 for sizes in zip(*grids, strict=True)]
    return tuple(
        (max(first, -limit), min(last, limit)) for (first, last), limit in zip(wavenumbers, limits, strict=True)
    )
