"""Simple preconditioners: the diagonal, and a polynomial of it.

Each is a function of residuals, (batch, *grid) -> (batch, *grid), symmetric and positive, with `work`, its price in
products with A, and `setup_seconds`. With constant coefficients the diagonal changes nothing.
"""

from __future__ import annotations

import math
import time

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.errors import InvalidArgument, check_number
from limitlab.solvers.linear.lanczos import lanczos
from limitlab.solvers.linear.stencil import Stencil


class Jacobi:
    """r -> damping D^-1 r.

    >>> A = ll.solvers.linear.diffusion((3,))
    >>> ll.solvers.linear.Jacobi(A)(torch.ones(1, 3)).tolist()
    [[0.5, 0.5, 0.5]]
    """

    work = 0.2

    def __init__(self, operator: Stencil, damping: float = 1.0) -> None:
        began = time.perf_counter()
        damping = check_number("damping", damping, low=1e-12, high=2.0)
        diagonal = operator.diagonal.detach()
        if operator.solid is not None:
            diagonal = torch.where(operator.solid, 1.0, diagonal)
        if not bool((diagonal > 0).all()):
            raise InvalidArgument("operator must have a positive diagonal")
        self.inverse = damping / diagonal
        self.setup_seconds = time.perf_counter() - began

    def __call__(self, r: Float[Tensor, "batch *grid"]) -> Float[Tensor, "batch *grid"]:
        return self.inverse.to(r.dtype) * r


class Chebyshev:
    """r -> p(D^-1 A) D^-1 r, the polynomial of `degree` that is least on [low, 1.1] of the largest eigenvalue.

    low: share of the largest eigenvalue of D^-1 A where the interval begins: about 0.3 to smooth, small to solve. No
    inner products are needed. Source: Adams, Brezina, Hu & Tuminaro, Parallel multigrid smoothing (2003).

    >>> A = ll.solvers.linear.diffusion((31, 31))
    >>> b = torch.ones(1, 31, 31, dtype=torch.float64)
    >>> chebyshev = ll.solvers.linear.Chebyshev(A, degree=4, low=0.05)
    >>> int(ll.solvers.linear.conjugate_gradients(A, b, preconditioner=chebyshev).iterations) < 20
    True
    """

    def __init__(self, operator: Stencil, degree: int = 2, low: float = 0.3) -> None:
        began = time.perf_counter()
        self.degree = int(check_number("degree", degree, low=1, integer=True))
        low = check_number("low", low, low=1e-9, high=0.99)
        self._operator, self._jacobi = operator, Jacobi(operator)
        root = self._jacobi.inverse.sqrt()
        points = math.prod(operator.shape)
        start = torch.cos(torch.arange(points, dtype=root.dtype, device=root.device) ** 2.0).reshape(1, *operator.shape)
        start = start.expand(operator.batch, *operator.shape)
        values, _ = lanczos(lambda u: root * operator(root * u), start, min(20, points))
        largest = 1.1 * values[:, -1].reshape(-1, *[1] * operator.dimension)
        self._centre, self._radius = largest * (1 + low) / 2, largest * (1 - low) / 2
        self.work = self.degree - 1 + 0.2 * self.degree
        self.setup_seconds = time.perf_counter() - began

    def __call__(self, r: Float[Tensor, "batch *grid"]) -> Float[Tensor, "batch *grid"]:
        centre, radius = self._centre.to(r), self._radius.to(r)
        rest, step = r, self._jacobi(r) / centre
        x, rho = step, radius / centre
        for _ in range(self.degree - 1):
            rest = rest - self._operator(step)
            following = 1 / (2 * centre / radius - rho)
            step = following * rho * step + 2 * following / radius * self._jacobi(rest)
            x, rho = x + step, following
        return x
