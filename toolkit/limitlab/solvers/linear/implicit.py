"""A linear solve with a gradient, by one more solve instead of through its iterations.

x = A(p)^-1 b:      dL/db = y,   dL/dp = -y^T (dA/dp) x,      A y = dL/dx        (A symmetric)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.solvers.linear.krylov import conjugate_gradients
from limitlab.solvers.linear.stencil import LinearOperator


def solve(
    operator: LinearOperator, b: Float[Tensor, "batch *grid"], *, tolerance: float = 1e-10, **options: Any
) -> Float[Tensor, "batch *grid"]:
    """x with A x = b, differentiable in b and in what A is made of; A symmetric, positive (semi)definite.

    options: as of `conjugate_gradients`, whose errors it raises, for the gradient's solve in the backward pass.

    >>> a = torch.full((4,), 2.0, dtype=torch.float64, requires_grad=True)
    >>> A = ll.solvers.linear.diffusion((4,), coefficient=a)
    >>> x = ll.solvers.linear.solve(A, torch.ones(1, 4, dtype=torch.float64))
    >>> (gradient,) = torch.autograd.grad(x.sum(), a)
    >>> bool((2 * gradient.sum() + x.sum()).abs() < 1e-8)
    True
    """

    def solved(right: Tensor) -> Tensor:
        return conjugate_gradients(operator, right, tolerance=tolerance, **options).x

    x = solved(b.detach())
    # zero, with the gradient of -A(p) x: the parameters have theirs through the product
    rest = b - operator(x)
    return _Inverse.apply(rest - rest.detach(), x, solved)


class _Inverse(torch.autograd.Function):
    """x, as if it were x + A^-1 right."""

    @staticmethod
    def forward(context: Any, right: Tensor, x: Tensor, solved: Callable[[Tensor], Tensor]) -> Tensor:
        context.solved = solved
        return x.clone()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return context.solved(gradient), None, None
