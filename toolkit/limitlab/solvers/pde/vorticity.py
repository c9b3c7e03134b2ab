"""Incompressible flow on periodic grids by its potential: central differences, in which div u = 0 holds to rounding.

    u = (psi_y, -psi_x),  w = -Laplacian psi  in the plane;      u = curl A  in space;
    u . grad w = -J(psi, w),      J(a, b) = a_x b_y - a_y b_x

J is Arakawa's mean of three nine-point forms: sum J = sum a J = sum b J = 0, so the flow keeps its mean vorticity,
energy and enstrophy. One step of Crank and Nicolson's scheme from w to w', with the bar for the mean of both, is

    r = (w' - w)/dt - J(psi bar, w bar) - nu Laplacian_h w bar - f = 0.

Source: Arakawa, Computational design for long-term numerical integration (1966).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number
from limitlab.solvers.linear.boxes import solve_box
from limitlab.spaces.differences import finite_difference
from limitlab.spaces.grid import Grid


def stream_velocity(psi: Float[Tensor, "*batch x y"], grid: Grid) -> Float[Tensor, "2 *batch x y"]:
    """(psi_y, -psi_x) on a periodic grid of two axes. Raises InvalidArgument.

    >>> grid = ll.spaces.Grid.uniform((8, 8))
    >>> u = ll.solvers.pde.vorticity.stream_velocity(torch.rand(8, 8, dtype=torch.float64), grid)
    >>> bool(ll.solvers.pde.vorticity.divergence(u, grid).abs().max() < 1e-12)
    True
    """
    _require_periodic("stream_velocity", grid, 2)
    return torch.stack([finite_difference(psi, grid, 1), -finite_difference(psi, grid, 0)])


def curl(potential: Float[Tensor, "3 *batch x y z"], grid: Grid) -> Float[Tensor, "3 *batch x y z"]:
    """The velocity of a vector potential on a periodic grid of three axes. Raises InvalidArgument.

    >>> grid = ll.spaces.Grid.uniform((6, 6, 6))
    >>> u = ll.solvers.pde.vorticity.curl(torch.rand(3, 6, 6, 6, dtype=torch.float64), grid)
    >>> bool(ll.solvers.pde.vorticity.divergence(u, grid).abs().max() < 1e-12)
    True
    """
    _require_periodic("curl", grid, 3)
    return torch.stack(
        [
            finite_difference(potential[(i + 2) % 3], grid, (i + 1) % 3)
            - finite_difference(potential[(i + 1) % 3], grid, (i + 2) % 3)
            for i in range(3)
        ]
    )


def divergence(velocity: Float[Tensor, "axis *batch_grid"], grid: Grid) -> Float[Tensor, "*batch_grid"]:
    """The divergence of a velocity, one component an axis."""
    if len(velocity) != grid.dimension:
        raise InvalidArgument(f"velocity must have {grid.dimension} components; got {len(velocity)}")
    return torch.stack([finite_difference(velocity[i], grid, i) for i in range(grid.dimension)]).sum(0)


def jacobian(a: Float[Tensor, "*batch x y"], b: Float[Tensor, "*batch x y"], grid: Grid) -> Float[Tensor, "*batch x y"]:
    """Arakawa's J(a, b) = a_x b_y - a_y b_x, of order two, on a periodic grid of two axes. Raises InvalidArgument.

    >>> grid, a = ll.spaces.Grid.uniform((8, 8)), torch.rand(8, 8, dtype=torch.float64)
    >>> bool(ll.solvers.pde.vorticity.jacobian(a, a, grid).abs().max() < 1e-12)
    True
    """
    _require_periodic("jacobian", grid, 2)
    along_x, along_y = grid.spacing

    def at(u: Tensor, x: int, y: int) -> Tensor:
        return u.roll((-x, -y), (-2, -1))

    def difference(u: Tensor, x: int, y: int) -> Tensor:
        """u at (x, y) less u at the opposite point."""
        return at(u, x, y) - at(u, -x, -y)

    plain = difference(a, 1, 0) * difference(b, 0, 1) - difference(a, 0, 1) * difference(b, 1, 0)
    # a_x b_y by differences of the products a b_y and b a_x
    outer = sum(
        sign * (at(a, *p) * (at(b, *q) - at(b, *r)))
        for sign, p, q, r in (
            (1, (1, 0), (1, 1), (1, -1)),
            (-1, (-1, 0), (-1, 1), (-1, -1)),
            (-1, (0, 1), (1, 1), (-1, 1)),
            (1, (0, -1), (1, -1), (-1, -1)),
        )
    )
    corners = sum(
        sign * (at(a, *p) * (at(b, *q) - at(b, *r)))
        for sign, p, q, r in (
            (1, (1, 1), (0, 1), (1, 0)),
            (-1, (-1, -1), (-1, 0), (0, -1)),
            (-1, (-1, 1), (0, 1), (-1, 0)),
            (1, (1, -1), (1, 0), (0, -1)),
        )
    )
    return (plain + outer + corners) / (12 * along_x * along_y)


def crank_nicolson_residual(
    after: Float[Tensor, "batch x y"],
    before: Float[Tensor, "batch x y"],
    grid: Grid,
    *,
    dt: float,
    viscosity: float,
    forcing: Float[Tensor, "#batch x y"] | float = 0.0,
) -> Float[Tensor, "batch x y"]:
    """r of the step from the vorticity `before` to `after`, on a periodic grid of two axes with one spacing.

    The stream function is that of the mean vorticity, by a fast solve. Raises InvalidArgument.

    >>> w = torch.zeros(1, 8, 8)
    >>> grid = ll.spaces.Grid.uniform((8, 8))
    >>> ll.solvers.pde.vorticity.crank_nicolson_residual(w, w, grid, dt=0.1, viscosity=0.01).abs().max()
    tensor(0.)
    """
    dt, viscosity = check_number("dt", dt, low=1e-300), check_number("viscosity", viscosity, low=0.0)
    mean = (after + before) / 2
    psi = stream_function(mean, grid)
    spread = finite_difference(mean, grid, 0, 2) + finite_difference(mean, grid, 1, 2)
    return (after - before) / dt - jacobian(psi, mean, grid) - viscosity * spread - forcing


def stream_function(w: Float[Tensor, "batch x y"], grid: Grid) -> Float[Tensor, "batch x y"]:
    """psi of mean zero with -Laplacian_h psi = w, on a periodic grid of two axes with one spacing.

    >>> grid = ll.spaces.Grid.uniform((8, 8))
    >>> ll.solvers.pde.vorticity.stream_function(torch.rand(2, 8, 8), grid).shape
    torch.Size([2, 8, 8])
    """
    _require_periodic("stream_function", grid, 2)
    if len(set(grid.spacing)) > 1:
        raise InvalidArgument(f"stream_function needs one spacing for both axes; got {grid.spacing}")
    return solve_box(w, "periodic", spacing=grid.spacing[0])


def _require_periodic(function: str, grid: Grid, dimension: int) -> None:
    if not grid.is_periodic or grid.dimension != dimension:
        raise InvalidArgument(f"{function} needs a periodic grid of {dimension} axes; got {grid.kinds}")
