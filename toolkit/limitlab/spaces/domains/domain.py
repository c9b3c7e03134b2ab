"""Domains: a signed distance, a smooth one for hard conditions, points inside, points and normals on the boundary.

`signed_distance` is negative inside and zero on the boundary: min of two for a union, max for an intersection. Of a
combination it is exact where it is positive or the domain simple, elsewhere a bound. `distance` is the smooth one: it
is positive inside, zero on the boundary alone and has slope one across it, so that distance * network + value meets a
Dirichlet condition exactly. Two of them combine by Rvachev's functions, smooth but where both vanish, at corners:
    a and b = a + b - sqrt(a^2 + b^2),      a or b = a + b + sqrt(a^2 + b^2).
Source: Sukumar, Srivastava, Exact imposition of boundary conditions with distance functions in physics-informed deep
neural networks (2022).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number, one_of

HOW = ("uniform", "sobol", "grid")
BLOCK = 4096
PROBES = 4 * BLOCK
"""A combination that so many points of its bounds all miss is called empty."""
MISSED = 1000 * BLOCK
BESIDE = 1e-7
"""How far from the boundary, in parts of the bounds, both sides are looked at."""

SEAM = 1e-12
"""A level that is zero but for rounding, in parts of the bounds."""


class Domain:
    """A bounded domain; `|`, `&` and `-` of two make a third.

    Each has `dimension`, `bounds` (lower and upper corners) and `measure`, its length or area, None where unknown.

    >>> plate = ll.spaces.domains.Box((0, 0), (2, 1)) - ll.spaces.domains.Disk((1, 0.5), 0.25)
    >>> points = plate.sample(100, seed=3)
    >>> points.shape, bool(plate.contains(points).all())
    (torch.Size([100, 2]), True)
    """

    dimension: int

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        raise NotImplementedError

    @property
    def measure(self) -> float | None:
        return None

    def signed_distance(self, points: Float[Tensor, "*batch dimension"]) -> Float[Tensor, "*batch"]:
        """Distance from the boundary, negative inside."""
        raise NotImplementedError

    def distance(self, points: Float[Tensor, "*batch dimension"]) -> Float[Tensor, "*batch"]:
        """Smooth distance from the boundary, positive inside: zero on it, with slope one across it."""
        raise NotImplementedError

    def contains(self, points: Float[Tensor, "*batch dimension"]) -> Bool[Tensor, "*batch"]:
        """True for points inside or on the boundary."""
        return self.level(points) <= 0

    def level(self, points: Float[Tensor, "*batch dimension"]) -> Float[Tensor, "*batch"]:
        """A function with the sign of the signed distance, where there is a cheaper one."""
        return self.signed_distance(points)

    def sample(self, n: int, seed: int = 0, *, how: str = "uniform") -> Float[Tensor, "n dimension"]:
        """Points inside, float64: n random or Sobol points, the first of any larger n, or a grid of at least n.

        The grid is the coarsest one of nearly square cells with n centres inside. Raises InvalidArgument.
        """
        n = int(check_number("n", n, low=1, integer=True))
        if one_of("how to sample", how, HOW) == "grid":
            return self._grid(n)
        parts, count, drawn = [], 0, 0
        for block in self._blocks(int(check_number("seed", seed, low=0, integer=True)), how):
            parts.append(block[self.contains(block)])
            count, drawn = count + len(parts[-1]), drawn + len(block)
            if count >= n:
                break
            if drawn >= MISSED and not count:
                raise InvalidArgument(f"none of {drawn} points in its bounds lies inside the domain")
        return torch.cat(parts)[:n]

    def sample_boundary(
        self, n: int, seed: int = 0
    ) -> tuple[Float[Tensor, "n dimension"], Float[Tensor, "n dimension"]]:
        """Random points of the boundary, uniform in its length, and their outward unit normals; float64.

        Raises InvalidArgument.
        """
        n = int(check_number("n", n, low=1, integer=True))
        generator = torch.Generator().manual_seed(int(check_number("seed", seed, low=0, integer=True)))
        parts, count, drawn = [], 0, 0
        while count < n:
            points, normals, before, behind = self._edges(generator)
            # on the boundary of a combination is what has it on one side only
            outward = torch.where(behind, 1.0, -1.0).to(normals)[:, None]
            kept = before != behind
            parts.append((points[kept], (outward * normals)[kept]))
            count, drawn = count + len(parts[-1][0]), drawn + BLOCK
            if drawn >= MISSED and not count:
                raise InvalidArgument(f"none of {drawn} points of its parts' boundaries lies on the domain's")
        return torch.cat([part[0] for part in parts])[:n], torch.cat([part[1] for part in parts])[:n]

    def shapes(self) -> Iterator[Shape]:
        """The simple shapes that it is made of."""
        raise NotImplementedError

    def __or__(self, other: Domain) -> Domain:
        return Union(self, other)

    def __and__(self, other: Domain) -> Domain:
        return Intersection(self, other)

    def __sub__(self, other: Domain) -> Domain:
        return Difference(self, other)

    def _edges(self, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Points on its shapes' boundaries, normals there, and whether it contains what lies just before and behind."""
        shapes = list(self.shapes())
        weights = torch.tensor([shape.boundary_measure for shape in shapes], dtype=torch.float64)
        chosen = torch.multinomial(weights, BLOCK, replacement=True, generator=generator)
        points, normals = torch.empty(2, BLOCK, self.dimension, dtype=torch.float64)
        for number, shape in enumerate(shapes):
            rows = (chosen == number).nonzero()[:, 0]
            points[rows], normals[rows] = shape.draw_boundary(len(rows), generator)
        step = BESIDE * self._size * normals
        return points, normals, self.contains(points + step), self.contains(points - step)

    @property
    def _size(self) -> float:
        return max(end - start for start, end in zip(*self.bounds, strict=True))

    def _blocks(self, seed: int, how: str) -> Iterator[Tensor]:
        """Blocks of points in the bounds."""
        low, high = (torch.tensor(corner, dtype=torch.float64) for corner in self.bounds)
        engine = torch.quasirandom.SobolEngine(self.dimension, scramble=True, seed=seed)
        generator = torch.Generator().manual_seed(seed)
        shape = (BLOCK, self.dimension)
        while True:
            if how == "sobol":
                unit = engine.draw(BLOCK, dtype=torch.float64)
            else:
                unit = torch.rand(shape, generator=generator, dtype=torch.float64)
            yield low + (high - low) * unit

    def _grid(self, n: int) -> Tensor:
        low, high = self.bounds
        sides = [last - first for first, last in zip(low, high, strict=True)]
        cell = (math.prod(sides) / n) ** (1 / self.dimension)
        along = max(1, math.floor(max(sides) / cell + 1e-9))
        while True:
            counts = [max(1, round(along * side / max(sides))) for side in sides]
            axes = [
                first + side * (torch.arange(count, dtype=torch.float64) + 0.5) / count
                for first, side, count in zip(low, sides, counts, strict=True)
            ]
            points = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, self.dimension)
            inside = points[self.contains(points)]
            if len(inside) >= n:
                return inside
            along += max(1, along // 50)


class Shape(Domain):
    """A domain that is no combination: it draws its own boundary."""

    @property
    def boundary_measure(self) -> float:
        """Length of the boundary; the number of ends in one dimension."""
        raise NotImplementedError

    def draw_boundary(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Points of the boundary, uniform in its length, and outward unit normals."""
        raise NotImplementedError

    def shapes(self) -> Iterator[Shape]:
        yield self


@dataclass(frozen=True)
class Union(Domain):
    """All that lies in the one or in the other; the smooth distance has another slope where two boundaries coincide."""

    first: Domain
    second: Domain

    def __post_init__(self) -> None:
        _require_combinable(self)

    @property
    def dimension(self) -> int:  # type: ignore[override]
        return self.first.dimension

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        (low, high), (other_low, other_high) = self.first.bounds, self.second.bounds
        return tuple(map(min, low, other_low)), tuple(map(max, high, other_high))

    def signed_distance(self, points: Float[Tensor, "*batch dimension"]) -> Float[Tensor, "*batch"]:
        return torch.minimum(self.first.signed_distance(points), self.second.signed_distance(points))

    def level(self, points: Float[Tensor, "*batch dimension"]) -> Float[Tensor, "*batch"]:
        return torch.minimum(self.first.level(points), self.second.level(points))

    def distance(self, points: Float[Tensor, "*batch dimension"]) -> Float[Tensor, "*batch"]:
        if self._seamed:
            raise InvalidArgument(
                "two parts of a union meet without overlapping, and their smooth distance would vanish along that "
                "seam, inside the domain: let them overlap, or draw both as one polygon"
            )
        return either(self.first.distance(points), self.second.distance(points))

    def shapes(self) -> Iterator[Shape]:
        yield from self.first.shapes()
        yield from self.second.shapes()

    @cached_property
    def _seamed(self) -> bool:
        """True where points inside lie on the boundary of both parts."""
        points, _, before, behind = self._edges(torch.Generator().manual_seed(0))
        return bool((before & behind & (self.level(points).abs() < SEAM * self._size)).any())


class Intersection(Union):
    """All that lies in both. Raises InvalidArgument where nothing does."""

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        (low, high), (other_low, other_high) = self.first.bounds, self.second.bounds
        return tuple(map(max, low, other_low)), tuple(map(min, high, other_high))

    def signed_distance(self, points: Float[Tensor, "*batch dimension"]) -> Float[Tensor, "*batch"]:
        return torch.maximum(self.first.signed_distance(points), self.second.signed_distance(points))

    def level(self, points: Float[Tensor, "*batch dimension"]) -> Float[Tensor, "*batch"]:
        return torch.maximum(self.first.level(points), self.second.level(points))

    def distance(self, points: Float[Tensor, "*batch dimension"]) -> Float[Tensor, "*batch"]:
        return both(self.first.distance(points), self.second.distance(points))


class Difference(Union):
    """All that lies in the first and not in the second. Raises InvalidArgument where nothing does."""

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return self.first.bounds

    def signed_distance(self, points: Float[Tensor, "*batch dimension"]) -> Float[Tensor, "*batch"]:
        return torch.maximum(self.first.signed_distance(points), -self.second.signed_distance(points))

    def level(self, points: Float[Tensor, "*batch dimension"]) -> Float[Tensor, "*batch"]:
        return torch.maximum(self.first.level(points), -self.second.level(points))

    def distance(self, points: Float[Tensor, "*batch dimension"]) -> Float[Tensor, "*batch"]:
        return both(self.first.distance(points), -self.second.distance(points))


def both(a: Tensor, b: Tensor) -> Tensor:
    """Rvachev's conjunction: positive where both are, zero where the smaller is."""
    return a + b - _length(a, b)


def either(a: Tensor, b: Tensor) -> Tensor:
    """Rvachev's disjunction: positive where one is, zero where the larger is."""
    return a + b + _length(a, b)


def check_points(points: Tensor, dimension: int) -> Tensor:
    """The points; raises InvalidArgument where their last axis does not hold `dimension` coordinates."""
    if not isinstance(points, Tensor) or not points.is_floating_point() or points.shape[-1:] != (dimension,):
        got = f"shape {tuple(points.shape)}" if isinstance(points, Tensor) else type(points).__name__
        raise InvalidArgument(f"points must be a tensor of floats (..., {dimension}); got {got}")
    return points


def _length(a: Tensor, b: Tensor) -> Tensor:
    squares = a * a + b * b
    corner = squares == 0
    # at a corner the root has no slope: zero is taken, where its derivative would be NaN
    return torch.where(corner, torch.zeros_like(squares), torch.where(corner, 1.0, squares).sqrt())


def _require_combinable(combination: Union) -> None:
    first, second = combination.first, combination.second
    for part in (first, second):
        if not isinstance(part, Domain):
            raise InvalidArgument(f"only domains combine; got {type(part).__name__}")
    if first.dimension != second.dimension:
        raise InvalidArgument(f"domains of {first.dimension} and of {second.dimension} dimensions do not combine")
    kind = type(combination).__name__.lower()
    low, high = combination.bounds
    if any(end <= start for start, end in zip(low, high, strict=True)):
        raise InvalidArgument(f"the {kind} of the domains is empty: their bounds do not overlap")
    blocks = combination._blocks(0, "sobol")
    if not any(bool((combination.level(next(blocks)) < 0).any()) for _ in range(PROBES // BLOCK)):
        raise InvalidArgument(f"the {kind} of the domains is empty: none of {PROBES} points in its bounds lies inside")
