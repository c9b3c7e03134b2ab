"""A vector field of a reader's own is trained and tested as the plain neural ODE is, or refused in words."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from limitlab.errors import InvalidArgument
from limitlab.experiments.neural_des.classes._flow_models import CLASSES, Sizes
from limitlab_widgets import NeuralDEState, NeuralDEStudio
from limitlab_widgets.neural_de.code import neural_de_code


class Linear(nn.Module):
    """y' = A y."""

    def __init__(self, size):
        super().__init__()
        self.matrix = nn.Linear(size, size, bias=False)

    def forward(self, t, y):
        return self.matrix(y)


class Wide(Linear):
    def forward(self, t, y):
        return torch.cat([y, y], -1)


class Frozen(nn.Module):
    def forward(self, t, y):
        return -y


@pytest.fixture
def opened(closed_at_end):
    return lambda *arguments, **options: closed_at_end(NeuralDEState(*arguments, size="smoke", **options))


def train(state):
    state.training.train()
    assert state.training.wait(120)
    assert state.probe.wait(60)
    return state


def test_the_field_of_the_plain_class_given_as_an_own_one_has_the_numbers_of_that_class(opened):
    def plain(size):
        return CLASSES["ode"].field(Sizes(size, 1, 8, 1), 0)

    state = train(opened("annuli", "mine", models={"mine": plain}, steps=4, width=8, depth=1))
    assert state.training.error == ""
    state.kind = "ode"
    train(state)
    own, ode = (state.trained[name] for name in ("mine", "ode"))
    for metric in ("accuracy", "field_calls"):
        assert own.metrics[metric].item() == ode.metrics[metric].item()
    np.testing.assert_array_equal(own.moments[-1].look["y"], ode.moments[-1].look["y"])


@pytest.mark.parametrize("data", ["pendulum", "annuli", "damped_oscillators"])
def test_an_own_field_is_trained_on_points_trajectories_and_series_and_its_code_gives_it_again(opened, data):
    state = train(opened(data, "mine", models={"mine": Linear}, steps=3, width=4))
    assert state.training.error == ""
    assert list(state.trained) == ["mine"]
    model = state.trained["mine"].model
    assert isinstance(model.flow.ode.field, Linear)
    namespace = {"mine": Linear}
    exec(neural_de_code(state, len(state.moments) - 1, 0), namespace)
    np.testing.assert_allclose(namespace["look"]["y"], state.moments[-1].look["y"], rtol=1e-4, atol=1e-5)


def test_a_module_is_copied_so_that_every_training_begins_where_it_stands(opened):
    field = Linear(2)
    before = field.matrix.weight.clone()
    train(opened("pendulum", "mine", models={"mine": field}, steps=3))
    assert torch.equal(field.matrix.weight, before)


@pytest.mark.parametrize(
    ("models", "reason"),
    [
        ({"mine": Wide}, r"slope of shape \(batch, 2\).*got \(3, 4\)"),
        ({"mine": nn.Sequential(nn.Linear(2, 2))}, "must take t"),
        ({"mine": lambda size: Linear(size + 1)}, "must take t"),
        ({"mine": lambda size: size}, "must make a torch.nn.Module"),
        ({"mine": Frozen()}, "no parameters"),
    ],
    ids=["wide", "of_y_alone", "size", "no_module", "frozen"],
)
def test_what_is_no_field_of_the_state_is_refused_before_it_is_trained(opened, models, reason):
    state = train(opened("pendulum", "mine", models=models, steps=3))
    assert state.trained == {}
    assert re.search(reason, state.training.error), state.training.error


@pytest.mark.parametrize("models", [{"ode": Linear}, {"mine": 3.0}])
def test_a_name_of_the_studio_and_what_is_no_module_are_refused_at_once(models):
    with pytest.raises(InvalidArgument, match=r"class of the studio|torch module"):
        NeuralDEState("annuli", models=models)


def test_own_fields_are_picked_beside_the_classes_on_any_data(closed_at_end):
    studio = closed_at_end(NeuralDEStudio("spirals", size="smoke", models={"mine": Linear}))
    assert studio.kind.chooser.options[-1] == ("mine, a field of yours", "mine")
    studio.kind.chooser.value = "mine"
    assert studio.state.kind == "mine"
    assert "f(z)" in studio.kind.equation.value
    assert studio.summary()[1] == "mine, a field of yours"
    studio.source.chooser.value = "annuli"
    assert studio.state.kind == "mine"
