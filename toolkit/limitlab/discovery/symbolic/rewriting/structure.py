"""Whether a formula is the law but for the values of its constants, which data with noise never give exactly.

    -0.874*x*y  is  -0.9*x*y;       -0.9*x*y + 0.001*x  is not: a term too many

The formula is fitted to values of the law: it has the structure where the fit is perfect, and where each of its
constants is needed for that.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from limitlab.discovery.symbolic.engine import Data
from limitlab.discovery.symbolic.expression import Expr
from limitlab.discovery.symbolic.rewriting.least_squares import fitted
from limitlab.discovery.symbolic.rewriting.simplify import apart, points_around, same


def same_structure(
    expr: Expr, truth: Expr, box: Sequence[tuple[float, float]], *, within_nrmse: float = 1e-6, seed: int = 0
) -> bool:
    """Whether the constants of `expr` can be set so that it is the truth, and none of them could be left out then.

    box: of each variable of the truth, ends of the values among which the constants are fitted, from those that `expr`
    has. The formulas are the same where `same` says so; constants count for nothing.

    >>> from limitlab.discovery.symbolic import Expr, same_structure
    >>> law = Expr.parse("a*x/(b + x)", ("x",), parameters={"a": 2.0, "b": 0.5})
    >>> near = Expr.parse("x/(c*x + d)", ("x",), parameters={"c": 0.6, "d": 0.2})
    >>> longer = Expr.parse("a*x/(b + x) + c", ("x",), parameters={"a": 2.1, "b": 0.4, "c": 0.1})
    >>> same_structure(near, law, [(0.1, 3.0)]), same_structure(longer, law, [(0.1, 3.0)])
    (True, False)
    """
    X = points_around(box, seed, wider=1.0)  # noqa: N806
    values = truth(X)
    there = np.isfinite(values)
    best = fitted(expr, Data.of(X[there], values[there], names=truth.variables)).expr
    if not same(best, truth, box, within_nrmse=within_nrmse, seed=seed):
        return False
    wide = points_around(box, seed)
    expected = truth(wide)
    without = (best.with_parameters({name: 0.0})(wide) for name in best.names)
    return all(apart(values, expected) > within_nrmse for values in without)
