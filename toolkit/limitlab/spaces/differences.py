"""Finite differences of order two on any uniform grid, and means over blocks of cells."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, unknown_name
from limitlab.spaces.grid import Grid


def finite_difference(u: Float[Tensor, "*grid"], grid: Grid, axis: int, order: int = 1) -> Float[Tensor, "*grid"]:
    """First or second derivative along one axis, second order: central, wrapped when periodic, one-sided at ends.

    >>> grid = ll.spaces.Grid.uniform((16,), lengths=2 * torch.pi)
    >>> wave = torch.sin(grid.points()[:, 0])

    >>> float(ll.spaces.finite_difference(wave, grid, axis=0).abs().max()) < 1
    True
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

    >>> grid = ll.spaces.Grid.uniform((4,), kind="cells")
    >>> ll.spaces.block_average(torch.tensor([1.0, 3.0, 5.0, 7.0]), grid, 2)
    tensor([2., 6.])
    """
    grid.require("u", u)
    coarse = grid.at(resolution)
    if any(fine % size for fine, size in zip(grid.shape, coarse.shape, strict=True)):
        raise InvalidArgument(f"resolution must divide {grid.shape}; got {resolution!r}")
    for axis in range(-grid.dimension, 0):
        u = u.unflatten(axis, (coarse.shape[axis], grid.shape[axis] // coarse.shape[axis]))
        u = u.mean(dim=axis)
    return u
