"""The last solution of a model: refused before there is one, then that of the last call."""

import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.neural_des.cde import NeuralCDE
from limitlab.neural_des.ode import NeuralODE
from limitlab.neural_des.sde import NeuralSDE
from limitlab.neural_des.solved import Solved

MODELS = {
    "ode": (lambda: NeuralODE(lambda t, y: -y), (torch.ones(2, 1),)),
    "cde": (lambda: NeuralCDE(1, 1), (torch.arange(3.0), torch.ones(2, 3, 1))),
    "sde": (
        lambda: NeuralSDE(lambda t, z: -z, lambda t, z: torch.ones_like(z), step_size=0.5),
        (torch.ones(2, 1), [0.0, 1.0], 0),
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_it_is_that_of_the_last_call(name):
    make, arguments = MODELS[name]
    model = make()
    assert isinstance(model, Solved)
    with pytest.raises(InvalidArgument, match="not called yet: there is no last solution"):
        model.last  # noqa: B018
    model(*arguments)
    first = model.last
    model(*arguments)
    assert model.last is not first
    assert make()._last is None
