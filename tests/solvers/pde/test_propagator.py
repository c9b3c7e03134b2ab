"""Exponentials of small matrices, and the systems that they solve."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch

from limitlab.errors import InvalidArgument
from limitlab.solvers.failures import SolutionBlewUp
from limitlab.solvers.pde.propagator import matrix_exponential, propagate
from limitlab.spaces.grid import Grid
from limitlab.spaces.transforms import wavenumbers


@pytest.mark.parametrize("fields", [1, 2, 3])
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_exponentials_are_scipys(fields, dtype):
    generator = torch.Generator().manual_seed(fields)
    matrices = torch.randn(5, fields, fields, dtype=dtype, generator=generator)
    expected = np.stack([scipy.linalg.expm(0.7 * matrix) for matrix in matrices.numpy()])
    assert np.allclose(matrix_exponential(matrices, 0.7).numpy(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("entry", [0.0, 1e-12, -1e-7, 1e-4])
def test_a_matrix_with_a_nearly_double_eigenvalue_keeps_its_digits(entry):
    matrix = torch.tensor([[[-0.5, 1.0], [entry, -0.5]]], dtype=torch.float64)
    assert np.allclose(matrix_exponential(matrix, 2.0)[0].numpy(), scipy.linalg.expm(2 * matrix[0].numpy()), rtol=1e-14)


def test_the_waves_of_a_string_are_dalemberts():
    grid = Grid.uniform(32)
    (k,) = wavenumbers(grid)
    zero, one = torch.zeros_like(k), torch.ones_like(k)
    matrices = torch.stack([torch.stack([zero, one], -1), torch.stack([-4 * k**2, zero], -1)], -2)

    def shape(x):
        return torch.sin(2 * math.pi * x) + torch.cos(6 * math.pi * x)

    x = grid.points()[:, 0]
    start = torch.stack([shape(x), torch.zeros_like(x)])[None]
    moved = propagate(start, grid, matrices, [0.0, 0.3, 11.0])[0, :, 0]
    for frame, time in enumerate((0.0, 0.3, 11.0)):
        assert torch.allclose(moved[frame], (shape(x - 2 * time) + shape(x + 2 * time)) / 2, atol=1e-12)


def test_what_does_not_fit_is_refused():
    grid = Grid.uniform(8)
    with pytest.raises(InvalidArgument, match="matrices must be"):
        propagate(torch.zeros(1, 2, 8).double(), grid, torch.zeros(5, 1, 1).double(), [0.0, 1.0])
    growing = 1e3 * torch.ones(5, 1, 1, dtype=torch.float64)
    with pytest.raises(SolutionBlewUp, match="sample 4 is not finite at t = 1"):
        propagate(torch.ones(1, 1, 8).double(), grid, growing, [0.0, 1.0], first=4)
