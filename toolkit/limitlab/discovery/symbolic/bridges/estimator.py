"""The search for formulas as an estimator of scikit-learn, for its pipelines, grids and scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from limitlab.discovery.symbolic.bridges.operon import EngineMissing
from limitlab.discovery.symbolic.engine import OPERATORS
from limitlab.discovery.symbolic.front import Rule
from limitlab.discovery.symbolic.search import search

try:
    from sklearn.base import BaseEstimator, RegressorMixin
    from sklearn.utils.validation import check_is_fitted, validate_data
except ModuleNotFoundError:
    raise EngineMissing("SymbolicRegressor needs scikit-learn: pip install 'limitlab[symbolic]'") from None


class SymbolicRegressor(RegressorMixin, BaseEstimator):
    """A formula y = f(x) by `limitlab.discovery.symbolic.search`, chosen from its front by a rule.

    engine, ops, budget_s, evaluations, max_complexity: of `search`; rule: of `ParetoFront.select`; random_state: the
    seed. After `fit`: `front_`, all formulas, and `expr_`, the chosen one.

    >>> import numpy as np
    >>> from limitlab.discovery.symbolic import SymbolicRegressor
    >>> x = np.linspace(-1.0, 1.0, 20)[:, None]
    >>> model = SymbolicRegressor(engine="sparse", ops=("+", "*"), evaluations=20).fit(x, 3 * x[:, 0] ** 2 - x[:, 0])
    >>> str(model.expr_), round(model.score(x, 3 * x[:, 0] ** 2 - x[:, 0]), 6)
    ('3.0*x^2 - x', 1.0)
    """

    def __init__(
        self,
        engine: str = "evolve",
        *,
        ops: Sequence[str] = OPERATORS,
        budget_s: float | None = None,
        evaluations: int | None = None,
        max_complexity: float = 30,
        rule: Rule = "bic",
        random_state: int = 0,
    ) -> None:
        self.engine = engine
        self.ops = ops
        self.budget_s = budget_s
        self.evaluations = evaluations
        self.max_complexity = max_complexity
        self.rule = rule
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> SymbolicRegressor:  # noqa: N803
        """Search formulas for points X (n, k) and values y (n,). Raises InvalidArgument, UnknownName."""
        points, values = validate_data(self, X, y, y_numeric=True, dtype=np.float64, ensure_min_samples=2)
        # names of a table's columns need not be names of the grammar
        self.front_ = search(
            points,
            values,
            ops=self.ops,
            engine=self.engine,
            budget_s=self.budget_s,
            evaluations=self.evaluations,
            seed=self.random_state,
            weights=sample_weight,
            max_complexity=self.max_complexity,
        )
        self.expr_ = self.front_.select(self.rule).expr
        return self

    def predict(self, X: Any) -> Float[np.ndarray, " point"]:  # noqa: N803
        """Values (n,) of the chosen formula."""
        check_is_fitted(self)
        return self.expr_(validate_data(self, X, reset=False, dtype=np.float64))
