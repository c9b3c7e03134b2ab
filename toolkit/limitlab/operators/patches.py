"""Patches of a field that see their surroundings: a halo of neighbours, and coarser and wider windows around it.

An axis of n points is cut into 2^L patches of P = n / 2^L. With a halo of p points a patch is seen through windows of
P + 2 p points, one a level l = 0 .. L, all of them with the patch's middle c = (its first point) + floor(P / 2) at the
same place,

    point i of level l is point c + 2^l (i - p - floor(P / 2)) of the axis,

so that level 0 is the patch with its halo, and level L is as wide as the whole axis. Points are taken, not averaged:
waves shorter than two steps of a window fold into longer ones. Beyond the ends of an axis stand the points of its other
end where it is periodic, else zeros or the last point again. A fraction of the axis makes the halo, so that it has the
same width on every grid. Cropped and put together the patches are the field again, exactly.

Source: Kossaifi et al., MG-TFNO (2023), arXiv 2310.00120, section 3.3. neuraloperator 2.0.0 has the same windows in two
periodic dimensions; it fails below 2 * 4^L points an axis, and its halo is a number of points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number, check_numbers, one_of, unknown_name
from limitlab.labels import labelled

if TYPE_CHECKING:
    import xarray as xr

Outside = Literal["periodic", "zeros", "replicate"]
POSITIONS = ("periodic", "cells")
AXES = "xyz"


@dataclass(frozen=True)
class Patching:
    """How fields in one, two or three dimensions are cut, 2^levels patches along every axis.

    halo: neighbours on each side, as a fraction of the axis in [0, 1/2], one number or one per axis; rounded to points.
    coarse: with the windows of levels 1 .. L as further channels; False leaves each patch with its halo alone.
    outside: what stands beyond the ends, "periodic", "zeros" or "replicate", one for all axes or one per axis.
    positional: append the positions of level 0 in the whole domain, with the meanings that they have for an FNO: True
    i/n, "periodic" cos and sin of 2 pi i/n, "cells" (i + 1/2)/n. Beyond an end they go on where it is not periodic.
    Raises InvalidArgument and UnknownName.

    >>> patching = ll.operators.Patching(levels=1, halo=0.25, positional=False)
    >>> windows = patching.cut(torch.arange(8.0).reshape(1, 1, 8))
    >>> windows.shape, windows[0, 0].tolist(), windows[0, 1].tolist()
    (torch.Size([2, 2, 8]), [6.0, 7.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 4.0, 6.0, 0.0, 2.0, 4.0, 6.0, 0.0])
    """

    levels: int = 1
    halo: float | Sequence[float] = 1 / 16
    coarse: bool = True
    outside: Outside | Sequence[Outside] = "periodic"
    positional: bool | str = True

    def __post_init__(self) -> None:
        # a frozen dataclass; numbers of an array may be NumPy's
        object.__setattr__(self, "levels", int(check_number("levels", self.levels, low=0, high=10, integer=True)))
        check_numbers("halo", self.halo, None if isinstance(self.halo, Sequence) else 1, low=0.0, high=0.5)
        for kind in (self.outside,) if isinstance(self.outside, str) else self.outside:
            one_of("outside", kind, get_args(Outside))
        if not isinstance(self.positional, bool) and self.positional not in POSITIONS:
            raise unknown_name("positional", self.positional, [*POSITIONS, "True", "False"])

    def channels(self, in_channels: int, dimension: int) -> int:
        """Channels of a window, for so many of the field."""
        positions = dimension * (2 if self.positional == "periodic" else 1 if self.positional else 0)
        return in_channels * (1 + self.levels * self.coarse) + positions

    def count(self, dimension: int) -> int:
        """Patches of a field."""
        return 1 << self.levels * dimension

    def patch(self, grid: Sequence[int]) -> tuple[int, ...]:
        """Points of a patch; raises InvalidArgument for a grid that is not cut into whole ones."""
        if not 1 <= len(grid) <= len(AXES):
            raise InvalidArgument(f"fields must have 1 to {len(AXES)} axes; got a grid {tuple(grid)}")
        if any(n % 2**self.levels for n in grid):
            raise InvalidArgument(
                f"points along every axis must be a multiple of {2**self.levels} for levels={self.levels};"
                f" got a grid {tuple(grid)}"
            )
        return tuple(n // 2**self.levels for n in grid)

    def halos(self, grid: Sequence[int]) -> tuple[int, ...]:
        """Points of the halo on each side."""
        fractions = check_numbers("halo", self.halo, len(grid))
        return tuple(math.floor(fraction * n + 0.5) for fraction, n in zip(fractions, grid, strict=True))

    def window(self, grid: Sequence[int]) -> tuple[int, ...]:
        """Points of a window."""
        return tuple(points + 2 * p for points, p in zip(self.patch(grid), self.halos(grid), strict=True))

    def cut(self, u: Float[Tensor, "batch channel *grid"]) -> Float[Tensor, "windows channels *window"]:
        """The windows of all patches, those of a sample side by side; channels by level, then positions."""
        self.patch(tuple(u.shape[2:]))
        windows = [self._seen(u, level) for level in range(1 + self.levels * self.coarse)]
        if self.positional:
            windows.append(self._positions(u))
        return torch.cat(windows, dim=1)

    def crop(
        self, v: Float[Tensor, "windows channel *window"], grid: Sequence[int]
    ) -> Float[Tensor, "windows channel *patch"]:
        """The windows without their halo."""
        if tuple(v.shape[2:]) != self.window(grid):
            raise InvalidArgument(f"windows of a grid {tuple(grid)} have {self.window(grid)} points; got {v.shape[2:]}")
        for axis, (points, p) in enumerate(zip(self.patch(grid), self.halos(grid), strict=True)):
            v = v.narrow(axis + 2, p, points)
        return v

    def stitch(
        self, patches: Float[Tensor, "windows channel *patch"], grid: Sequence[int]
    ) -> Float[Tensor, "batch channel *grid"]:
        """Fields from their patches without a halo, in the order of `cut`."""
        if len(patches) % self.count(len(grid)) or tuple(patches.shape[2:]) != self.patch(grid):
            raise InvalidArgument(
                f"a grid {tuple(grid)} has {self.count(len(grid))} patches of {self.patch(grid)} points a sample;"
                f" got shape {tuple(patches.shape)}"
            )
        axes = AXES[: len(grid)]
        numbers, points = [f"n{axis}" for axis in axes], [f"p{axis}" for axis in axes]
        together = " ".join(f"({n} {p})" for n, p in zip(numbers, points, strict=True))
        pattern = f"(b {' '.join(numbers)}) c {' '.join(points)} -> b c {together}"
        return rearrange(patches, pattern, **dict.fromkeys(numbers, 2**self.levels))

    def distance(self, grid: Sequence[int]) -> Tensor:
        """Points between each point and the nearest seam between two patches: 0 beside one; an end is one if periodic.

        >>> ll.operators.Patching(levels=1).distance((8,)).tolist()
        [0, 1, 1, 0, 0, 1, 1, 0]
        """
        if not self.levels:
            raise InvalidArgument("levels must be > 0 for seams; got 0")
        nearest = torch.full(tuple(grid), max(grid))
        for axis, (n, points, kind) in enumerate(zip(grid, self.patch(grid), self._kinds(grid), strict=True)):
            i = torch.arange(n)
            before, after = i % points, points - 1 - i % points
            if kind != "periodic":
                before, after = before.where(i >= points, torch.tensor(n)), after.where(i < n - points, torch.tensor(n))
            along = torch.minimum(before, after)
            nearest = torch.minimum(nearest, along.reshape(-1, *[1] * (len(grid) - 1 - axis)))
        return nearest

    def indices(self, n: int, axis: int, level: int, grid: Sequence[int]) -> Tensor:
        """Points of the axis in each patch's window, (patches, window); below 0 or from n on beyond its ends."""
        points, p = self.patch(grid)[axis], self.halos(grid)[axis]
        middle = torch.arange(0, n, points)[:, None] + points // 2
        return middle + 2**level * (torch.arange(points + 2 * p) - p - points // 2)

    def _kinds(self, grid: Sequence[int]) -> tuple[str, ...]:
        kinds = (self.outside,) * len(grid) if isinstance(self.outside, str) else tuple(self.outside)
        if len(kinds) != len(grid):
            raise InvalidArgument(f"outside must be one for all or {len(grid)}, one an axis; got {self.outside!r}")
        return kinds

    def _seen(self, u: Tensor, level: int) -> Tensor:
        """The windows of a level."""
        grid = tuple(u.shape[2:])
        for axis, (n, kind) in enumerate(zip(grid, self._kinds(grid), strict=True)):
            asked = self.indices(n, axis, level, grid).to(u.device).flatten()
            inside = asked.remainder(n) if kind == "periodic" else asked.clamp(0, n - 1)
            u = u.index_select(axis + 2, inside)
            if kind == "zeros":
                beyond = (asked != inside).reshape(-1, *[1] * (len(grid) - 1 - axis))
                u = u.masked_fill(beyond, 0)
        return _apart(u, self.window(grid))

    def _positions(self, u: Tensor) -> Tensor:
        """Where the points of level 0 lie in the domain."""
        grid = tuple(u.shape[2:])
        first = 0.5 if self.positional == "cells" else 0.0
        along = []
        for axis, (n, kind) in enumerate(zip(grid, self._kinds(grid), strict=True)):
            asked = self.indices(n, axis, 0, grid).to(u.device).flatten()
            asked = asked.remainder(n) if kind == "periodic" else asked
            along.append((asked.to(u.dtype) + first) / n)
        positions = torch.stack(torch.meshgrid(*along, indexing="ij"))
        if self.positional == "periodic":
            positions = torch.cat([(2 * math.pi * positions).cos(), (2 * math.pi * positions).sin()])
        return _apart(positions.expand(u.shape[0], *[-1] * (u.ndim - 1)), self.window(grid))


def seam_error(
    prediction: Float[Tensor, "batch channel *grid"], target: Float[Tensor, "batch channel *grid"], patching: Patching
) -> xr.Dataset:
    """Root mean square error of points by their distance to the nearest seam, over that of the target; dim `distance`.

    >>> patching, u = ll.operators.Patching(levels=1), torch.ones(1, 1, 8)
    >>> ll.operators.seam_error(u + patching.distance((8,)), u, patching)["error"].values.tolist()
    [0.0, 1.0]
    """
    if prediction.shape != target.shape:
        raise InvalidArgument(f"prediction must have the target's shape {tuple(target.shape)}; got {prediction.shape}")
    distance = patching.distance(target.shape[2:]).to(target.device)
    squared = (prediction - target).square().mean((0, 1)).flatten()
    total = torch.zeros(int(distance.max()) + 1, dtype=squared.dtype, device=squared.device)
    sums = total.index_add(0, distance.flatten(), squared)
    counts = total.index_add(0, distance.flatten(), torch.ones_like(squared))
    errors = (sums / counts).sqrt() / target.square().mean().sqrt()
    return labelled(
        error=("distance", errors, "error over the size of the target"),
        distance=("distance", torch.arange(len(errors)), "points to the nearest seam"),
    )


def _apart(u: Tensor, window: Sequence[int]) -> Tensor:
    """Windows that lie side by side along the axes, as samples."""
    axes = AXES[: len(window)]
    together = " ".join(f"(n{axis} w{axis})" for axis in axes)
    apart = f"(b {' '.join(f'n{axis}' for axis in axes)}) c {' '.join(f'w{axis}' for axis in axes)}"
    sizes = {f"w{axis}": points for axis, points in zip(axes, window, strict=True)}
    return rearrange(u, f"b c {together} -> {apart}", **sizes)
