"""-div(a grad u) on a box of points or cells, with any boundary, jumping coefficients and solid bodies.

Between two neighbours flows c (u_i - u_j)/h^2, with c = 2 a_i a_j/(a_i + a_j), the harmonic mean. At the end of an axis

    "dirichlet"   the unknowns are interior nodes, u = 0 one spacing beyond the last:       flow a u/h^2
    "wall"        the unknowns are cells, u = 0 on the wall, half a spacing away:          flow 2 a u/h^2
    "neumann"     the unknowns are cells, and nothing flows;
    "periodic"    the neighbour is the point at the other end.

With spacing 1 the entries are 2 d and -1 (A h^2 of the equation), as in most texts on iterative solvers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number, one_of
from limitlab.numbers import tensor_of
from limitlab.solvers.linear.stencil import Offset, Stencil

Boundary = Literal["dirichlet", "wall", "neumann", "periodic"]
WALLS = {"dirichlet": 1.0, "wall": 2.0, "neumann": 0.0}
"""What flows through an end, in units of a u/h^2."""


def diffusion(
    shape: Sequence[int],
    boundary: Boundary | Sequence[Boundary | tuple[Boundary, Boundary]] = "dirichlet",
    *,
    coefficient: Float[Tensor, "*batch_grid"] | float = 1.0,
    solid: Bool[Tensor, "*grid"] | None = None,
    spacing: float | Sequence[float] = 1.0,
    dtype: torch.dtype = torch.float64,
) -> Stencil:
    """The operator on a grid of `shape`; differentiable in the coefficient, (*grid) or (batch, *grid), positive.

    boundary: one for all axes, one for each, or a pair (first end, last end) for an axis. solid: points that are no
    unknowns, with u = 0; a body through which nothing flows is a coefficient of zero instead, and its points must be
    solid too. Raises InvalidArgument.

    >>> A = ll.solvers.linear.diffusion((4, 4), ("periodic", ("neumann", "dirichlet")))
    >>> A.to_scipy().toarray()[0].astype(int).tolist()
    [3, -1, 0, 0, -1, 0, 0, 0, 0, 0, 0, 0, -1, 0, 0, 0]
    """
    shape = tuple(int(check_number("shape", n, low=1, integer=True)) for n in shape)
    ends = _ends(boundary, len(shape))
    spacings = [spacing] * len(shape) if isinstance(spacing, int | float) else list(spacing)
    if len(spacings) != len(shape):
        raise InvalidArgument(f"spacing must be one number, or one for each of {len(shape)} axes; got {spacing!r}")
    h = [check_number("spacing", s, low=1e-300) for s in spacings]
    a = _coefficient(coefficient, shape, solid, dtype)
    solid = None if solid is None else _solid(solid, shape, a.device)
    coefficients: dict[Offset, Tensor] = {(0,) * len(shape): torch.zeros_like(a)}
    for axis, (pair, width) in enumerate(zip(ends, h, strict=True)):
        dim = axis - len(shape)
        faces = face_conductances(a, dim, pair, width)
        for sign, first, end in ((-1, 0, 0), (1, 1, shape[axis] - 1)):
            side = faces.narrow(dim, first, shape[axis])
            coefficients[(0,) * len(shape)] = coefficients[(0,) * len(shape)] + side
            # the wall's flow is on the diagonal alone
            inner = side if pair[0] == "periodic" else _without(side, dim, end)
            coefficients[tuple(sign if other == axis else 0 for other in range(len(shape)))] = -inner
    operator = Stencil(coefficients, tuple(ends), solid)
    return replace(operator, singular=_keeps_constants(operator))


def _keeps_constants(operator: Stencil) -> bool:
    """Whether nothing flows out anywhere: through no end, and into no body."""
    with torch.no_grad():
        ones = operator.live.to(operator.diagonal.dtype).expand(operator.batch, *operator.shape)
        flow = operator(ones).masked_fill(~operator.live, 0.0).abs()
        return bool((flow <= 1e3 * torch.finfo(flow.dtype).eps * operator.diagonal.abs().amax()).all())


def _ends(boundary: object, dimension: int) -> list[tuple[str, str]]:
    each = [boundary] * dimension if isinstance(boundary, str) else list(boundary)  # type: ignore[call-overload]
    if len(each) != dimension:
        raise InvalidArgument(f"boundary must be one name, or one for each of {dimension} axes; got {boundary!r}")
    pairs = []
    for entry in each:
        first, last = (entry, entry) if isinstance(entry, str) else entry
        pair = one_of("boundary", first, get_args(Boundary)), one_of("boundary", last, get_args(Boundary))
        if pair[0] != pair[1] and ("periodic" in pair or set(pair) == {"dirichlet", "wall"}):
            raise InvalidArgument(
                f"boundary must not have {pair[0]!r} at one end of an axis and {pair[1]!r} at the other"
            )
        pairs.append(pair)
    return pairs


def _coefficient(value: Tensor | float, shape: tuple[int, ...], solid: Tensor | None, dtype: torch.dtype) -> Tensor:
    a = tensor_of("coefficient", value)
    a = a.to(dtype) if a.dim() else a.to(dtype).expand(shape)
    if tuple(a.shape[-len(shape) :]) != shape or a.dim() > len(shape) + 1:
        raise InvalidArgument(f"coefficient must have shape {shape}, or (batch, ..) of it; got {tuple(a.shape)}")
    low = a if solid is None else a.masked_fill(tensor_of("solid", solid).bool().to(a.device), 1.0)
    if not bool((torch.isfinite(a) & (a >= 0) & (low > 0)).all()):
        raise InvalidArgument("coefficient must be finite and positive at every point that is not solid")
    return a


def _solid(solid: Tensor, shape: tuple[int, ...], device: torch.device) -> Tensor:
    mask = tensor_of("solid", solid).bool().to(device)
    if tuple(mask.shape) != shape:
        raise InvalidArgument(f"solid must have shape {shape}; got {tuple(mask.shape)}")
    if bool(mask.all()):
        raise InvalidArgument("solid must leave a point that is an unknown")
    return mask


def face_conductances(
    a: Float[Tensor, "*batch_grid"], dim: int, ends: tuple[str, str], width: float
) -> Float[Tensor, "*batch_faces"]:
    """What flows for a difference of one through the n + 1 faces along an axis of the grid, both ends included.

    >>> from limitlab.solvers.linear.diffusion import face_conductances
    >>> face_conductances(torch.tensor([1.0, 3.0]), -1, ("wall", "neumann"), 1.0).tolist()
    [2.0, 1.5, 0.0]
    """
    size = a.shape[dim]
    first, last = a.narrow(dim, 0, 1), a.narrow(dim, size - 1, 1)
    if ends[0] == "periodic":
        through = _harmonic(last, first)
        outer = through, through
    else:
        outer = WALLS[ends[0]] * first, WALLS[ends[1]] * last
    inner = _harmonic(a.narrow(dim, 0, size - 1), a.narrow(dim, 1, size - 1))
    return torch.cat([outer[0], inner, outer[1]], dim) / width**2


def _harmonic(left: Tensor, right: Tensor) -> Tensor:
    total = left + right
    # nothing flows between two points of a body of coefficient zero
    return torch.where(total > 0, 2 * left * right / torch.where(total > 0, total, 1.0), 0.0)


def _without(side: Tensor, dim: int, place: int) -> Tensor:
    keep = torch.arange(side.shape[dim], device=side.device) != place
    return side * keep.reshape([-1] + [1] * (-dim - 1)).to(side.dtype)
