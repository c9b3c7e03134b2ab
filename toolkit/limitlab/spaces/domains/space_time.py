"""Space-time: a domain and an interval of time; points are (x ..., t), as a network of both reads them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.spaces.domains.domain import HOW, Domain, both, check_points
from limitlab.spaces.domains.shapes import Box, Interval


@dataclass(frozen=True)
class SpaceTime:
    """The product of a domain and a span of time. Raises InvalidArgument.

    >>> ends = ll.spaces.domains.Interval(-1, 1)
    >>> cylinder = ll.spaces.domains.SpaceTime(ends, ll.spaces.domains.Interval(0, 2))
    >>> cylinder.measure, cylinder.sample(5).shape, cylinder.sample_initial(3)[:, -1].tolist()
    (4.0, torch.Size([5, 2]), [0.0, 0.0, 0.0])
    """

    domain: Domain
    span: Interval

    def __post_init__(self) -> None:
        if not isinstance(self.domain, Domain) or not isinstance(self.span, Interval):
            got = f"{type(self.domain).__name__} and {type(self.span).__name__}"
            raise InvalidArgument(f"space-time needs a domain and an Interval of time; got {got}")

    @property
    def dimension(self) -> int:
        return self.domain.dimension + 1

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        (low, high), (start, end) = self.domain.bounds, self.span.bounds
        return low + start, high + end

    @property
    def measure(self) -> float | None:
        return None if self.domain.measure is None else self.domain.measure * self.span.measure

    def contains(self, points: Float[Tensor, "*batch dimension"]) -> Bool[Tensor, "*batch"]:
        """True for points inside or on the boundary."""
        check_points(points, self.dimension)
        return self.domain.contains(points[..., :-1]) & self.span.contains(points[..., -1:])

    def distance(self, points: Float[Tensor, "*batch dimension"]) -> Float[Tensor, "*batch"]:
        """Smooth distance from the start and the sides, where a parabolic problem has its conditions, not the end."""
        check_points(points, self.dimension)
        return both(self.domain.distance(points[..., :-1]), points[..., -1] - self.span.lower[0])

    def sample(self, n: int, seed: int = 0, *, how: str = "uniform") -> Float[Tensor, "n dimension"]:
        """Points inside, as `Domain.sample` draws them: n random or Sobol points, or a grid of at least n."""
        one_of("how to sample", how, HOW)
        if isinstance(self.domain, Box):
            return Box(*self.bounds).sample(n, seed, how=how)
        return _Cylinder(self).sample(n, seed, how=how)

    def sample_initial(self, n: int, seed: int = 0, *, how: str = "uniform") -> Float[Tensor, "n dimension"]:
        """Points of the domain at the start of time."""
        points = self.domain.sample(n, seed, how=how)
        return torch.cat([points, points.new_full((len(points), 1), self.span.lower[0])], 1)

    def sample_boundary(self, n: int, seed: int = 0) -> tuple[Float[Tensor, "n dimension"], Float[Tensor, "n space"]]:
        """Random points of the domain's boundary at random times, and the outward unit normals in space."""
        points, normals = self.domain.sample_boundary(n, seed)
        generator = torch.Generator().manual_seed(int(check_number("seed", seed, low=0, integer=True)) + 1)
        (start,), (end,) = self.span.bounds
        times = start + (end - start) * torch.rand(len(points), 1, generator=generator, dtype=torch.float64)
        return torch.cat([points, times], 1), normals


class _Cylinder(Domain):
    """Space-time as a domain that can be sampled."""

    def __init__(self, product: SpaceTime) -> None:
        self.product, self.dimension = product, product.dimension

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return self.product.bounds

    def contains(self, points: Tensor) -> Tensor:
        return self.product.contains(points)
