"""Linear operators on grids whose rows look at the neighbours of a point alone.

    (A u)_i = sum_o c_o(i) u_{i+o},      offsets o in {-1, 0, 1}^d

A neighbour beyond an axis is zero, or, on a periodic axis, the point at the other end. Coefficients may differ from
point to point and from sample to sample. Unknowns are tensors (batch, *grid).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from limitlab.errors import InvalidArgument

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Offset = tuple[int, ...]


class LinearOperator(Protocol):
    """What the iterative solvers ask of an operator: its grid, whether constants are its kernel, its product."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Points along each axis."""

    @property
    def singular(self) -> bool:
        """Whether A is singular, with the constants as its kernel."""

    def __call__(self, u: Tensor) -> Tensor:
        """A u of (batch, *grid)."""


@dataclass(frozen=True, eq=False)
class Stencil:
    """A by its coefficients, {offset: (*grid) or (batch, *grid)}; `diffusion` makes those of -div(a grad u).

    boundary: what is at the (first, last) end of each axis, as `diffusion` names it. solid: points (*grid) that are no
    unknowns: u is zero there, and their rows say u_i = b_i.
    singular: whether constants are in the kernel; solvers then keep the mean at zero.

    >>> second = ll.solvers.linear.diffusion((3,))
    >>> second
    Stencil(3 points, dirichlet; 3 entries a row)
    >>> second(torch.tensor([[0.0, 1.0, 0.0]])).tolist()
    [[-1.0, 2.0, -1.0]]
    """

    coefficients: dict[Offset, Float[Tensor, "*batch_grid"]]
    boundary: tuple[tuple[str, str], ...]
    solid: Bool[Tensor, "*grid"] | None = None
    singular: bool = False

    def __repr__(self) -> str:
        ends = ", ".join(first if first == last else f"{first} to {last}" for first, last in self.boundary)
        return f"Stencil({' x '.join(map(str, self.shape))} points, {ends}; {len(self.coefficients)} entries a row)"

    @property
    def shape(self) -> tuple[int, ...]:
        """Points along each axis."""
        return tuple(self.diagonal.shape[-self.dimension :])

    @property
    def dimension(self) -> int:
        """Number of axes."""
        return len(self.boundary)

    @property
    def periodic(self) -> tuple[bool, ...]:
        """Of each axis."""
        return tuple(first == "periodic" for first, _ in self.boundary)

    @property
    def batch(self) -> int:
        """Samples with coefficients of their own; 1 where all share them."""
        return self.diagonal.shape[0] if self.diagonal.dim() > self.dimension else 1

    @property
    def diagonal(self) -> Float[Tensor, "*batch_grid"]:
        """The coefficient of each point itself."""
        return self.coefficients[(0,) * self.dimension]

    def __call__(self, u: Float[Tensor, "batch *grid"]) -> Float[Tensor, "batch *grid"]:
        """A u, in the dtype of both; differentiable in u and in the coefficients. Raises InvalidArgument."""
        if (
            not isinstance(u, Tensor)
            or tuple(u.shape[-self.dimension :]) != self.shape
            or u.dim() != 1 + self.dimension
        ):
            got = tuple(u.shape) if isinstance(u, Tensor) else type(u).__name__
            raise InvalidArgument(f"u must have shape (batch, {', '.join(map(str, self.shape))}); got {got}")
        live = u if self.solid is None else u.masked_fill(self.solid, 0.0)
        padded = self._padded(live)
        (offset, coefficient), *others = self.coefficients.items()
        total = coefficient * padded[self._shifted(offset)]
        for offset, coefficient in others:
            # one pass over memory, which is what a product costs
            total = torch.addcmul(total, coefficient, padded[self._shifted(offset)])
        return total if self.solid is None else torch.where(self.solid, u, total)

    def to(self, dtype: torch.dtype | None = None, device: torch.device | str | None = None) -> Stencil:
        """The same operator in another precision, or on another device."""
        moved = {offset: c.to(dtype=dtype, device=device) for offset, c in self.coefficients.items()}
        solid = None if self.solid is None else self.solid.to(device=device)
        return Stencil(moved, self.boundary, solid, self.singular)

    @cached_property
    def live(self) -> Bool[Tensor, "*grid"]:
        """Points that are unknowns."""
        if self.solid is not None:
            return ~self.solid
        return torch.ones(self.shape, dtype=torch.bool, device=self.diagonal.device)

    def dense(self) -> Float[Tensor, "batch point point"]:
        """The matrix of each sample's operator, points in the order of a flattened grid."""
        points = math.prod(self.shape)
        units = torch.eye(points, dtype=self.diagonal.dtype, device=self.diagonal.device).unflatten(1, self.shape)
        of_sample = [self.of_sample(sample)(units).flatten(1).T for sample in range(self.batch)]
        return torch.stack(of_sample)

    def of_sample(self, sample: int) -> Stencil:
        """The operator of one sample, for any batch."""
        if self.batch == 1 and self.diagonal.dim() == self.dimension:
            return self
        chosen = {offset: c[sample] if c.dim() > self.dimension else c for offset, c in self.coefficients.items()}
        return Stencil(chosen, self.boundary, self.solid, self.singular)

    def to_scipy(self, sample: int = 0) -> csr_array:
        """The sparse matrix of one sample, float64."""
        import numpy as np
        from scipy.sparse import coo_array

        operator = self.of_sample(sample)
        indices = np.arange(math.prod(self.shape)).reshape(self.shape)
        live = self.live.cpu().numpy()
        rows, columns, entries = [], [], []
        for offset, coefficient in operator.coefficients.items():
            neighbour = np.roll(indices, [-o for o in offset], range(self.dimension))
            inside = live & np.roll(live, [-o for o in offset], range(self.dimension))
            for axis, o in enumerate(offset):
                if o and not self.periodic[axis]:
                    edge = [slice(None)] * self.dimension
                    edge[axis] = slice(-1, None) if o > 0 else slice(0, 1)
                    inside[tuple(edge)] = False
            values = np.broadcast_to(coefficient.detach().double().cpu().numpy(), self.shape)
            rows.append(indices[inside])
            columns.append(neighbour[inside])
            entries.append(values[inside])
        rows.append(indices[~live])
        columns.append(indices[~live])
        entries.append(np.ones(int((~live).sum())))
        size = math.prod(self.shape)
        parts = (np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns)))
        return coo_array(parts, shape=(size, size)).tocsr()

    def _padded(self, u: Tensor) -> Tensor:
        for axis in range(self.dimension):
            dim = 1 + axis
            if self.periodic[axis]:
                u = torch.cat([u.narrow(dim, u.shape[dim] - 1, 1), u, u.narrow(dim, 0, 1)], dim)
        ends = [0 if periodic else 1 for periodic in reversed(self.periodic) for _ in range(2)]
        return functional.pad(u, ends) if any(ends) else u

    def _shifted(self, offset: Offset) -> tuple[slice, ...]:
        return (slice(None), *(slice(1 + o, 1 + o + n) for o, n in zip(offset, self.shape, strict=True)))


def probed(
    product: Callable[[Tensor], Tensor], shape: tuple[int, ...], periodic: tuple[bool, ...], batch: int, like: Tensor
) -> dict[Offset, Float[Tensor, "batch *grid"]]:
    """The coefficients of an operator of which only the product is known, whose rows look at neighbours alone.

    A unit at every third point shows a row no more than one of its neighbours; on a periodic axis the distance of the
    units must divide its length.
    """
    distances = [_distance(n, wraps) for n, wraps in zip(shape, periodic, strict=True)]
    places = [torch.arange(n, device=like.device) % d for n, d in zip(shape, distances, strict=True)]
    offsets = [range(-1, 2)] * len(shape)
    colours = torch.cartesian_prod(*(torch.arange(d) for d in distances)).reshape(-1, len(shape)).tolist()
    found = {
        tuple(o): torch.zeros(batch, *shape, dtype=like.dtype, device=like.device)
        for o in torch.cartesian_prod(*(torch.tensor(list(r)) for r in offsets)).reshape(-1, len(shape)).tolist()
    }
    for colour in colours:
        units = _outer([place == c for place, c in zip(places, colour, strict=True)])
        image = product(units.to(like.dtype).expand(batch, *shape))
        for offset, coefficient in found.items():
            asks = _outer(
                [(place + o) % d == c for place, o, d, c in zip(places, offset, distances, colour, strict=True)]
            )
            coefficient += torch.where(asks & _inside(offset, shape, periodic, like.device), image, 0.0)
    return found


def _distance(size: int, wraps: bool) -> int:
    if not wraps:
        return min(3, size)
    return next((d for d in range(3, size) if size % d == 0), size)


def _outer(factors: list[Tensor]) -> Tensor:
    product = torch.ones((), dtype=torch.bool, device=factors[0].device)
    for axis, factor in enumerate(factors):
        product = product & factor.reshape([-1 if other == axis else 1 for other in range(len(factors))])
    return product


def _inside(offset: Offset, shape: tuple[int, ...], periodic: tuple[bool, ...], device: torch.device) -> Tensor:
    """Points whose neighbour at this offset exists."""
    factors = []
    for o, n, wraps in zip(offset, shape, periodic, strict=True):
        place = torch.arange(n, device=device) + o
        factors.append(torch.ones_like(place, dtype=torch.bool) if wraps else (place >= 0) & (place < n))
    return _outer(factors)
