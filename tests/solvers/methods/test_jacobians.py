"""Jacobians of batched fields by every way there is, and the small linear systems they are for."""

import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.solvers import solve_ode
from limitlab.solvers.methods.jacobians import linearized
from limitlab.solvers.methods.linear_small import MOST_INVERTED, factorized

BATCH = 5


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def states(components, batch=BATCH):
    return torch.rand(batch, components, dtype=torch.float64, generator=generator(1))


def times(batch=BATCH):
    return torch.linspace(0, 1, batch, dtype=torch.float64)[:, None]


def driven(t, y):
    a, b, c = y.split(1, 1)
    return torch.cat([a * b + torch.sin(t), t * c * a, b - c * c], 1)


def driven_jacobian(t, y):
    a, b, c = y.split(1, 1)
    zero = torch.zeros_like(a)
    return torch.cat([b, a, zero, t * c, zero, t * a, zero, zero + 1, -2 * c], 1).view(-1, 3, 3)


def driven_in_time(t, y):
    a, _, c = y.split(1, 1)
    return torch.cat([torch.cos(t), c * a, torch.zeros_like(a)], 1)


@pytest.fixture(params=["eager", "as compiled"])
def compiling(request, monkeypatch):
    """The forward products and the written-out elimination are what a compiler sees; here they run without one."""
    if request.param == "as compiled":
        monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    return request.param


def test_linearization_is_that_of_calculus(compiling):
    t, y = times(), states(3)
    jacobian, in_time = linearized(driven, t, y)
    torch.testing.assert_close(jacobian, driven_jacobian(t, y))
    torch.testing.assert_close(in_time, driven_in_time(t, y))


def test_time_derivative_is_found_beside_a_given_jacobian(compiling):
    t, y = times(), states(3)
    jacobian, in_time = linearized(driven, t, y, driven_jacobian)
    assert torch.equal(jacobian, driven_jacobian(t, y))
    torch.testing.assert_close(in_time, driven_in_time(t, y))


def test_field_that_does_not_look_at_the_time_is_known_as_such():
    y = states(2)
    assert linearized(lambda t, y: y**2, times(), y).in_time is None
    assert linearized(lambda t, y: y**2, times(), y, lambda t, y: torch.diag_embed(2 * y)).in_time is None


@pytest.mark.parametrize("field", [lambda t, y: torch.ones_like(y), lambda t, y: torch.cos(t).expand_as(y)])
def test_field_that_does_not_look_at_the_state_has_jacobian_zero(field):
    assert torch.equal(linearized(field, times(), states(2)).jacobian, torch.zeros(BATCH, 2, 2, dtype=torch.float64))


def test_jacobian_has_a_gradient(compiling):
    weight = torch.randn(3, 3, dtype=torch.float64, generator=generator(2), requires_grad=True)
    y = states(3, 2).requires_grad_()

    def parts(weight, y):
        return linearized(lambda t, y: torch.tanh(y @ weight) * t, times(2), y)

    assert torch.autograd.gradcheck(parts, (weight, y))


def test_jacobian_leaves_no_tape_without_one():
    weight = torch.ones(3, 3, dtype=torch.float64, requires_grad=True)
    with torch.no_grad():
        assert not linearized(lambda t, y: y @ weight, times(), states(3)).jacobian.requires_grad


@pytest.mark.parametrize("method", ["rosenbrock23", "rodas5", "kvaerno3", "auto"])
@pytest.mark.parametrize("ends", [(0.0, 0.5), (0.5, 0.0)])
def test_given_jacobian_leads_to_the_same_solution_in_both_directions_of_time(method, ends):
    options = {"method": method, "rtol": 1e-4}
    by_torch = solve_ode(driven, states(3), ends, **options)
    given = solve_ode(driven, states(3), ends, jacobian=driven_jacobian, **options)
    assert torch.equal(by_torch.log.steps, given.log.steps)
    torch.testing.assert_close(by_torch.y, given.y, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("method", ["rosenbrock23", "rodas5", "auto"])
def test_what_a_compiler_sees_gives_the_same_numbers(method, monkeypatch):
    def field(t, y):
        x, v = y.split(1, 1)
        rate = torch.tensor([[1000.0], [1.0]], dtype=torch.float64)
        return torch.cat([v, rate * (1 - x * x) * v - x + torch.sin(t)], 1)

    y0 = torch.tensor([[2.0, 0.0], [2.0, 0.0]], dtype=torch.float64)
    plain = solve_ode(field, y0, [0, 0.1], method=method, rtol=1e-4)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    traced = solve_ode(field, y0, [0, 0.1], method=method, rtol=1e-4)
    assert torch.equal(plain.log.steps, traced.log.steps)
    torch.testing.assert_close(plain.y, traced.y, rtol=1e-10, atol=1e-12)


def test_jacobian_belongs_to_the_flattened_state():
    def field(t, y):
        return {"v": 100 * (1 - y["x"] ** 2) * y["v"] - y["x"], "x": y["v"]}

    def jacobian(t, y):
        v, x = y.split(1, 1)
        return torch.cat([100 * (1 - x * x), -200 * x * v - 1, 1 + 0 * x, 0 * x], 1).view(-1, 2, 2)

    start = {"v": torch.zeros(2, 1, dtype=torch.float64), "x": torch.full((2, 1), 2.0, dtype=torch.float64)}
    by_torch = solve_ode(field, start, [0, 10], method="rodas5").y
    given = solve_ode(field, start, [0, 10], method="rodas5", jacobian=jacobian).y
    torch.testing.assert_close(by_torch["x"], given["x"])


def test_wrong_jacobian_is_refused_by_name():
    y0 = states(3)
    with pytest.raises(InvalidArgument, match=r"jacobian must return \(5, 3, 3\)"):
        solve_ode(driven, y0, [0, 1], method="rodas5", jacobian=lambda t, y: torch.eye(3, dtype=torch.float64))
    with pytest.raises(InvalidArgument, match="jacobian is for stiff methods"):
        solve_ode(driven, y0, [0, 1], method="tsit5", jacobian=driven_jacobian)


@pytest.mark.parametrize("size", [1, 2, 3, 6, MOST_INVERTED, MOST_INVERTED + 1, 20])
def test_solution_has_a_residual_of_rounding_size(size, compiling):
    matrix = torch.randn(50, size, size, dtype=torch.float64, generator=generator(3))
    matrix = matrix * torch.logspace(0, 8, size, dtype=torch.float64)
    b = torch.randn(50, size, dtype=torch.float64, generator=generator(4))
    factors = factorized(matrix)
    x = factors.solve(b)
    residual = (matrix @ x[..., None])[..., 0] - b
    bound = (matrix.abs() @ x.abs()[..., None])[..., 0] + b.abs()
    assert bool(factors.regular.all())
    assert (residual.abs() / bound.amax(1, keepdim=True)).max() < 1e-13 * size


def test_matrix_that_needs_an_exchange_of_rows_is_solved(compiling):
    matrix = torch.tensor([[[0.0, 1.0, 0.0], [0.0, 1e-20, 2.0], [4.0, 0.0, 0.0]]], dtype=torch.float64)
    b = torch.tensor([[1.0, 2.0, 4.0]], dtype=torch.float64)
    torch.testing.assert_close(factorized(matrix).solve(b), torch.ones_like(b))


@pytest.mark.parametrize("size", [2, 3, MOST_INVERTED + 2])
def test_singular_matrix_spoils_its_own_sample_only(size, compiling):
    matrix = torch.eye(size, dtype=torch.float64).repeat(3, 1, 1)
    matrix[1, 0] = 0.0
    factors = factorized(matrix)
    b = torch.ones(3, size, dtype=torch.float64)
    assert factors.regular[:, 0].tolist() == [True, False, True]
    assert torch.equal(factors.solve(b)[::2], b[::2])


@pytest.mark.parametrize("size", [3, MOST_INVERTED + 1])
def test_solution_has_a_gradient(size, compiling):
    matrix = torch.randn(2, size, size, dtype=torch.float64, generator=generator(5)).requires_grad_()
    b = torch.randn(2, size, dtype=torch.float64, generator=generator(6)).requires_grad_()
    assert torch.autograd.gradcheck(lambda matrix, b: factorized(matrix).solve(b), (matrix, b))


@pytest.mark.parametrize("size", [2, 5, MOST_INVERTED, 13])
def test_solution_is_bitwise_the_same_in_any_batch(size, compiling):
    matrix = torch.randn(256, size, size, dtype=torch.float64, generator=generator(7))
    b = torch.randn(256, size, dtype=torch.float64, generator=generator(8))
    together = factorized(matrix).solve(b)
    for sample in (0, 101, 255):
        alone = factorized(matrix[sample : sample + 1].clone()).solve(b[sample : sample + 1].clone())
        assert torch.equal(alone[0], together[sample])
