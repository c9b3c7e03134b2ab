"""How formulas are scored: all alike, in double precision, on the points that are fitted and on those held out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from limitlab.discovery.symbolic.engine import Data, Settings
from limitlab.discovery.symbolic.expression import Expr
from limitlab.discovery.symbolic.front import Candidate, ParetoFront

ROUNDING = 1e-13
"""Losses below this part of the mean square of y are rounding, of engines that count in single precision too."""


def rounding_of(data: Data) -> float:
    """Losses below it are rounding."""
    return max(ROUNDING * float(np.mean(data.y**2)), 1e-300)


def empty_front(data: Data, settings: Settings) -> ParetoFront:
    """A front for these data: its floor, its noise and its alphabet."""
    return ParetoFront(floor=rounding_of(data), sigma=data.sigma, symbols=len(settings.ops) + len(data.names) + 1)


def scored(expr: Expr, data: Data, *, engine: str = "", costs: Mapping[str, float] | None = None) -> Candidate:
    """The formula with its complexity and its losses on the data; inf where it is not finite at some point.

    >>> from limitlab.discovery.symbolic import Data, Expr, scored
    >>> scored(Expr.parse("2*x", ("x",)), Data.of([[1.0], [2.0], [3.0], [4.0]], [2.0, 4.0, 6.0, 9.0])).loss
    0.25
    """
    loss = float(np.average(_squares(expr, data.X, data.y), weights=data.weights))
    held, error = None, None
    if data.held_out is not None:
        squares = _squares(expr, *data.held_out)
        held = float(squares.mean())
        error = float(squares.std(ddof=1) / np.sqrt(len(squares))) if np.isfinite(held) and len(squares) > 1 else None
        held = held if np.isfinite(held) else None
    return Candidate(expr, expr.complexity(costs), loss, len(data.y), engine, held, error)


def _squares(expr: Expr, X: np.ndarray, y: np.ndarray) -> np.ndarray:  # noqa: N803
    squares = (y - expr(X)) ** 2
    return np.where(np.isfinite(squares), squares, np.inf)
