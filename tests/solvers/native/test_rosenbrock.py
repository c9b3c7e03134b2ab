"""Rosenbrock methods in the lanes: elimination with pivots, the numbers of torch, the reference of Robertson's."""

import numpy as np
import pytest
import torch
from solvers.lanes import of_lanes

from limitlab import problems
from limitlab.solvers.native.arithmetic import WIDTH
from limitlab.solvers.native.rosenbrock import factorized, solved

DOUBLE = torch.float64


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_systems_are_solved_with_pivots_of_each_lane(size):
    """Zeros on the diagonal need rows to change places, other ones in every lane."""
    rng = np.random.default_rng(size)
    matrices = rng.normal(size=(WIDTH, size, size))
    matrices[::2, 0, 0] = 0.0 if size > 1 else 2.0
    matrices[1::3, -1, -1] = 1e-14 if size > 1 else 3.0
    right = rng.normal(size=(WIDTH, size))

    def component(index):
        def emit(lanes, load):
            rows = [[load(size * row + column) for column in range(size)] for row in range(size)]
            x = solved(lanes, factorized(lanes, rows), [load(size * size + row) for row in range(size)])
            return size * size + size, x[index]

        return of_lanes(emit)(*matrices.reshape(WIDTH, -1).T, *right.T)

    x = np.stack([component(index) for index in range(size)], 1)
    np.testing.assert_allclose(x, np.linalg.solve(matrices, right[..., None])[..., 0], rtol=1e-9, atol=1e-9)


def test_a_singular_matrix_is_found_in_its_own_lane():
    def emit(lanes, load):
        factors = factorized(lanes, [[load(0), load(1)], [load(2), load(3)]])
        return 4, lanes.select(factors.regular, lanes.number(1.0), lanes.number(0.0))

    rows = np.ones((4, WIDTH))
    rows[0, 3] = 2.0
    assert of_lanes(emit)(*rows).tolist() == [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("method", ["rosenbrock23", "rodas4", "rodas5"])
@pytest.mark.parametrize("name", ["robertson", "van_der_pol", "pushed_pendulum"])
def test_attempts_and_numbers_are_those_of_torch(name, method):
    problem = problems.get(name)
    y0, values = problem.sample(9, seed=1)
    times = torch.linspace(0, 0.02 * problem.span, 5, dtype=DOUBLE)
    native, by_torch = (
        problem.solve(y0, times, values=values, method=method, rtol=1e-5, atol=1e-8, backend=backend)
        for backend in ("native", "torch")
    )
    assert native.backend == "native"
    assert torch.equal(native.log.accepted, by_torch.log.accepted)
    # an error far below the tolerance is a difference of rounding, and so is the size that follows it
    apart = (native.log.size / by_torch.log.size - 1).abs()
    assert float(apart.nanmedian()) < 1e-7
    assert float(apart.nan_to_num().max()) < 0.02
    assert torch.allclose(native.log.stiffness, by_torch.log.stiffness, rtol=0.01, atol=1e-9, equal_nan=True)
    assert torch.allclose(native.y, by_torch.y, rtol=1e-8, atol=1e-12)
    assert torch.equal(native.evaluations.jacobian, by_torch.evaluations.jacobian)
    assert torch.equal(native.evaluations.factorization, by_torch.evaluations.factorization)


def test_time_may_run_backwards():
    """df/dt keeps its sign where t and y' turn theirs."""
    problem = problems.get("pushed_pendulum")
    y0, values = problem.sample(3, seed=0)
    times = torch.tensor([2.0, 1.0, 0.0], dtype=DOUBLE)
    solutions = [
        problem.solve(y0, times, values=values, method=method, rtol=1e-9, atol=1e-11) for method in ("rodas5", "dopri8")
    ]
    assert {solution.backend for solution in solutions} == {"native"}
    assert torch.allclose(solutions[0].y, solutions[1].y, rtol=1e-6, atol=1e-8)
