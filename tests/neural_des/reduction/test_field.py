"""Blocks of units that act one by one: their solve, their inputs, their cost, and what they refuse."""

import pytest
import torch
from torch import nn

from limitlab.errors import InvalidArgument
from limitlab.neural_des.reduction import ElementwiseField, ElementwiseODE, FlatConvolution, operations
from limitlab.solvers import solve_ode


def block(states=6, inputs=None, leak=0.0, steps=5, activation=None, seed=0):
    torch.manual_seed(seed)
    drive = None if inputs is None else nn.Linear(inputs, states, bias=False)
    field = ElementwiseField(nn.Linear(states, states), activation or nn.Tanh(), leak=leak, inputs=drive)
    return ElementwiseODE(nn.Linear(3, states), field, nn.Linear(states, 2), steps=steps).double()


def test_the_loop_is_the_solver_s_rk4():
    model, data = block(leak=0.5), torch.randn(4, 3).double()
    start = model.encode(data)
    solution = solve_ode(lambda t, x: model.field(x), start, torch.linspace(0, 1, 6), method="rk4", step_size=0.2)
    assert torch.allclose(model.states(data), solution.y, atol=1e-13)
    assert torch.allclose(model(data), model.read_out(solution.y[:, -1]), atol=1e-13)


def test_inputs_are_held_for_a_unit_of_time_each():
    model, data, u = block(inputs=2, leak=1.0), torch.randn(4, 3).double(), torch.randn(4, 3, 2).double()
    path = model.states(data, u)
    assert path.shape == (4, 16, 6)
    x = model.encode(data)
    for segment in range(3):
        drive = model.field.inputs(u[:, segment])
        field = lambda t, x, drive=drive: model.field(x) + drive  # noqa: E731
        x = solve_ode(field, x, [0.0, 1.0], method="rk4", step_size=0.2).y[:, -1]
        assert torch.allclose(path[:, 5 * (segment + 1)], x, atol=1e-13)


def test_zero_inputs_are_the_autonomous_block():
    model, data = block(inputs=2), torch.randn(4, 3).double()
    still = model.states(data, torch.zeros(4, 1, 2).double())
    assert torch.allclose(still, model.states(data), atol=1e-12)


def test_a_block_exports_as_a_network():
    model, data = block().float(), torch.randn(4, 3)
    exported = torch.export.export(model, (data,)).module()
    assert torch.allclose(exported(data), model(data), atol=1e-6)


def test_operations_are_two_a_weight_and_one_a_unit():
    dense = ElementwiseField(nn.Linear(10, 10), nn.Tanh())
    assert operations(dense) == 2 * 100 + 10
    small = ElementwiseField(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 3, bias=False))
    assert operations(small) == 4 * 3 * 5 + 5
    low_rank = nn.Sequential(nn.Linear(10, 2, bias=False), nn.Linear(2, 10))
    assert operations(ElementwiseField(low_rank, nn.Tanh())) == 4 * 10 * 2 + 10
    convolution = ElementwiseField(FlatConvolution((2, 4, 4)), nn.Tanh())
    assert operations(convolution) == 2 * (2 * 2 * 9) * 16 + 2 * 16
    with pytest.raises(InvalidArgument, match="Identity"):
        operations(ElementwiseField(nn.Identity(), nn.Tanh()))


@pytest.mark.parametrize("activation", [nn.Softmax(dim=-1), nn.LayerNorm(7), nn.GLU(), nn.BatchNorm1d(7)])
def test_an_activation_that_mixes_units_is_refused(activation):
    with pytest.raises(InvalidArgument, match="element by element"):
        ElementwiseField(nn.Linear(7, 7), activation)


@pytest.mark.parametrize("activation", [nn.Tanh(), nn.ReLU(), nn.SiLU(), torch.sin])
def test_one_that_does_not_is_taken(activation):
    assert ElementwiseField(nn.Linear(7, 7), activation)(torch.randn(2, 7)).shape == (2, 7)


def test_inputs_of_another_shape_are_refused():
    data, u = torch.randn(4, 3).double(), torch.randn(4, 3, 5).double()
    with pytest.raises(InvalidArgument, match=r"\(batch, segment, 2\)"):
        block(inputs=2)(data, u)
    with pytest.raises(InvalidArgument, match="no map"):
        block()(data, u)
    with pytest.raises(InvalidArgument, match="bias"):
        ElementwiseField(nn.Linear(2, 2), nn.Tanh(), inputs=nn.Linear(2, 2))
