"""Fourier's waves and cosines: derivatives, coarsening, and what neither takes."""

import math

import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.solvers.pde.bases import basis_of
from limitlab.spaces.grid import Grid


@pytest.mark.parametrize("orders", [(2, 0), (0, 1), (1, 1), (3, 2), (2, 2)])
def test_the_symbol_of_a_periodic_box_differentiates_along_both_axes(orders):
    grid = Grid.uniform((16, 20), lengths=(2 * math.pi, 4 * math.pi))
    basis = basis_of(grid)
    x, y = grid.points().requires_grad_().unbind(-1)

    def wave(x, y):
        return torch.sin(2 * x) * torch.exp(torch.sin(y / 2) / 4)

    value = wave(x, y)
    for axis, order in zip((x, y), orders, strict=True):
        for _ in range(order):
            (value,) = torch.autograd.grad(value.sum(), axis, create_graph=True)
    found = basis.inverse(basis.transform(wave(x, y), grid) * basis.symbol(grid, orders), grid)
    assert torch.allclose(found, value, atol=1e-9)


def test_cosines_differentiate_what_has_no_slope_at_the_walls():
    grid = Grid.uniform((12, 8), lengths=(1.0, 2.0), starts=(-1.0, 0.0), kind="cells")
    basis = basis_of(grid)
    x, y = grid.points().unbind(-1)
    u = torch.cos(3 * math.pi * (x + 1)) * torch.cos(math.pi * y / 2)
    found = basis.inverse(basis.transform(u, grid) * (basis.symbol(grid, (2, 0)) + basis.symbol(grid, (0, 2))), grid)
    assert torch.allclose(found, -(9 + 1 / 4) * math.pi**2 * u, atol=1e-10)
    with pytest.raises(InvalidArgument, match="even order"):
        basis.symbol(grid, (1, 0))


def test_cosines_are_one_function_at_every_resolution():
    fine, coarse = (Grid.uniform((n, n), kind="cells") for n in (24, 10))
    u, expected = (
        torch.cos(4 * math.pi * g.points()[..., 0]) * torch.cos(math.pi * g.points()[..., 1]) for g in (fine, coarse)
    )
    assert torch.allclose(basis_of(fine).resample(u, fine, 10), expected, atol=1e-13)
    assert torch.allclose(basis_of(coarse).resample(expected, coarse, 24), u, atol=1e-13)


def test_a_product_of_cosines_is_clean_below_the_mask():
    grid = Grid.uniform(12, kind="cells")
    basis = basis_of(grid)
    kept = basis.mask(grid, 2 / 3)
    assert kept.tolist() == [m < 8 for m in range(12)]
    highest = torch.cos(7 * math.pi * grid.points()[:, 0])
    # cos^2(7 x) = 1/2 + cos(14 x)/2, and cos(14 x) looks like -cos(10 x) on twelve cells
    assert float((basis.transform(highest**2, grid) * kept)[1:].abs().max()) < 1e-14


def test_other_grids_are_refused():
    with pytest.raises(InvalidArgument, match="all periodic, or all cells"):
        basis_of(Grid.uniform(8, kind="nodes"))
