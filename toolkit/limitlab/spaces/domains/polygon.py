"""Simple polygons, convex or not, with a smooth distance made of the half-planes of their sides.

Every simple polygon is a formula of "and" and "or" in which each side's half-plane stands once. A chain of sides, with
rays for its two ends, is split at a corner of its convex hull: by "and" where the polygon is convex there, else by
"or". With Rvachev's functions for both, the formula is a smooth function that vanishes on the sides alone, with slope
one across them. Sources: Dobkin, Guibas, Hershberger, Snoeyink, An efficient algorithm for finding the CSG
representation of a simple polygon (1988); Rvachev, Sheiko, R-functions in boundary value problems (1995).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_numbers
from limitlab.spaces.domains.domain import Shape, both, check_points, either
from limitlab.spaces.domains.shapes import distance_to_segments

STRAIGHT = 1e-12
"""Sine of the angle below which a corner is none, and slopes below which a hull's side is parallel to a ray."""
Formula = int | tuple[str, "Formula", "Formula"]


@dataclass(frozen=True)
class Polygon(Shape):
    """A polygon by its corners, in either order; its sides meet at corners only. Raises InvalidArgument.

    >>> ell = ll.spaces.domains.Polygon([(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)])
    >>> ell.measure, ell.contains(torch.tensor([[0.5, 1.5], [1.5, 1.5]])).tolist()
    (3.0, [True, False])
    """

    corners: Sequence[tuple[float, float]]

    dimension = 2

    def __post_init__(self) -> None:
        corners = tuple(check_numbers(f"corners[{place}]", corner, 2) for place, corner in enumerate(self.corners))
        if len(corners) < 3:
            raise InvalidArgument(f"a polygon has three corners or more; got {len(corners)}")
        points = np.array(corners)
        _require_simple(points)
        # counter-clockwise, without corners at which nothing turns
        if _area(points) < 0:
            points = points[::-1]
        before, after = points - np.roll(points, 1, 0), np.roll(points, -1, 0) - points
        turn = _cross(before, after) / np.hypot(*before.T) / np.hypot(*after.T)
        object.__setattr__(self, "corners", tuple(map(tuple, points[np.abs(turn) > STRAIGHT].tolist())))

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return tuple(map(min, *self.corners)), tuple(map(max, *self.corners))

    @property
    def measure(self) -> float:
        return float(_area(np.array(self.corners)))

    @property
    def boundary_measure(self) -> float:
        return float(self._sides[2].sum())

    def signed_distance(self, points: Float[Tensor, "*batch dimension"]) -> Float[Tensor, "*batch"]:
        starts, along, _ = (part.to(points) for part in self._sides)
        flat = check_points(points, 2).reshape(-1, 2)
        distance = torch.cat([distance_to_segments(part, starts, starts + along) for part in flat.split(4096)])
        sign = torch.where(self._inside(flat, starts, along), -1.0, 1.0).to(distance)
        return (sign * distance).reshape(points.shape[:-1])

    def level(self, points: Float[Tensor, "*batch dimension"]) -> Float[Tensor, "*batch"]:
        return -self.distance(points)

    def distance(self, points: Float[Tensor, "*batch dimension"]) -> Float[Tensor, "*batch"]:
        starts, along, lengths = (part.to(points) for part in self._sides)
        offset = check_points(points, 2)[..., None, :] - starts
        heights = (along[:, 0] * offset[..., 1] - along[:, 1] * offset[..., 0]) / lengths
        return _value(self._formula, heights)

    def draw_boundary(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        starts, along, lengths = self._sides
        if not n:
            return starts[:0], starts[:0]
        side = torch.multinomial(lengths, n, replacement=True, generator=generator)
        part = torch.rand(n, 1, generator=generator, dtype=torch.float64)
        normals = torch.stack([along[:, 1], -along[:, 0]], 1) / lengths[:, None]
        return starts[side] + part * along[side], normals[side]

    @cached_property
    def _sides(self) -> tuple[Tensor, Tensor, Tensor]:
        """Starts, vectors and lengths."""
        starts = torch.tensor(self.corners, dtype=torch.float64)
        along = starts.roll(-1, 0) - starts
        return starts, along, along.norm(dim=1)

    @cached_property
    def _formula(self) -> Formula:
        points = np.array(self.corners)
        order = np.lexsort((points[:, 1], points[:, 0]))
        first, last, count = int(order[0]), int(order[-1]), len(points)
        chains = [
            [i % count for i in range(start, start + (end - start) % count)]
            for start, end in ((first, last), (last, first))
        ]
        return "and", _split(points, chains[0]), _split(points, chains[1])

    @staticmethod
    def _inside(points: Tensor, starts: Tensor, along: Tensor) -> Tensor:
        """True where a ray to the right meets an odd number of sides."""
        height = points[:, None, 1] - starts[:, 1]
        crosses = (height >= 0) != (height >= along[:, 1])
        # multiplied by the side's rise: no division by a level side
        right = (along[:, 0] * height - along[:, 1] * (points[:, None, 0] - starts[:, 0])) * along[:, 1].sign() > 0
        return (crosses & right).sum(1) % 2 == 1


def _value(formula: Formula, heights: Tensor) -> Tensor:
    if isinstance(formula, int):
        return heights[..., formula]
    operation, left, right = formula
    return (both if operation == "and" else either)(_value(left, heights), _value(right, heights))


def _split(points: np.ndarray, chain: list[int]) -> Formula:
    """The formula of a chain of sides (each by its first corner), its end sides lengthened to rays."""
    if len(chain) == 1:
        return chain[0]
    along = np.roll(points, -1, 0) - points
    place = _hull_corner(points[chain[1:]], -along[chain[0]], along[chain[-1]]) + 1
    convex = _cross(along[chain[place - 1]], along[chain[place]]) > 0
    return "and" if convex else "or", _split(points, chain[:place]), _split(points, chain[place:])


def _hull_corner(inner: np.ndarray, first: np.ndarray, last: np.ndarray) -> int:
    """Which inner corner of a chain is a corner of the hull of its sides and of the rays along `first` and `last`."""
    first, last = first / math.hypot(*first), last / math.hypot(*last)
    outward = -(first + last)
    if math.hypot(*outward) > STRAIGHT:
        directions = [outward]
    else:
        directions = [np.array([-last[1], last[0]]), np.array([last[1], -last[0]])]
    for direction in directions:
        height = inner @ direction
        top = np.flatnonzero(height >= height.max() - STRAIGHT * np.ptp(inner, 0).max())
        # the ray that starts at an end of the hull's side runs along it
        begins, ends = (len(directions) == 2 and end in top for end in (0, len(inner) - 1))
        if begins and ends:
            continue
        progress = inner[top] @ (last if begins or ends else np.array([-direction[1], direction[0]]))
        return int(top[np.argmax(progress) if begins else np.argmin(progress)])
    raise InvalidArgument("the polygon has corners that lie too close to a line")


def _require_simple(points: np.ndarray) -> None:
    along = np.roll(points, -1, 0) - points
    count = len(points)
    if not (np.hypot(*along.T) > 0).all():
        raise InvalidArgument(f"corner {int(np.argmin(np.hypot(*along.T)))} of the polygon stands twice")
    starts, ends = points, np.roll(points, -1, 0)
    # the side of each corner on which the line through each side lies
    from_start = np.sign(_cross(along[:, None], starts[None] - starts[:, None]))
    from_end = np.sign(_cross(along[:, None], ends[None] - starts[:, None]))
    parted = from_start * from_end
    overlap = (np.minimum(starts, ends)[:, None] <= np.maximum(starts, ends)[None]).all(-1)
    meeting = (parted <= 0) & (parted.T <= 0) & overlap & overlap.T
    for i, j in np.argwhere(np.triu(meeting, 1)).tolist():
        adjacent = j - i == 1 or (i == 0 and j == count - 1)
        ahead = i if j - i == 1 else j
        following = (ahead + 1) % count
        turned_back = _cross(along[ahead], along[following]) == 0 and along[ahead] @ along[following] < 0
        if not adjacent or turned_back:
            raise InvalidArgument(f"sides {i} and {j} of the polygon meet, though only neighbours may, at their corner")


def _area(points: np.ndarray) -> float:
    return float(_cross(points, np.roll(points, -1, 0)).sum() / 2)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
