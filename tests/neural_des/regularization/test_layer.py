"""The layer: regularised in training mode alone, and then with the states of the plain solve."""

import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.neural_des.ode import MLPField, NeuralODE
from limitlab.neural_des.regularization.layer import RegularizedODE
from limitlab.neural_des.regularization.local import Local
from limitlab.neural_des.regularization.penalties import Global, Steer
from limitlab.neural_des.regularization.taylor import Taylor

KINDS = [Global(), Local("unbiased"), Local("biased", "initial"), Steer(), Taylor(2)]


def network():
    return NeuralODE(MLPField(2, width=8, seed=1).double(), rtol=1e-5, atol=1e-5, shared_steps=True)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind).__name__)
def test_evaluation_is_the_plain_model_to_the_bit(kind):
    y0, plain = torch.randn(4, 2, generator=torch.Generator().manual_seed(0)).double(), network()
    layer = RegularizedODE(network(), kind)
    layer(y0)
    trained = int(layer.calls)
    layer.eval()
    assert torch.equal(layer(y0), plain(y0))
    assert torch.equal(layer.ode.last.evaluations.function, plain.last.evaluations.function)
    times = torch.linspace(0, 1, 3)
    assert torch.equal(layer(y0, times), plain.solve(y0, times).y)
    # evaluation is not counted
    assert int(layer.calls) == trained


def test_calls_add_up_over_training_solves():
    layer, y0 = RegularizedODE(network(), Global()), torch.ones(3, 2).double()
    for _ in range(2):
        layer(y0)
    assert int(layer.calls) == 2 * int(layer.last.evaluations[0])
    assert "calls" in layer.state_dict()


def test_what_is_no_neural_ode_is_refused_and_there_is_no_solve_before_the_first():
    with pytest.raises(InvalidArgument, match="must be a NeuralODE"):
        RegularizedODE(torch.nn.Linear(2, 2))
    with pytest.raises(InvalidArgument, match="not called in training mode yet"):
        RegularizedODE(network()).last  # noqa: B018
