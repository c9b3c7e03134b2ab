"""A neural ODE as a module: exact on linear fields, its last log at hand, every gradient the same."""

import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.neural_des.ode import MLPField, NeuralODE
from limitlab.solvers import ToleranceBelowRoundOff


def test_a_linear_field_gives_the_exponential_of_its_matrix():
    torch.manual_seed(0)
    matrix, y0 = torch.randn(4, 4).double(), torch.randn(7, 4).double()
    model = NeuralODE(lambda t, y: y @ matrix.T, (0.0, 1.5), rtol=1e-8, atol=1e-8)
    assert torch.allclose(model(y0), y0 @ torch.linalg.matrix_exp(1.5 * matrix).T, rtol=1e-7)


def test_one_solve_is_two_in_sequence():
    field, y0 = MLPField(3, width=8, seed=2).double(), torch.randn(5, 3).double()
    whole = NeuralODE(field, (0.0, 1.0), rtol=1e-8, atol=1e-8)(y0)
    middle = NeuralODE(field, (0.0, 0.4), rtol=1e-8, atol=1e-8)(y0)
    assert torch.allclose(NeuralODE(field, (0.4, 1.0), rtol=1e-8, atol=1e-8)(middle), whole, atol=1e-7)


@pytest.mark.parametrize("gradient", ["checkpoint", "adjoint"])
def test_every_gradient_is_that_of_the_tape(gradient):
    y0 = torch.randn(4, 2).double()
    gradients = []
    for way in ("direct", gradient):
        field = MLPField(2, width=8, seed=1).double()
        NeuralODE(field, rtol=1e-9, atol=1e-9, gradient=way)(y0).square().sum().backward()
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in field.parameters()]))
    assert torch.allclose(*gradients, rtol=1e-6, atol=1e-8)


def test_the_last_solution_is_at_hand_and_refused_before_the_first():
    model = NeuralODE(MLPField(2, width=4))
    with pytest.raises(InvalidArgument, match="not called yet"):
        model.last  # noqa: B018
    model(torch.randn(3, 2))
    assert model.last.log.steps.shape == (3,)
    assert (model.last.evaluations.function > 0).all()


def test_a_field_that_is_no_function_is_refused():
    with pytest.raises(InvalidArgument, match="field must be"):
        NeuralODE(3)


@pytest.mark.parametrize(("field", "got"), [(lambda t, y: y[:, :1], r"\(3, 1\)"), (lambda t, y: y[:2], r"\(2, 2\)")])
def test_a_field_of_another_shape_is_refused_with_both_shapes(field, got):
    with pytest.raises(InvalidArgument, match=rf"field must return the shape of the state, \(3, 2\); got {got}"):
        NeuralODE(field)(torch.ones(3, 2))


def test_a_layer_warns_of_tolerances_below_the_round_off_of_its_state_as_the_solver_does():
    layer = NeuralODE(lambda t, y: -y, rtol=1e-9, atol=1e-9)
    with pytest.warns(ToleranceBelowRoundOff, match=r"below the round-off of torch.float32, 6e-08"):
        assert float(layer(torch.ones(1, 1))) == pytest.approx(torch.e**-1, rel=1e-5)
