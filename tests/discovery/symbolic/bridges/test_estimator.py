"""The estimator keeps the contract of scikit-learn."""

import subprocess
import sys

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn")
REFUSED = {"check_sample_weight_equivalence_on_dense_data": "27 points of 30 variables are fewer than unknowns"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_checks_of_scikit_learn_pass():
    from sklearn.utils.estimator_checks import check_estimator

    from limitlab.discovery.symbolic import SymbolicRegressor

    model = SymbolicRegressor(engine="sparse", ops=("+", "*"), evaluations=10)
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


def test_without_scikit_learn_the_error_says_how_to_get_it():
    code = (
        "import sys; sys.modules['sklearn'] = sys.modules['sklearn.base'] = None\n"
        "import limitlab.discovery.symbolic as symbolic\n"
        "symbolic.SymbolicRegressor"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "EngineMissing: SymbolicRegressor needs scikit-learn: pip install 'limitlab[symbolic]'" in done.stderr
