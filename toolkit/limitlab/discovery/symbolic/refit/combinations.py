"""Which formulas go into the holes of an equation: every combination, or those at the sharpest corners of fronts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product

import numpy as np

from limitlab.discovery.symbolic.expression import Expr
from limitlab.discovery.symbolic.front import Candidate, ParetoFront
from limitlab.errors import InvalidArgument, unknown_name

Candidates = ParetoFront | Iterable[Expr | Candidate]


def combinations(
    candidates: Mapping[str, Candidates], holes: Sequence[str], variables: Sequence[str], most: int
) -> list[tuple[Expr, ...]]:
    """Every combination of formulas, one a hole, at most `most` of them. Raises InvalidArgument, UnknownName.

    variables: what formulas may hold.
    """
    for name in candidates:
        if name not in holes:
            raise unknown_name("hole", name, holes)
    missing = next((hole for hole in holes if hole not in candidates), None)
    if missing is not None:
        raise InvalidArgument(f"candidates must hold formulas for each of {', '.join(holes)}; {missing!r} has none")
    each = max(int(most ** (1 / max(len(holes), 1)) + 1e-9), 1)
    choices = [_chosen(hole, candidates[hole], each) for hole in holes]
    for hole, row in zip(holes, choices, strict=True):
        for expr in row:
            for name in expr.variables:
                if name not in variables:
                    raise unknown_name(f"variable of a candidate for {hole}", name, variables)
    return list({structure(row): row for row in product(*choices)}.values())


def _chosen(hole: str, candidates: Candidates, each: int) -> list[Expr]:
    """The formulas of a hole; of a front that is too long those at its sharpest corners."""
    if isinstance(candidates, ParetoFront) and len(candidates) > each:
        order = np.argsort(-_corners(candidates), kind="stable")[:each]
        return [candidates[int(index)].expr for index in sorted(order)]
    formulas = [row.expr if isinstance(row, Candidate) else row for row in candidates]
    if not formulas or not all(isinstance(row, Expr) for row in formulas):
        raise InvalidArgument(
            f"the candidates for {hole} must be a front, or one formula or more; got {formulas!r:.80}"
        )
    return formulas[:each]


def _corners(front: ParetoFront) -> np.ndarray:
    """How much faster the logarithm of the loss falls up to each candidate than it can be made to fall behind it."""
    complexity = np.array([row.complexity for row in front])
    floor = max(front.floor, (front.sigma or 0.0) ** 2)
    logs = np.log(np.maximum([row.loss for row in front], floor))
    steps = np.subtract.outer(complexity, complexity)
    slopes = np.divide(np.subtract.outer(logs, logs), -steps, out=np.zeros_like(steps), where=steps != 0)
    before = np.where(steps > 0, slopes, np.inf).min(1)
    behind = np.where(steps < 0, slopes, -np.inf).max(1, initial=0.0)
    return np.where(np.isfinite(before), before, 0.0) - behind


def structure(formulas: Sequence[Expr]) -> tuple[str, ...]:
    """Texts in which all constants have one name: equal for equal structures."""
    import sympy

    one = sympy.Symbol("constant", real=True)
    return tuple(
        str(e.sympy.xreplace(dict.fromkeys((sympy.Symbol(name, real=True) for name in e.names), one))) for e in formulas
    )
