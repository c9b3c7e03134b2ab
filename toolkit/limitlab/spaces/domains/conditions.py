"""Boundary conditions by their residuals, which vanish where the condition holds.

    Dirichlet  u - value      Neumann  du/dn - flux      Robin  a u + b du/dn - value      Periodic  jumps of u, du/dx

u is (point, field), its gradient (point, field, dimension), the outward normal (point, dimension).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number

Datum = float | Tensor | Callable[[Tensor], Tensor]
"""A number, one number for each field, or a function of the points, (point, dimension) to (point, field)."""


@dataclass(frozen=True)
class Dirichlet:
    """The unknown has a value on the boundary.

    >>> condition = ll.spaces.domains.Dirichlet(2.0)
    >>> condition.residual(torch.zeros(1, 1), torch.tensor([[2.5]])).item()
    0.5
    """

    value: Datum = 0.0

    def residual(
        self,
        points: Float[Tensor, "point dimension"],
        u: Float[Tensor, "point field"],
        gradient: Float[Tensor, "point field dimension"] | None = None,
        normal: Float[Tensor, "point dimension"] | None = None,
    ) -> Float[Tensor, "point field"]:
        """u - value; the gradient and the normal do not matter."""
        return u - _datum(self.value, points, u)


@dataclass(frozen=True)
class Neumann:
    """The unknown has a slope along the outward normal.

    >>> condition = ll.spaces.domains.Neumann(1.0)
    >>> gradient, normal = torch.tensor([[[3.0, 0.0]]]), torch.tensor([[1.0, 0.0]])
    >>> condition.residual(torch.zeros(1, 2), torch.zeros(1, 1), gradient, normal).item()
    2.0
    """

    flux: Datum = 0.0

    def residual(
        self,
        points: Float[Tensor, "point dimension"],
        u: Float[Tensor, "point field"],
        gradient: Float[Tensor, "point field dimension"],
        normal: Float[Tensor, "point dimension"],
    ) -> Float[Tensor, "point field"]:
        """du/dn - flux."""
        return _slope(gradient, normal) - _datum(self.flux, points, u)


@dataclass(frozen=True)
class Robin:
    """a u + b du/dn has a value on the boundary. Raises InvalidArgument where a and b are both zero.

    >>> condition = ll.spaces.domains.Robin(2.0, 1.0, value=3.0)
    >>> gradient, normal = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[1.0, 0.0]])
    >>> condition.residual(torch.zeros(1, 2), torch.ones(1, 1), gradient, normal).item()
    0.0
    """

    a: float
    b: float
    value: Datum = 0.0

    def __post_init__(self) -> None:
        for name in ("a", "b"):
            object.__setattr__(self, name, check_number(name, getattr(self, name)))
        if self.a == self.b == 0:
            raise InvalidArgument("a and b of a Robin condition must not both be zero")

    def residual(
        self,
        points: Float[Tensor, "point dimension"],
        u: Float[Tensor, "point field"],
        gradient: Float[Tensor, "point field dimension"],
        normal: Float[Tensor, "point dimension"],
    ) -> Float[Tensor, "point field"]:
        """a u + b du/dn - value."""
        return self.a * u + self.b * _slope(gradient, normal) - _datum(self.value, points, u)


@dataclass(frozen=True)
class Periodic:
    """Unknown and slope repeat after `period` along an axis: the residual compares a point with its image.

    >>> condition = ll.spaces.domains.Periodic(axis=0, period=2.0)
    >>> condition.image(torch.tensor([[-1.0, 0.5]])).tolist()
    [[1.0, 0.5]]
    """

    axis: int
    period: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "axis", int(check_number("axis", self.axis, low=0, integer=True)))
        object.__setattr__(self, "period", check_number("period", self.period))
        if not self.period > 0:
            raise InvalidArgument(f"period must be positive; got {self.period:g}")

    def image(self, points: Float[Tensor, "point dimension"]) -> Float[Tensor, "point dimension"]:
        """The points one period on. Raises InvalidArgument."""
        if self.axis >= points.shape[-1]:
            raise InvalidArgument(
                f"axis must be below the {points.shape[-1]} dimensions of the points; got {self.axis}"
            )
        shift = torch.zeros_like(points)
        shift[..., self.axis] = self.period
        return points + shift

    def residual(
        self,
        u: Float[Tensor, "point field"],
        gradient: Float[Tensor, "point field dimension"],
        image_u: Float[Tensor, "point field"],
        image_gradient: Float[Tensor, "point field dimension"],
    ) -> Float[Tensor, "point fields_and_slopes"]:
        """The jumps of the unknown, then those of its slope along the axis."""
        return torch.cat([image_u - u, (image_gradient - gradient)[..., self.axis]], -1)


def _slope(gradient: Tensor, normal: Tensor) -> Tensor:
    if gradient.shape[-1] != normal.shape[-1]:
        raise InvalidArgument(f"gradient {tuple(gradient.shape)} and normal {tuple(normal.shape)} differ in dimension")
    return (gradient * normal[..., None, :]).sum(-1)


def _datum(datum: Datum, points: Tensor, u: Tensor) -> Tensor | float:
    if not callable(datum):
        return datum.to(u) if isinstance(datum, Tensor) else check_number("value of a condition", datum)
    values = datum(points)
    # (point,) would be subtracted from (point, field) crosswise
    if values.shape != u.shape:
        raise InvalidArgument(
            f"a condition's function must give {tuple(u.shape)}, as the unknown; got {tuple(values.shape)}"
        )
    return values
