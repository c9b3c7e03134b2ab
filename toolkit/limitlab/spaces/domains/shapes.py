"""Simple shapes: intervals, boxes, disks, and star shapes, whose boundary is a radius as a function of the angle."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, reduce

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number, check_numbers
from limitlab.spaces.domains.domain import Shape, both, check_points

ANGLES = 4096


@dataclass(frozen=True)
class Box(Shape):
    """A box between its lower and upper corners. Raises InvalidArgument.

    >>> ll.spaces.domains.Box((0, 0), (2, 1)).measure
    2.0
    """

    lower: tuple[float, ...]
    upper: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "lower", check_numbers("lower", self.lower))
        object.__setattr__(self, "upper", check_numbers("upper", self.upper, len(self.lower)))
        for start, end in zip(self.lower, self.upper, strict=True):
            if not start < end:
                raise InvalidArgument(f"lower must be below upper in every direction; got {start:g} and {end:g}")

    @property
    def dimension(self) -> int:  # type: ignore[override]
        return len(self.lower)

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return self.lower, self.upper

    @property
    def sides(self) -> tuple[float, ...]:
        return tuple(end - start for start, end in zip(self.lower, self.upper, strict=True))

    @property
    def measure(self) -> float:
        return math.prod(self.sides)

    @property
    def boundary_measure(self) -> float:
        return sum(self._faces())

    def signed_distance(self, points: Float[Tensor, "*batch dimension"]) -> Float[Tensor, "*batch"]:
        lower, upper = self._corners(points)
        outside = torch.maximum(lower - points, points - upper)
        return outside.clamp(min=0).norm(dim=-1) + outside.amax(-1).clamp(max=0)

    def distance(self, points: Float[Tensor, "*batch dimension"]) -> Float[Tensor, "*batch"]:
        lower, upper = self._corners(points)
        return reduce(both, ((points - lower) * (upper - points) / (upper - lower)).unbind(-1))

    def draw_boundary(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        lower, upper = (torch.tensor(corner, dtype=torch.float64) for corner in self.bounds)
        points = lower + (upper - lower) * torch.rand(n, self.dimension, generator=generator, dtype=torch.float64)
        faces = torch.tensor(self._faces(), dtype=torch.float64)
        if not n:
            return points, points
        axis, side = (
            torch.multinomial(faces, n, replacement=True, generator=generator) // 2,
            torch.randint(2, (n,), generator=generator),
        )
        rows = torch.arange(n)
        points[rows, axis] = torch.where(side == 1, upper[axis], lower[axis])
        normals = torch.zeros_like(points)
        normals[rows, axis] = 2.0 * side.double() - 1
        return points, normals

    def _faces(self) -> list[float]:
        """Measures of the faces, two of each direction."""
        return [self.measure / side for side in self.sides for _ in range(2)]

    def _corners(self, points: Tensor) -> tuple[Tensor, Tensor]:
        check_points(points, self.dimension)
        return points.new_tensor(self.lower), points.new_tensor(self.upper)


class Interval(Box):
    """The points between two numbers; points are (..., 1). Raises InvalidArgument.

    >>> interval = ll.spaces.domains.Interval(-1, 3)
    >>> interval.distance(torch.tensor([[-1.0], [1.0], [3.0]])).tolist()
    [0.0, 1.0, 0.0]
    """

    def __init__(self, start: float, end: float) -> None:
        super().__init__((check_number("start", start),), (check_number("end", end),))


@dataclass(frozen=True)
class Disk(Shape):
    """A disk in the plane. Raises InvalidArgument.

    >>> ll.spaces.domains.Disk((0, 0), 2).signed_distance(torch.tensor([[0.0, 0.0], [3.0, 0.0]])).tolist()
    [-2.0, 1.0]
    """

    centre: tuple[float, float]
    radius: float

    dimension = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "centre", check_numbers("centre", self.centre, 2))
        object.__setattr__(self, "radius", _positive("radius", self.radius))

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return tuple(c - self.radius for c in self.centre), tuple(c + self.radius for c in self.centre)

    @property
    def measure(self) -> float:
        return math.pi * self.radius**2

    @property
    def boundary_measure(self) -> float:
        return 2 * math.pi * self.radius

    def signed_distance(self, points: Float[Tensor, "*batch dimension"]) -> Float[Tensor, "*batch"]:
        return self._from_centre(points).norm(dim=-1) - self.radius

    def distance(self, points: Float[Tensor, "*batch dimension"]) -> Float[Tensor, "*batch"]:
        # a polynomial, smooth at the centre too
        return (self.radius**2 - self._from_centre(points).square().sum(-1)) / (2 * self.radius)

    def draw_boundary(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        angle = 2 * math.pi * torch.rand(n, generator=generator, dtype=torch.float64)
        normals = torch.stack([angle.cos(), angle.sin()], 1)
        return torch.tensor(self.centre, dtype=torch.float64) + self.radius * normals, normals

    def _from_centre(self, points: Tensor) -> Tensor:
        return check_points(points, 2) - points.new_tensor(self.centre)


@dataclass(frozen=True)
class StarShape(Shape):
    """All within radius(angle) of the centre, radius being a smooth periodic positive function of torch tensors.

    signed_distance is that of a polygon of 4096 corners. Raises InvalidArgument.

    >>> star = ll.spaces.domains.StarShape((0, 0), lambda angle: 1 + 0.3 * torch.cos(5 * angle))
    >>> round(star.measure, 6)
    3.282964
    """

    centre: tuple[float, float]
    radius: Callable[[Tensor], Tensor]

    dimension = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "centre", check_numbers("centre", self.centre, 2))
        if not callable(self.radius):
            raise InvalidArgument(f"radius must be a function of the angle; got {type(self.radius).__name__}")
        angles = torch.linspace(0, 2 * math.pi, ANGLES + 1, dtype=torch.float64)
        radius, slope = self._radius(angles)
        if radius.shape != angles.shape or not (radius.isfinite() & (radius > 0) & slope.isfinite()).all():
            raise InvalidArgument("radius must give a positive number for every angle, as a tensor of its shape")
        if abs(radius[0] - radius[-1]) > 1e-9 * radius[0]:
            raise InvalidArgument(f"radius must be periodic; got {radius[0]:.6g} at 0 and {radius[-1]:.6g} at 2 pi")

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        corners, _ = self._curve
        # the curve leaves the chord between two of its points by less than its bend on that arc
        margin = float((corners[1:] - corners[:-1]).norm(dim=1).max())
        low, high = corners.amin(0) - margin, corners.amax(0) + margin
        return tuple(low.tolist()), tuple(high.tolist())

    @property
    def measure(self) -> float:
        radius, _ = self._radius(self._angles()[:-1])
        # the trapezoid rule of a periodic function is as good as the function is smooth
        return math.pi * float(radius.square().mean())

    @property
    def boundary_measure(self) -> float:
        radius, slope = self._radius(self._angles()[:-1])
        return 2 * math.pi * float((radius.square() + slope.square()).sqrt().mean())

    def signed_distance(self, points: Float[Tensor, "*batch dimension"]) -> Float[Tensor, "*batch"]:
        check_points(points, 2)
        corners = self._curve[0].to(points)
        distance = torch.cat(
            [distance_to_segments(part, corners[:-1], corners[1:]) for part in points.reshape(-1, 2).split(256)]
        )
        return torch.where(self.contains(points), -1.0, 1.0).to(points) * distance.reshape(points.shape[:-1])

    def level(self, points: Float[Tensor, "*batch dimension"]) -> Float[Tensor, "*batch"]:
        offset = self._from_centre(points)
        return offset.norm(dim=-1) - self._radius(torch.atan2(offset[..., 1], offset[..., 0]))[0]

    def distance(self, points: Float[Tensor, "*batch dimension"]) -> Float[Tensor, "*batch"]:
        offset = self._from_centre(points)
        square = offset.square().sum(-1)
        # the centre has no angle, and any is right there
        x = torch.where(square == 0, 1.0, offset[..., 0])
        radius, slope = self._radius(torch.atan2(offset[..., 1], x))
        level = 1 - square / radius**2
        steepness = 4 * square / radius**4 * (1 + (slope / radius) ** 2)
        # level over its own gradient; a part of the level keeps the quotient finite at the centre
        size = math.sqrt(self.measure / math.pi)
        return level / (steepness + (level / size) ** 2).sqrt()

    def draw_boundary(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        corners, angles = self._curve
        length = torch.cat([angles.new_zeros(1), (corners[1:] - corners[:-1]).norm(dim=1).cumsum(0)])
        chosen = length[-1] * torch.rand(n, generator=generator, dtype=torch.float64)
        place = torch.searchsorted(length, chosen, right=True).clamp(1, ANGLES)
        part = (chosen - length[place - 1]) / (length[place] - length[place - 1])
        angle = angles[place - 1] + part * (angles[place] - angles[place - 1])
        radius, slope = self._radius(angle)
        outward = torch.stack([angle.cos(), angle.sin()], 1)
        along = torch.stack([-angle.sin(), angle.cos()], 1)
        normals = radius[:, None] * outward - slope[:, None] * along
        points = torch.tensor(self.centre, dtype=torch.float64) + radius[:, None] * outward
        return points, normals / normals.norm(dim=1, keepdim=True)

    @cached_property
    def _curve(self) -> tuple[Tensor, Tensor]:
        """Points of the boundary, the first one again at the end, and their angles."""
        angles = self._angles()
        radius, _ = self._radius(angles)
        unit = torch.stack([angles.cos(), angles.sin()], 1)
        return torch.tensor(self.centre, dtype=torch.float64) + radius[:, None] * unit, angles

    def _angles(self) -> Tensor:
        return torch.linspace(-math.pi, math.pi, ANGLES + 1, dtype=torch.float64)

    def _radius(self, angles: Tensor) -> tuple[Tensor, Tensor]:
        """Radius and its derivative."""
        return torch.func.jvp(self.radius, (angles,), (torch.ones_like(angles),))  # type: ignore[return-value]

    def _from_centre(self, points: Tensor) -> Tensor:
        return check_points(points, 2) - points.new_tensor(self.centre)


def distance_to_segments(points: Tensor, starts: Tensor, ends: Tensor) -> Tensor:
    """Distance of points (n, 2) from the nearest of segments (m, 2)."""
    along = ends - starts
    offset = points[:, None] - starts
    part = ((offset * along).sum(-1) / along.square().sum(-1)).clamp(0, 1)
    return (offset - part[..., None] * along).norm(dim=-1).amin(1)


def _positive(argument: str, value: object) -> float:
    number = check_number(argument, value, low=0)
    if not number:
        raise InvalidArgument(f"{argument} must be positive; got {value!r}")
    return number
