"""Steps by the error: tolerance and cost, controllers, steps that a batch shares."""

import pytest
import torch
from solvers.toys import DOUBLE, lotka_volterra, rotated, rotation

from limitlab.solvers import solve_ode
from limitlab.solvers.methods.catalogue import METHODS

ADAPTIVE = [name for name, method in METHODS.items() if method.error_order and not method.jacobians]


def test_adaptive_tsit5_keeps_its_tolerance_at_the_known_cost():
    """Rotation on [0, 10]: error at most twice the tolerance, about 128, 278, 656 and 1604 field calls."""
    y0 = torch.tensor([[1.0, 0.0]], dtype=DOUBLE)
    times = torch.linspace(0, 10, 11, dtype=DOUBLE)
    for tolerance, calls in ((1e-4, 128), (1e-6, 278), (1e-8, 656), (1e-10, 1604)):
        solution = solve_ode(rotation, y0, times, rtol=tolerance, atol=tolerance)
        assert float((solution.y - rotated(y0, times)).abs().max()) < 2 * tolerance
        assert int(solution.evaluations.function) == pytest.approx(calls, rel=0.3)


@pytest.mark.parametrize("method", ADAPTIVE)
@pytest.mark.parametrize("control", ["i", "pi", "pid"])
def test_tighter_tolerance_gives_smaller_error(method, control):
    y0 = torch.tensor([[1.0, 0.0]], dtype=DOUBLE)
    times = torch.linspace(0, 3, 4, dtype=DOUBLE)
    errors = [
        float(
            (solve_ode(rotation, y0, times, method=method, control=control, rtol=r, atol=r).y - rotated(y0, times))
            .abs()
            .max()
        )
        for r in (1e-3, 1e-5 if method in ("heun", "reversible_heun") else 1e-6)
    ]
    assert errors[1] < 0.1 * errors[0]
    assert errors[0] < 30 * 1e-3


def test_pi_control_settles_where_theory_says():
    """With exponents 7/50 and 2/25 and safety 0.9 the accepted error is 0.9^(1/0.06) = 0.17 on a steady problem."""
    solution = solve_ode(rotation, torch.tensor([[1.0, 0.0]], dtype=DOUBLE), [0.0, 40.0], rtol=1e-6, atol=1e-6)
    assert 0.10 < float(solution.log.error[solution.log.accepted].median()) < 0.25
    assert int(solution.log.rejected) == 0
    assert int(solution.log.steps) == pytest.approx(169, rel=0.1)


def test_shared_steps_are_shared():
    y0 = torch.tensor([[1.0, 1.0], [4.0, 0.4]], dtype=DOUBLE)
    log = solve_ode(lotka_volterra, y0, [0.0, 5.0], shared_steps=True).log
    assert torch.equal(log.size[0], log.size[1])
    own = solve_ode(lotka_volterra, y0, [0.0, 5.0]).log
    assert int(own.steps[0]) != int(own.steps[1])
