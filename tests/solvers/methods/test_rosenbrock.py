"""Rosenbrock methods: order where stiffness dominates, cost, singular and large matrices."""

import pytest
import torch
from solvers.toys import (
    assert_many_components_are_solved,
    assert_singular_matrix_spoils_its_sample_only,
    double,
    errors_on_prothero_robinson,
    slopes,
    van_der_pol,
)

from limitlab.solvers import solve_ode


@pytest.mark.parametrize(("method", "order"), [("rodas4", 1), ("rodas5", 3)])
def test_order_on_prothero_robinson_is_lower_and_the_error_as_small_as_the_stiffness_is_large(method, order):
    mild, stiff = (errors_on_prothero_robinson(method, rate) for rate in (-1e5, -1e6))
    assert slopes(stiff)[-1] == pytest.approx(order, abs=0.15)
    assert (mild / stiff)[-1] == pytest.approx(10.0, rel=0.2)


def test_rosenbrock23_needs_a_handful_of_calls_where_an_explicit_method_needs_millions():
    problem = van_der_pol(1000.0), double([2, 0])
    solution = solve_ode(*problem, [0, 500], method="rosenbrock23", rtol=1e-4, atol=1e-6, control="i")
    calls = int(solution.evaluations.function)
    assert 45 <= calls <= 85
    assert int(solution.evaluations.jacobian) == int(solution.evaluations.factorization) == (calls - 2) // 2
    # SciPy's RK45 takes 2.4 million calls for the whole span
    assert int(solve_ode(*problem, [0, 0.2], rtol=1e-4, atol=1e-6).evaluations.function) > 10 * calls


def test_singular_matrix_rejects_the_step_of_its_sample_only():
    assert_singular_matrix_spoils_its_sample_only("rodas4", gamma=0.25)


def test_many_components_are_solved_by_their_factors():
    assert_many_components_are_solved("rodas5")


@pytest.mark.parametrize("method", ["rosenbrock23", "rodas4", "rodas5"])
@pytest.mark.parametrize("field", [lambda t, y: y, lambda t, y: t * y.flip(1) - y])
def test_stages_in_place_and_under_a_tape_are_the_same_numbers(method, field):
    """Also those of a field that gives back the very state, which the sums of the stages live in."""
    y0 = torch.tensor([[1.0, 0.5], [0.3, -2.0]], dtype=torch.float64)
    plain, taped = (
        solve_ode(field, start, [0.0, 0.4, 1.0], method=method, step_size=0.1).y
        for start in (y0, y0.clone().requires_grad_())
    )
    assert taped.requires_grad
    assert torch.equal(plain, taped.detach())
