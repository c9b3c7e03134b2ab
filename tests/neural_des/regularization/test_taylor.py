"""Total derivatives in time against closed forms, and their integral along a solution."""

import math

import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.neural_des.ode import MLPField, NeuralODE
from limitlab.neural_des.regularization.taylor import Taylor, total_derivative


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_a_linear_field_gives_powers_of_its_matrix(order):
    generator = torch.Generator().manual_seed(0)
    matrix, y = torch.randn(3, 3, generator=generator).double(), torch.randn(5, 3, generator=generator).double()
    derivative = total_derivative(lambda t, y: y @ matrix.T, order)(torch.zeros(5, 1).double(), y)
    assert torch.allclose(derivative, y @ torch.linalg.matrix_power(matrix, order).T, rtol=1e-12)


def test_time_counts_too():
    t, y = torch.tensor([[0.3]], dtype=torch.float64), torch.zeros(1, 1).double()
    third = total_derivative(lambda t, y: torch.sin(2 * t) + 0 * y, 3)(t, y)
    assert float(third) == pytest.approx(-4 * math.sin(0.6), abs=1e-14)


@pytest.mark.parametrize("order", [2, 3])
def test_the_penalty_of_exponential_growth_is_its_integral(order):
    ode = NeuralODE(lambda t, y: 0.5 * y, (0.0, 2.0), rtol=1e-9, atol=1e-9)
    value = Taylor(order).solve(ode, torch.ones(3, 1).double(), None, 0.5).value
    # d^K/dt^K exp(t/2) = 2^-K exp(t/2), squared and integrated over [0, 2]
    assert float(value) == pytest.approx(4.0**-order * (math.e**2 - 1), rel=1e-7)


def test_the_states_are_those_of_the_plain_solve():
    ode = NeuralODE(MLPField(2, width=8).double(), rtol=1e-9, atol=1e-9)
    y0, times = torch.randn(4, 2, generator=torch.Generator().manual_seed(0)).double(), torch.linspace(0, 1, 4)
    assert torch.allclose(Taylor(2).solve(ode, y0, times, 0.5).y, ode.solve(y0, times).y, atol=1e-7)


def test_its_gradient_is_its_difference():
    field, y0 = MLPField(2, width=4, activation="tanh").double(), torch.ones(2, 2).double()
    ode = NeuralODE(field, rtol=1e-10, atol=1e-10)
    value = lambda: Taylor(2).solve(ode, y0, None, 0.5).value  # noqa: E731
    bias, h, values = field.layers[0].bias, 1e-5, []
    (gradient,) = torch.autograd.grad(value(), bias)
    for sign in (1, -1):
        with torch.no_grad():
            bias[1] += sign * h
            values.append(float(value()))
            bias[1] -= sign * h
    assert float(gradient[1]) == pytest.approx((values[0] - values[1]) / (2 * h), rel=1e-5)


def test_an_order_of_nothing_is_refused():
    with pytest.raises(InvalidArgument, match="order must be"):
        Taylor(0)
