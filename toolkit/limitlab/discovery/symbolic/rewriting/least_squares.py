"""Constants of one formula by least squares in double precision, with their standard errors.

Levenberg-Marquardt with slopes that sympy derives; the step comes from an orthogonal factorisation, not from normal
equations, so that constants that nearly replace each other still converge. Source: Marquardt 1963; More 1978.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float

from limitlab.discovery.symbolic.engine import Data
from limitlab.discovery.symbolic.expression import Expr
from limitlab.problems.compiled.program import Program

STEPS = 60
CONVERGED = 1e-14
"""Relative fall of the loss below which nothing is gained."""


@dataclass(frozen=True)
class Fitted:
    """A formula with the best constants that were reached, its loss, and the standard errors of the constants.

    Errors are NaN where the data do not determine a constant.
    """

    expr: Expr
    loss: float
    errors: tuple[float, ...]

    def bic(self, n: int, floor: float) -> float:
        """n ln l + q ln n, of a loss that is at least the floor."""
        return n * math.log(max(self.loss, floor)) + len(self.expr.names) * math.log(n)


def fitted(expr: Expr, data: Data, steps: int = STEPS) -> Fitted:
    """The formula with constants of least squares, from those that it has; never worse than these.

    >>> from limitlab.discovery.symbolic import Data, Expr
    >>> from limitlab.discovery.symbolic.rewriting.least_squares import fitted
    >>> x = torch.linspace(0, 2, 20, dtype=torch.float64)
    >>> line = Expr.parse("a*x + b", ("x",), parameters={"a": 1.0, "b": 0.0})
    >>> [round(value, 6) for value in fitted(line, Data.of(x, 3 * x - 1)).expr.values]
    [3.0, -1.0]
    """
    run = _with_slopes(expr, data)
    values, damping = np.array(expr.values), 1e-3
    residual, slopes = run(values)
    loss = float(residual @ residual)
    for _ in range(steps if len(values) and math.isfinite(loss) else 0):
        step = _step(residual, slopes, damping)
        trial, trial_slopes = run(values + step)
        attempt = float(trial @ trial)
        gain = loss - attempt
        # NaN is no gain
        if gain > 0:
            values, residual, slopes, loss, damping = values + step, trial, trial_slopes, attempt, damping * 0.2
        else:
            damping = min(damping * 5, 1e12)
        if 0 <= gain <= CONVERGED * loss or not step.any():
            break
    if not math.isfinite(loss):
        return Fitted(expr, math.inf, (math.nan,) * len(values))
    return Fitted(expr.with_parameters(values), loss, _errors(slopes, loss, len(data.y)))


def _with_slopes(expr: Expr, data: Data) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Function of the constants to residuals and their slopes, times the roots of the weights (of sum one)."""
    program = _program(expr)
    X, root = torch.from_numpy(data.X), np.sqrt(data.weights / data.weights.sum())  # noqa: N806
    columns = X.unbind(1)

    def run(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        constants = {name: torch.tensor(value) for name, value in zip(expr.names, values, strict=True)}
        with np.errstate(all="ignore"):
            outputs = [
                torch.as_tensor(output, dtype=X.dtype).expand(len(X)).numpy()
                for output in program.bind(constants)(*columns)
            ]
            slopes = np.stack([root * slope for slope in outputs[1:]], 1) if outputs[1:] else np.zeros((len(X), 0))
            return root * (data.y - outputs[0]), slopes

    return run


@lru_cache(maxsize=1024)
def _program_of(expr_key: tuple) -> Program:
    expression, variables, names = expr_key
    import sympy

    slopes = [sympy.diff(expression, sympy.Symbol(name, real=True)) for name in names]
    return Program([expression, *slopes], variables, names)


def _program(expr: Expr) -> Program:
    return _program_of((expr.sympy, expr.variables, expr.names))


def _step(
    residual: Float[np.ndarray, " point"], slopes: Float[np.ndarray, "point constant"], damping: float
) -> Float[np.ndarray, " constant"]:
    """Damped least squares; no step where a slope is not finite."""
    if not np.isfinite(slopes).all():
        return np.zeros(slopes.shape[1])
    scale = np.sqrt((slopes**2).sum(0))
    scale = np.where(scale > 0, scale, 1.0)
    # in units of the columns' lengths, or constants of different sizes spoil each other
    system = np.concatenate([slopes / scale, math.sqrt(damping) * np.eye(slopes.shape[1])])
    target = np.concatenate([residual, np.zeros(slopes.shape[1])])
    return np.linalg.lstsq(system, target, rcond=None)[0] / scale


def _errors(slopes: Float[np.ndarray, "point constant"], loss: float, n: int) -> tuple[float, ...]:
    """Square roots of the diagonal of s^2 (J^T J)^-1."""
    q = slopes.shape[1]
    if q == 0:
        return ()
    if n <= q or not np.isfinite(slopes).all():
        return (math.nan,) * q
    scale = np.sqrt((slopes**2).sum(0))
    scale = np.where(scale > 0, scale, 1.0)
    _, sizes, turns = np.linalg.svd(slopes / scale, full_matrices=False)
    known = sizes > np.finfo(float).eps * n * sizes[0]
    if not known.all():
        sizes = np.where(known, sizes, np.nan)
    variance = loss / (n - q) * ((turns.T / sizes) ** 2).sum(1)
    return tuple((np.sqrt(variance) / scale).tolist())
