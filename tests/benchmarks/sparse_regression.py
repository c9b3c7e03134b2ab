"""Sparse regression of the Lorenz equations against pysindy 2.1.0: library and thresholds, interleaved.

Run `python tests/benchmarks/sparse_regression.py [--rounds 15]`;
writes results/sparse_regression.json.

Both build the 20 monomials up to degree 3 on 2001 points of a clean trajectory and run sequentially thresholded least
squares (threshold 0.1, ridge 0.05) on its derivatives; the coefficients of both are compared before anything is timed.
The second row takes the columns as ready, and times the regression alone.
"""

from typing import Any

import numpy as np
import torch
from interleaved import interleave, row, run

from limitlab import problems
from limitlab.discovery.symbolic import Library
from limitlab.discovery.symbolic.sparse.regression import thresholded

QUICK = ("--rounds", "15")
LIBRARY = Library(("x", "y", "z"), 3)


def trajectory() -> tuple[np.ndarray, np.ndarray]:
    problem = problems.get("lorenz")
    y = problem.solve(times=np.linspace(0, 10, 2001).tolist(), rtol=1e-10).y[0]
    return y.numpy(), problem.field()(torch.zeros(len(y), 1, dtype=y.dtype), y).numpy()


def contestants(columns_too: bool) -> dict[str, Any]:
    import pysindy

    states, slopes = trajectory()
    monomials = pysindy.PolynomialLibrary(degree=3)
    ready = LIBRARY.columns(states)

    def ours() -> np.ndarray:
        return thresholded(LIBRARY.columns(states) if columns_too else ready, slopes, threshold=0.1, ridge=0.05)

    def theirs() -> np.ndarray:
        columns = np.asarray(monomials.fit_transform(states)) if columns_too else ready
        return pysindy.STLSQ(threshold=0.1, alpha=0.05).fit(columns, slopes).coef_

    assert abs(ours() - theirs()).max() < 1e-8
    return {"ours": ours, "pysindy": theirs}


def whole(rounds: int) -> dict[str, object]:
    return row("library and thresholds", interleave(contestants(True), rounds), [("ours", "pysindy")], points=2001)


def regression(rounds: int) -> dict[str, object]:
    return row("thresholds", interleave(contestants(False), rounds), [("ours", "pysindy")], points=2001)


if __name__ == "__main__":
    run("sparse_regression", __doc__, {"whole": whole, "regression": regression}, ["pysindy", "numpy"])
