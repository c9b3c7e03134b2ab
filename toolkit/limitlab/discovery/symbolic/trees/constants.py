"""Constants of many trees at once, by Levenberg-Marquardt on what linear scaling leaves of the residual.

    r(c) = y - a(c) - b(c) f(x; c),     (J^T W J + lambda diag J^T W J) delta = J^T W r

a and b are eliminated (variable projection, with Kaufman's Jacobian b (I - P) df/dc, P the projection on 1 and f), so
that only the constants within f are searched. Every tree has its own damping; steps that do not lower its loss are
undone. Sources: Marquardt 1963; Golub and Pereyra 1973; Kaufman, BIT 15 (1975).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from limitlab.discovery.symbolic.trees.evaluation import (
    Fit,
    Values,
    chunks,
    plan_of,
    scaled,
    slopes_of,
    values_of,
)
from limitlab.discovery.symbolic.trees.population import CONSTANT, Population, joined

DAMPING, EASED, RAISED = 1e-2, 0.2, 5.0
LEAST_DAMPING, MOST_DAMPING = 1e-12, 1e12


def optimised(
    trees: Population,
    X: Float[Tensor, "variable point"],  # noqa: N803
    y: Float[Tensor, " point"],
    weights: Float[Tensor, " point"],
    steps: int = 8,
) -> tuple[Population, Fit]:
    """The trees with better constants, and their fits, after so many steps; a loss is never higher than before.

    weights: of sum one. Trees whose values are not finite keep their constants.
    """
    # trees of about as many constants together: the others would carry columns of zeros
    order = torch.argsort((trees.op == CONSTANT).sum(1), stable=True)
    parts = [_optimised(part, X, y, weights, steps) for part in chunks(trees[order], X)]
    back = torch.argsort(order)
    fits = (torch.cat(columns)[back] for columns in zip(*(fit for _, fit in parts), strict=True))
    return joined([part for part, _ in parts])[back], Fit(*fits)


def _optimised(trees: Population, X: Tensor, y: Tensor, weights: Tensor, steps: int) -> tuple[Population, Fit]:  # noqa: N803
    plan = plan_of(trees, len(X))
    values = values_of(trees, X, plan)
    fit = scaled(values.roots, y, weights)
    if steps == 0 or not bool((trees.op == CONSTANT).any()):
        return trees, fit
    gradient, curvature, columns, there = _normal_equations(trees, values, fit, y, weights)
    damping = torch.full_like(fit.loss, DAMPING)
    for step in range(steps):
        change = _solved(curvature, gradient, damping, there)
        const = trees.const.scatter_add(1, columns, change.to(trees.const.dtype))
        tried = trees.with_constants(const)
        values = values_of(tried, X, plan, other=values)
        attempt = scaled(values.roots, y, weights)
        # NaN is not less than anything
        better = attempt.loss < fit.loss
        trees = trees.with_constants(torch.where(better[:, None], const, trees.const))
        fit = Fit(*(torch.where(better, new, old) for new, old in zip(attempt, fit, strict=True)))
        damping = torch.where(better, damping * EASED, damping * RAISED).clamp(LEAST_DAMPING, MOST_DAMPING)
        if step + 1 < steps:
            new_gradient, new_curvature, _, _ = _normal_equations(tried, values, attempt, y, weights)
            gradient = torch.where(better[:, None], new_gradient, gradient)
            curvature = torch.where(better[:, None, None], new_curvature, curvature)
    return trees, fit


def _normal_equations(
    trees: Population, values: Values, fit: Fit, y: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """J^T W r (tree, constant), J^T W J, and where the constants stand."""
    slopes, columns, there = slopes_of(trees, values)
    roots = values.roots
    centred, left = roots - (roots @ weights)[:, None], y - y @ weights
    spread = centred.square() @ weights
    slopes = slopes - (slopes @ weights)[..., None]
    along = (slopes @ (weights * centred)[..., None])[..., 0] / spread.clamp(min=torch.finfo(y.dtype).tiny)[:, None]
    slopes = (slopes - along[..., None] * centred[:, None]) * (fit.b[:, None, None] * weights.sqrt())
    residual = (left - fit.b[:, None] * centred) * weights.sqrt()
    gradient = (slopes @ residual[..., None])[..., 0]
    # no number, no step
    gradient = torch.where(gradient.isfinite(), gradient, 0.0)
    curvature = slopes @ slopes.mT
    return gradient, torch.where(curvature.isfinite(), curvature, 0.0), columns, there


def _solved(
    curvature: Float[Tensor, "tree constant constant"],
    gradient: Float[Tensor, "tree constant"],
    damping: Float[Tensor, " tree"],
    there: Tensor,
) -> Float[Tensor, "tree constant"]:
    """The damped steps; zero for a constant that moves nothing."""
    diagonal = curvature.diagonal(dim1=1, dim2=2)
    largest = diagonal.amax(1, keepdim=True)
    # relative to the largest, or a constant that does not count would make the matrix singular
    least = torch.finfo(gradient.dtype).eps * largest
    damped = diagonal * damping[:, None] + least + torch.where(there & (largest > 0), 0.0, 1.0)
    factor, _ = torch.linalg.cholesky_ex(curvature + torch.diag_embed(damped))
    step = torch.cholesky_solve(gradient[..., None], factor)[..., 0]
    return torch.where(step.isfinite() & there, step, 0.0)
