"""Derivatives that solves take of the caller's fields: the same in every mode, and refused where there are none."""

import math

import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.solvers import BrownianPath, solve_ode, solve_sde
from limitlab.solvers.derivatives import require_derivative


def relaxation(t, y):
    """Stiff, and nonlinear: eigenvalues from -1 to -1000."""
    return torch.stack([-1000 * (y[:, 0] - y[:, 1] ** 2), -y[:, 1]], 1)


def state():
    return torch.tensor([[0.5, 1.0]], dtype=torch.float64)


@pytest.mark.parametrize("method", ["rodas5", "kvaerno5", "auto"])
def test_stiff_solve_does_not_depend_on_the_mode_of_the_caller(method):
    expected = solve_ode(relaxation, state(), [0.0, 1.0], method=method)
    with torch.inference_mode():
        solution = solve_ode(relaxation, state(), [0.0, 1.0], method=method)
    assert torch.equal(solution.y, expected.y)
    assert torch.equal(solution.log.steps, expected.log.steps)


def test_milstein_does_not_depend_on_the_mode_of_the_caller():
    def solution():
        y0, noise = torch.ones(3, 1, dtype=torch.float64), lambda t, y: 0.5 * y
        return solve_sde(lambda t, y: -y, noise, y0, [0.0, 1.0], seed=0, step_size=0.1, method="milstein").y

    expected = solution()
    with torch.inference_mode():
        assert torch.equal(solution(), expected)


UNTRACEABLE = {
    "no_grad": torch.no_grad()(relaxation),
    "detached": lambda t, y: relaxation(t, y.detach()),
    "NumPy": lambda t, y: relaxation(t, torch.from_numpy(y.numpy().copy())),
    "one component": lambda t, y: torch.stack([-1000 * (y[:, 0] - y[:, 1] ** 2), -y[:, 1].detach()], 1),
}


@pytest.mark.parametrize("name", UNTRACEABLE)
@pytest.mark.parametrize("method", ["rosenbrock23", "rodas5", "kvaerno5", "auto"])
def test_stiff_method_refuses_a_field_without_derivative(name, method):
    with pytest.raises(InvalidArgument, match=r"field has no derivative in y .* pass jacobian="):
        solve_ode(UNTRACEABLE[name], state(), [0.0, 1.0], method=method)


def test_given_jacobian_stands_in_for_the_derivative():
    def jacobian(t, y):
        zero = torch.zeros_like(y[:, 0])
        return torch.stack([zero - 1000, 2000 * y[:, 1], zero, zero - 1], 1).view(-1, 2, 2)

    solution = solve_ode(UNTRACEABLE["no_grad"], state(), [0.0, 1.0], method="rodas5", jacobian=jacobian)
    assert abs(float(solution.y[0, -1, 1]) - math.exp(-1)) < 1e-6


def test_milstein_refuses_a_diffusion_without_derivative():
    path = BrownianPath(0, (3, 1), (0.0, 1.0))
    y0 = torch.ones(3, 1, dtype=torch.float64)
    with pytest.raises(InvalidArgument, match=r"diffusion has no derivative in y .* 'milstein' needs it"):
        solve_sde(
            lambda t, y: -y, torch.no_grad()(lambda t, y: 0.5 * y), y0, [0.0, 1.0],
            brownian=path, step_size=0.1, method="milstein",
        )  # fmt: skip


FLAT = {
    "constant": lambda t, y: torch.ones_like(y),
    "quadratic at zero": lambda t, y: (y - state()) ** 2,
    "cubic at zero": lambda t, y: (y - state()) ** 3,
    "of the time alone": lambda t, y: torch.sin(t).expand_as(y),
    "drawn": lambda t, y: torch.rand_like(y),
}


@pytest.mark.parametrize("name", FLAT)
def test_derivative_that_is_zero_is_no_missing_one(name):
    require_derivative("field", FLAT[name], torch.zeros(1, 1, dtype=torch.float64), state(), "")
