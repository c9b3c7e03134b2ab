"""Fields that learn: their shapes, their bound, their seed."""

import pytest
import torch

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.neural_des.ode import MLPField, NeuralODE
from limitlab.solvers import solve_ode


def test_a_bounded_field_is_never_faster_than_its_scale():
    field = MLPField(3, width=8, seed=1)
    with torch.no_grad():
        field.scale.fill_(0.5)
    assert field(torch.zeros(64, 1), 100 * torch.randn(64, 3)).abs().max() <= 0.5
    assert MLPField(3, width=8, bounded=False)(torch.zeros(64, 1), 1e3 * torch.randn(64, 3)).abs().max() > 1


def test_time_is_an_input_only_where_it_is_asked_for():
    y = torch.randn(5, 2)
    for with_time in (False, True):
        field = MLPField(2, width=4, with_time=with_time)
        early, late = (field(torch.full((5, 1), time), y) for time in (0.0, 1.0))
        assert early.equal(late) is not with_time


def test_the_seed_alone_decides_the_weights_and_leaves_torch_s_generator_as_it_was():
    state = torch.random.get_rng_state()
    first, second, other = MLPField(2, seed=3), MLPField(2, seed=3), MLPField(2, seed=4)
    assert torch.random.get_rng_state().equal(state)
    assert all(a.equal(b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not first.layers[0].weight.equal(other.layers[0].weight)


def test_an_unknown_activation_is_named():
    with pytest.raises(UnknownName, match="tanh"):
        MLPField(2, activation="tan")


def test_a_state_of_another_size_is_refused_by_name():
    with pytest.raises(InvalidArgument, match=r"states \(batch, 3\); got \(4, 2\)"):
        NeuralODE(MLPField(3, width=4))(torch.zeros(4, 2))


def test_kinks_cost_steps():
    """The pitfall of ReLU: at the same tolerance its field takes several times the calls of a smooth one."""
    y0, calls = torch.randn(16, 4, generator=torch.Generator().manual_seed(0)).double(), {}
    for activation in ("softplus", "relu"):
        field = MLPField(4, 32, activation=activation, seed=2).double()
        with torch.no_grad():
            field.scale.fill_(5.0)
            solution = solve_ode(field, y0, [0.0, 3.0], rtol=1e-8, atol=1e-8)
        calls[activation] = float(solution.evaluations.function.double().mean())
    assert calls["relu"] > 3 * calls["softplus"]
