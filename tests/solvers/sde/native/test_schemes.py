"""Every scheme has its code; what it gives is compared with torch in `test_solve.py`."""

import pytest
import torch

from limitlab import problems
from limitlab.solvers import BrownianPath
from limitlab.solvers.sde.native.schemes import STEPS
from limitlab.solvers.sde.schemes import SCHEMES


def test_both_back_ends_have_the_same_schemes():
    assert STEPS.keys() == SCHEMES.keys()


@pytest.mark.parametrize("calculus", ["ito", "stratonovich"])
def test_log_euler_is_exact_for_geometric_brownian_motion(calculus):
    problem, y0 = problems.get("geometric_brownian", mu=0.5, sigma=0.8), torch.ones(30, 1, dtype=torch.float64)
    path = BrownianPath(0, (30, 1), (0.0, 1.0))
    solution = problem.solve(
        y0, [0.0, 1.0], method="log_euler", calculus=calculus, brownian=path, step_size=1 / 8, backend="native"
    )
    exact = problem.solution_at(torch.ones(1, dtype=torch.float64), path.value(1.0)[:, None], y0)
    assert torch.allclose(solution.y[:, 1:], exact, rtol=1e-13)
