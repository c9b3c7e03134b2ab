"""Derivatives that solves take of the caller's fields: the same in every mode, and refused where there are none."""

import math

import numpy
import pytest
import torch

from limitlab import problems
from limitlab.errors import InvalidArgument
from limitlab.solvers import BrownianPath, solve_ode, solve_sde
from limitlab.solvers.derivatives import require_derivative, require_derivatives, require_time_derivative
from limitlab.solvers.methods.catalogue import method_named


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


def detached_factor(t, y):
    """Half of the derivative is lost."""
    return torch.stack([-1000 * y[:, 0].detach() * y[:, 0], -y[:, 1]], 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("method", ["rosenbrock23", "rodas5", "kvaerno5", "auto"])
def test_stiff_method_refuses_a_field_with_a_detached_factor(method, dtype):
    with pytest.raises(InvalidArgument, match=r"field has no derivative in y .* pass jacobian="):
        solve_ode(detached_factor, state().to(dtype), [0.0, 1.0], method=method)
    assert solve_ode(detached_factor, state().to(dtype), [0.0, 0.1], method="tsit5").y.isfinite().all()


def test_milstein_refuses_a_diffusion_with_a_detached_factor():
    """Milstein's term would be half of what it is."""
    y0 = torch.ones(3, 1, dtype=torch.float64)
    with pytest.raises(InvalidArgument, match=r"diffusion has no derivative in y .* 'milstein' needs it"):
        solve_sde(
            lambda t, y: -y, lambda t, y: y.detach() * y, y0, [0.0, 1.0], seed=0, step_size=0.1, method="milstein"
        )


FORCED = {
    "NumPy": lambda t, y: -100 * (y - torch.from_numpy(numpy.cos(t.detach().numpy()))),
    "detach": lambda t, y: -100 * (y - torch.cos(t.detach())),
    "a detached factor": lambda t, y: -100 * (y - torch.cos(t.detach()) * (1 + t)),
}


@pytest.mark.parametrize("name", FORCED)
@pytest.mark.parametrize("with_jacobian", [False, True])
@pytest.mark.parametrize("times", [[0.0, 1.0], [1.0, 0.0]])
def test_method_that_takes_a_derivative_in_time_refuses_a_field_without_one(name, with_jacobian, times):
    jacobian = (lambda t, y: torch.full((len(y), 1, 1), -100.0, dtype=y.dtype)) if with_jacobian else None
    y0 = torch.ones(1, 1, dtype=torch.float64)
    for method in ("rosenbrock23", "rodas5", "auto"):
        with pytest.raises(InvalidArgument, match=r"field has no derivative in t .* use 'kvaerno5'"):
            solve_ode(FORCED[name], y0, times, method=method, jacobian=jacobian)


def test_method_without_a_derivative_in_time_takes_any_forcing():
    y0 = torch.zeros(1, 1, dtype=torch.float64)
    forced = [
        solve_ode(field, y0, [0.0, 1.0], method="kvaerno5", rtol=1e-8).y[0, -1, 0]
        for field in (FORCED["NumPy"], lambda t, y: -100 * (y - torch.cos(t)))
    ]
    assert abs(float(forced[0] - forced[1])) < 1e-8


PIECEWISE = {
    "constant": lambda t, y: -y * (1.0 if float(t.max()) < 0.5 else 2.0),
    "linear": lambda t, y: -y + torch.relu(t - 0.62),
    "smooth": lambda t, y: -y + torch.sin(50 * t),
    "autonomous": lambda t, y: -y,
    "drawn": lambda t, y: torch.rand_like(y),
}


@pytest.mark.parametrize("name", PIECEWISE)
@pytest.mark.parametrize("start", [0.0, 1e6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_derivative_in_time_that_is_right_is_no_missing_one(name, start, dtype):
    times = start + torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    require_time_derivative("field", PIECEWISE[name], times, state().to(dtype), "")


@pytest.mark.parametrize("activation", [torch.nn.ReLU, torch.nn.Hardtanh, torch.nn.Tanh])
def test_kinks_of_networks_are_no_missing_derivatives(activation):
    for seed in range(5):
        torch.manual_seed(seed)
        net = torch.nn.Sequential(torch.nn.Linear(20, 64), activation(), torch.nn.Linear(64, 20))
        for scale in (0.0, 1.0, 1e3):
            y = scale * torch.randn(5, 20)
            require_derivative("field", lambda t, y, net=net: net(y), torch.zeros(5, 1), y, "")


@pytest.mark.parametrize("name", [name for name in problems.names() if problems.get(name).kind == "ode"])
def test_every_problem_has_its_derivatives(name):
    problem = problems.get(name)
    y0 = problem.start(problem.merged(None)).reshape(-1, problem.dimension)
    states = torch.cat([y0, 1.3 * y0 + 0.1])
    times = torch.tensor([[0.0, float(problem.span)]], dtype=torch.float64).expand(2, 2)
    for dtype in (torch.float32, torch.float64):
        require_derivatives(method_named("rodas5", None), problem.field(), times, states.to(dtype))


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
