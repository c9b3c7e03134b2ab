"""ESDIRK methods: order where stiffness dominates, Newton iterations, singular and large matrices."""

import pytest
import torch
from solvers.toys import (
    assert_many_components_are_solved,
    assert_singular_matrix_spoils_its_sample_only,
    double,
    errors_on_prothero_robinson,
    slopes,
)

from limitlab import problems
from limitlab.solvers import solve_ode


@pytest.mark.parametrize("method", ["kvaerno3", "kvaerno5"])
def test_order_on_prothero_robinson_is_two_and_the_error_as_small_as_the_stiffness_is_large(method):
    mild, stiff = (errors_on_prothero_robinson(method, rate) for rate in (-1e5, -1e6))
    assert slopes(stiff)[-1] == pytest.approx(2, abs=0.15)
    assert (mild / stiff)[-1] == pytest.approx(10.0, rel=0.2)


def test_evaluations_of_newton_iterations_are_counted_by_sample():
    calls = torch.zeros(3, dtype=torch.int64)
    y0 = double([2.0, 0.0], [1.0, 0.5], [0.1, 0.0])
    oscillator = problems.get("van_der_pol", mu=10.0)
    field, jacobian = oscillator.field(), oscillator.jacobian()

    def counted(t, y):
        calls.add_(1)
        return field(t, y)

    together = solve_ode(counted, y0, [0, 2], method="kvaerno5", rtol=1e-5, jacobian=jacobian).evaluations
    calls.zero_()
    alone = solve_ode(counted, y0[:1], [0, 2], method="kvaerno5", rtol=1e-5, jacobian=jacobian).evaluations
    assert int(alone.function) == int(calls[0]) == int(together.function[0])
    assert len(set(together.function.tolist())) == 3
    assert torch.equal(together.jacobian, together.factorization)


def test_singular_matrix_rejects_the_step_of_its_sample_only():
    assert_singular_matrix_spoils_its_sample_only("kvaerno5", gamma=0.26)


def test_many_components_are_solved_by_their_factors():
    assert_many_components_are_solved("kvaerno5")
