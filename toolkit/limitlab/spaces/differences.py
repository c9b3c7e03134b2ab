"""Finite differences of order two on any uniform grid, and means over blocks of cells."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, unknown_name
from limitlab.spaces.grid import Grid


def finite_difference(u: Float[Tensor, "*grid"], grid: Grid, axis: int, order: int = 1) -> Float[Tensor, "*grid"]:
    """First or second derivative along one axis, second order: central, wrapped when periodic, one-sided at ends.

    >>> grid = ll.spaces.Grid.uniform(5, kind="nodes")
    >>> ll.spaces.finite_difference(grid.points()[:, 0] ** 2, grid, axis=0).tolist()
    [0.0, 0.5, 1.0, 1.5, 2.0]
    """
    if order not in (1, 2):
        raise unknown_name("order of finite difference", order, ["1", "2"])
    grid.require("u", u)
    if grid.axes[axis].size < 2 + order:
        raise InvalidArgument(
            f"a difference of order {order} needs {2 + order} points on {grid.names[axis]!r}; got {grid.shape[axis]}"
        )
    h = grid.axes[axis].spacing
    u = u.movedim(axis - grid.dimension, -1)
    if grid.axes[axis].kind == "periodic":
        before, after = u.roll(1, -1), u.roll(-1, -1)
        result = (after - before) / (2 * h) if order == 1 else (after - 2 * u + before) / h**2
    elif order == 1:
        inner = (u[..., 2:] - u[..., :-2]) / (2 * h)
        first = (-3 * u[..., :1] + 4 * u[..., 1:2] - u[..., 2:3]) / (2 * h)
        last = (3 * u[..., -1:] - 4 * u[..., -2:-1] + u[..., -3:-2]) / (2 * h)
        result = torch.cat([first, inner, last], dim=-1)
    else:
        inner = (u[..., 2:] - 2 * u[..., 1:-1] + u[..., :-2]) / h**2
        first = (2 * u[..., :1] - 5 * u[..., 1:2] + 4 * u[..., 2:3] - u[..., 3:4]) / h**2
        last = (2 * u[..., -1:] - 5 * u[..., -2:-1] + 4 * u[..., -3:-2] - u[..., -4:-3]) / h**2
        result = torch.cat([first, inner, last], dim=-1)
    return result.movedim(-1, axis - grid.dimension)


def block_average(u: Float[Tensor, "*grid"], grid: Grid, resolution: int | Sequence[int]) -> Float[Tensor, "*coarse"]:
    """Means over the cells of a coarser grid; its resolution must divide the grid's.

    >>> ll.spaces.block_average(torch.tensor([1.0, 3.0, 5.0, 9.0]), ll.spaces.Grid.uniform(4, kind="cells"), 2).tolist()
    [2.0, 7.0]
    """
    grid.require("u", u)
    coarse = grid.at(resolution)
    if any(fine % size for fine, size in zip(grid.shape, coarse.shape, strict=True)):
        raise InvalidArgument(f"resolution must divide {grid.shape}; got {resolution!r}")
    for axis in range(-grid.dimension, 0):
        u = u.unflatten(axis, (coarse.shape[axis], grid.shape[axis] // coarse.shape[axis]))
        u = u.mean(dim=axis)
    return u
