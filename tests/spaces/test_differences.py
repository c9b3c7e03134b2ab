"""Finite differences and means over cells."""

import math

import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.spaces import Grid, block_average, finite_difference


@pytest.mark.parametrize("kind", ["periodic", "cells", "nodes"])
@pytest.mark.parametrize("order", [1, 2])
def test_finite_differences_have_order_two(kind, order):
    errors = []
    for n in (128, 256):
        grid = Grid.uniform((n, 5), kind=kind)
        x = 2 * math.pi * grid.points()[..., 0] + 0.7
        expected = 2 * math.pi * torch.cos(x) if order == 1 else -((2 * math.pi) ** 2) * torch.sin(x)
        errors.append((finite_difference(torch.sin(x), grid, 0, order) - expected).abs().max())
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.15)


def test_block_average_keeps_the_integral():
    grid = Grid.uniform((12, 8), kind="cells")
    u = torch.randn(2, 12, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    coarse = block_average(u, grid, (3, 4))
    assert coarse.shape == (2, 3, 4)
    assert torch.allclose(coarse.mean((1, 2)), u.mean((1, 2)), atol=1e-14)
    with pytest.raises(InvalidArgument, match="must divide"):
        block_average(u, grid, (5, 4))
