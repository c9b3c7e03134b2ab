"""Linear maps with activations: their order, their ends, and slopes of at most one."""

import pytest
import torch

from limitlab.errors import UnknownName
from limitlab.layers.perceptron import ACTIVATIONS, ENDS, LipSwish, perceptron


def test_lipswish_has_slopes_of_at_most_one_and_nearly_reaches_it():
    x = torch.linspace(-20, 20, 100_001, dtype=torch.float64, requires_grad=True)
    slopes = torch.autograd.grad(LipSwish()(x).sum(), x)[0]
    assert 0.999 < slopes.max() <= 1
    assert slopes.min() > -0.1


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("end", ENDS)
def test_maps_and_activations_take_turns(activation, end):
    network, x = perceptron([3, 5, 4, 2], activation, end), torch.randn(7, 3)
    kind, last = ACTIVATIONS[activation](), ENDS[end]()
    first, second, third = (layer for layer in network if isinstance(layer, torch.nn.Linear))
    assert torch.equal(network(x), last(third(kind(second(kind(first(x)))))))


def test_without_a_hidden_layer_it_is_one_map():
    assert [type(layer).__name__ for layer in perceptron([3, 2], "tanh")] == ["Linear", "Identity"]


@pytest.mark.parametrize(("activation", "end", "words"), [("tan", "none", "tanh"), ("tanh", "sigmoids", "sigmoid")])
def test_unknown_names_get_the_nearest_one(activation, end, words):
    with pytest.raises(UnknownName, match=words):
        perceptron([1, 1], activation, end)
