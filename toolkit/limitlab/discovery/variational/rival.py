"""The classical rival: finite differences on a grid of n^d points, as many as a budget of memory allows.

-Lap u + u + beta u^3 = f with period 1, second-order differences, solved by the same descent, whose preconditioner the
FFT inverts. With n = budget^(1/d) points an axis the error is of order n^(-2): budget^(-2/d), and in ten dimensions a
million points are four an axis.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from limitlab.discovery.variational.energies import Energy, cosines, instance, manufactured
from limitlab.errors import check_number


class GridSolve(NamedTuple):
    """Points an axis, points in all, and the relative L2 error at them."""

    resolution: int
    points: int
    error: float


def grid_rival(dimension: int, budget: int = 1_000_000, beta: float = 1.0) -> GridSolve:
    """The finite-difference solution for u* = d^(-1/2) sum cos(2 pi x_i) with at most `budget` points.

    >>> few, more = (ll.discovery.variational.grid_rival(2, budget) for budget in (100, 10_000))
    >>> few.resolution, more.resolution, round(few.error / more.error) > 50
    (10, 100, True)
    """
    d = int(check_number("dimension", dimension, low=1, integer=True))
    budget = int(check_number("budget", budget, low=2**d, integer=True))
    n = int(budget ** (1 / d) + 1e-9)
    energy, target = instance("V2", beta=beta), cosines(d, half_waves=2)
    points = torch.cartesian_prod(*[torch.arange(n, dtype=torch.float64) / n] * d).reshape(-1, d)
    shape = (n,) * d
    exact, f = (g(points).reshape(shape) for g in (target.value, manufactured(energy, target)))
    u = _descend(shape, f, beta, energy, float(exact.abs().max()))
    return GridSolve(n, n**d, float((u - exact).norm() / exact.norm()))


def _descend(shape: tuple[int, ...], f: Tensor, beta: float, energy: Energy, largest: float) -> Tensor:
    """Preconditioned descent on the differences, until it moves by rounding only."""
    symbol = torch.zeros((*shape[:-1], shape[-1] // 2 + 1), dtype=torch.float64)
    for axis, n in enumerate(shape):
        k = torch.arange(symbol.shape[axis], dtype=torch.float64)
        along = 4 * n**2 * torch.sin(math.pi * k / n).square()
        symbol = symbol + along.reshape([-1 if other == axis else 1 for other in range(len(shape))])
    step = 2 / sum(energy.bounds(largest))
    u = torch.zeros(shape, dtype=torch.float64)
    for _ in range(500):
        coefficients = torch.fft.rfft(f - beta * u**3)
        # axis by axis: transforms of many axes at once are refused above seven
        for axis in range(len(shape) - 1):
            coefficients = torch.fft.fft(coefficients, dim=axis)
        coefficients = coefficients / (1 + symbol)
        for axis in range(len(shape) - 1):
            coefficients = torch.fft.ifft(coefficients, dim=axis)
        following = (1 - step) * u + step * torch.fft.irfft(coefficients, n=shape[-1])
        if bool((following - u).norm() <= 1e-12 * following.norm()):
            return following
        u = following
    return u
