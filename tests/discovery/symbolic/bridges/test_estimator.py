"""The estimator keeps the contract of scikit-learn."""

import sys

import numpy as np
import pytest

from limitlab.discovery import symbolic
from limitlab.discovery.symbolic.bridges.operon import EngineMissing

sklearn = pytest.importorskip("sklearn")
REFUSED = {"check_sample_weight_equivalence_on_dense_data": "27 points of 30 variables are fewer than unknowns"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_checks_of_scikit_learn_pass():
    from sklearn.utils.estimator_checks import check_estimator

    from limitlab.discovery.symbolic import SymbolicRegressor

    # short formulas are enough for a contract that asks nothing of them
    model = SymbolicRegressor(engine="sparse", ops=("+", "*"), evaluations=10, max_complexity=5)
    results = check_estimator(model, on_fail=None, on_skip=None, expected_failed_checks=REFUSED)
    failed = {row["check_name"]: row["exception"] for row in results if row["status"] == "failed"}
    assert failed == {}
    assert sum(row["status"] == "passed" for row in results) > 40


def test_it_stands_in_a_pipeline_and_keeps_its_front():
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    from limitlab.discovery.symbolic import SymbolicRegressor

    points = np.random.default_rng(0).uniform(1.0, 5.0, size=(80, 2))
    y = 2 * points[:, 0] * points[:, 1] - points[:, 1]
    model = make_pipeline(MinMaxScaler(), SymbolicRegressor("sparse", ops=("+", "*"), evaluations=50))
    assert cross_val_score(model, points, y, cv=2).min() > 1 - 1e-9
    fitted = SymbolicRegressor("sparse", ops=("+", "*"), evaluations=50).fit(points, y)
    assert str(fitted.expr_) == "2.0*x1*x2 - x2"
    assert len(fitted.front_) > 1


def test_without_scikit_learn_the_error_says_how_to_get_it(monkeypatch):
    for name in ("sklearn", "sklearn.base"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "limitlab.discovery.symbolic.bridges.estimator", raising=False)
    with pytest.raises(
        EngineMissing, match=r"SymbolicRegressor needs scikit-learn: pip install 'limitlab\[symbolic\]'"
    ):
        _ = symbolic.SymbolicRegressor
