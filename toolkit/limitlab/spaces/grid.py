"""Uniform grids on boxes: where the values of a function live, and with which quadrature weights.

Three conventions, for an axis of length L with n points that starts at s:

    periodic   s + L i / n            i = 0 .. n-1     trapezoid rule, spectrally accurate for periodic functions
    cells      s + L (i + 1/2) / n    i = 0 .. n-1     midpoint rule, order 2
    nodes      s + L i / (n - 1)      i = 0 .. n-1     trapezoid rule with both ends, order 2
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import reduce
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number, check_numbers, one_of

AxisKind = Literal["periodic", "cells", "nodes"]
NAMES = ("x", "y", "z")


@dataclass(frozen=True)
class Axis:
    """One coordinate axis: `size` points on an interval of `length` that begins at `start`.

    >>> ll.spaces.Axis("x", 4, kind="cells").points().tolist()
    [0.125, 0.375, 0.625, 0.875]
    """

    name: str
    size: int
    length: float = 1.0
    start: float = 0.0
    kind: AxisKind = "periodic"

    def __post_init__(self) -> None:
        one_of("axis kind", self.kind, get_args(AxisKind))
        # a frozen dataclass; numbers of an array may be NumPy's
        object.__setattr__(self, "size", check_number(f"size of axis {self.name!r}", self.size, low=2, integer=True))
        for name in ("length", "start"):
            object.__setattr__(self, name, check_number(f"{name} of axis {self.name!r}", getattr(self, name)))
        if not self.length > 0:
            raise InvalidArgument(f"length of axis {self.name!r} must be positive; got {self.length}")

    @property
    def spacing(self) -> float:
        return self.length / (self.size - 1 if self.kind == "nodes" else self.size)

    def points(self) -> np.ndarray:
        """Coordinates of the points, float64, `(size,)`."""
        offset = 0.5 if self.kind == "cells" else 0.0
        return self.start + self.spacing * (np.arange(self.size) + offset)

    def weights(self) -> np.ndarray:
        """Quadrature weights, float64, `(size,)`; they sum to the length."""
        weights = np.full(self.size, self.spacing)
        if self.kind == "nodes":
            weights[[0, -1]] /= 2  # an end belongs to one interval only
        return weights


@dataclass(frozen=True)
class Grid:
    """Tensor product of axes; functions on it are tensors `(..., *shape)`.

    >>> grid = ll.spaces.Grid.uniform((4, 3), lengths=(2.0, 1.0), kind="nodes")
    >>> grid.shape, grid.spacing[1], float(grid.weights().sum())
    ((4, 3), 0.5, 2.0)
    """

    axes: tuple[Axis, ...]

    @classmethod
    def uniform(
        cls,
        resolution: int | Sequence[int],
        *,
        dimension: int = 1,
        lengths: float | Sequence[float] = 1.0,
        starts: float | Sequence[float] = 0.0,
        kind: AxisKind = "periodic",
    ) -> Grid:
        """Grid of one kind on a box; a number stands for the same on every axis."""
        listed = isinstance(resolution, Iterable) and getattr(resolution, "ndim", 1) == 1
        axes = None if listed else int(check_number("dimension", dimension, low=1, high=len(NAMES), integer=True))
        sizes = tuple(map(int, check_numbers("resolution", resolution, axes, integer=True)))
        if not 1 <= len(sizes) <= len(NAMES):
            raise InvalidArgument(f"a grid has 1 to {len(NAMES)} axes; got resolution {resolution!r:.80}")
        spans = check_numbers("lengths", lengths, len(sizes))
        origins = check_numbers("starts", starts, len(sizes))
        # the names of the axes that are there
        return cls(tuple(Axis(*entries, kind) for entries in zip(NAMES, sizes, spans, origins, strict=False)))

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(axis.size for axis in self.axes)

    @property
    def dimension(self) -> int:
        return len(self.axes)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(axis.name for axis in self.axes)

    @property
    def lengths(self) -> tuple[float, ...]:
        return tuple(axis.length for axis in self.axes)

    @property
    def spacing(self) -> tuple[float, ...]:
        return tuple(axis.spacing for axis in self.axes)

    @property
    def kinds(self) -> tuple[AxisKind, ...]:
        return tuple(axis.kind for axis in self.axes)

    @property
    def is_periodic(self) -> bool:
        return all(kind == "periodic" for kind in self.kinds)

    def at(self, resolution: int | Sequence[int]) -> Grid:
        """The same box with another number of points along every axis."""
        sizes = check_numbers("resolution", resolution, self.dimension, integer=True)
        return Grid(tuple(replace(axis, size=int(size)) for axis, size in zip(self.axes, sizes, strict=True)))

    def coordinates(self) -> dict[str, np.ndarray]:
        """Name to coordinates of every axis, as xarray takes them."""
        return {axis.name: axis.points() for axis in self.axes}

    def points(
        self, dtype: torch.dtype = torch.float64, device: torch.device | str | None = None
    ) -> Float[Tensor, "*shape dimension"]:
        """Coordinates of all points."""
        axes = [torch.as_tensor(axis.points(), dtype=dtype, device=device) for axis in self.axes]
        return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)

    def weights(
        self, dtype: torch.dtype = torch.float64, device: torch.device | str | None = None
    ) -> Float[Tensor, "*shape"]:
        """Quadrature weights of all points; they sum to the volume of the box."""
        product = reduce(np.multiply.outer, (axis.weights() for axis in self.axes))
        return torch.as_tensor(product, dtype=dtype, device=device)

    def require(self, argument: str, values: Tensor) -> None:
        """Raise InvalidArgument unless the last dimensions of `values` are this grid's."""
        if tuple(values.shape[-self.dimension :]) != self.shape:
            raise InvalidArgument(
                f"{argument} must end in the grid's shape {self.shape}; got shape {tuple(values.shape)}"
            )

    def to_json(self) -> str:
        return json.dumps([asdict(axis) for axis in self.axes])

    @classmethod
    def from_json(cls, text: str) -> Grid:
        return cls(tuple(Axis(**axis) for axis in json.loads(text)))
