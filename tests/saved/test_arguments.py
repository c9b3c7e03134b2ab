"""Arguments of every kind come back from their JSON equal, and of their kind."""

import json
import math
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

import limitlab as ll
from limitlab.errors import InvalidArgument
from limitlab.saved.arguments import Reader, Writer, bound


def again(value):
    """The value, by way of the text of its JSON."""
    writer = Writer()
    spelled = json.loads(json.dumps(writer.write(value, "value"), allow_nan=False))
    return Reader(writer.tensors).read(spelled, "value")


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        0.1,
        -math.inf,
        "class",
        [1, [2.5, None]],
        (1, ("a", [2])),
        {"class": 1, "tuple": (2,), 3: "a key that is no text"},
        torch.bfloat16,
        ll.spaces.Grid.uniform((5, 4), lengths=(2.0, 1.0), kind="nodes"),
        ll.operators.Kernels(rank=4, periodic=True),
        ll.neural_des.cde.Control("rectilinear", intensity=3.0),
        ll.discovery.pinn.Derivative("u", ("x", "x")),
        ll.infinite_width.mlp(2, "relu", 2.0, 0.1).layers[0],
        ll.problems.parse("u_t = -u*u_x + nu*u_xx", parameters={"nu": 0.1}),
    ],
    ids=lambda value: f"{type(value).__name__} {value!s:.20}",
)
def test_a_value_comes_back_equal_and_of_its_kind(value):
    assert again(value) == value
    assert type(again(value)) is type(value)


@pytest.mark.parametrize("problem", ll.problems.catalogue(), ids=lambda problem: problem.name)
def test_every_problem_comes_back_with_its_parameters(problem):
    for parameter in problem.parameters[:1]:
        problem = problem.with_parameters(**{parameter.name: parameter.high})
    assert again(problem) == problem


def test_numbers_of_numpy_become_python_s():
    assert again({"a": np.float64(0.5), "b": np.int32(2), "c": np.bool_(True)}) == {"a": 0.5, "b": 2, "c": True}


def test_nothing_is_lost_of_a_number():
    assert math.isnan(again(math.nan))
    assert again(1 / 3) == 1 / 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex128, torch.int64])
def test_a_tensor_is_stored_aside(dtype):
    value = torch.randn(2, 3).to(dtype)
    assert torch.equal(again([value])[0], value)
    assert again([value])[0].dtype == dtype


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(3, 2, bias=False),
        nn.Conv2d(2, 4, (3, 5), stride=2, padding=1, dilation=2, groups=2, padding_mode="circular"),
        nn.Sequential(nn.Linear(3, 3), nn.LeakyReLU(0.3), nn.LayerNorm(3, elementwise_affine=False)),
        nn.Sequential(OrderedDict(h1=nn.Linear(3, 4), x1=nn.ReLU(), output=nn.Linear(4, 2))),
        nn.GroupNorm(2, 4, eps=1e-3),
        nn.Softplus(beta=2.0),
        nn.GELU("tanh"),
        nn.Dropout(0.25),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_layer_of_torch_comes_back_by_its_attributes(layer):
    assert repr(again(layer)) == repr(layer)
    assert again(layer).state_dict().keys() == layer.state_dict().keys()


def test_an_activation_comes_back_with_its_options():
    soft = again(ll.infinite_width.activation("leaky_relu", slope=1 / 3))
    assert soft.function(torch.tensor(-1.0)).item() == pytest.approx(-1 / 3)


@pytest.mark.parametrize("value", [print, lambda u: u, {1, 2}, object(), 1j, b"bytes", nn.Bilinear(1, 1, 1), [print]])
def test_what_has_no_form_is_refused_by_its_place(value):
    with pytest.raises(InvalidArgument, match=r"field of Thing is a .*ll.saved.Saved"):
        Writer().arguments({"field": value}, "Thing")


def test_arguments_are_bound_by_name_with_defaults():
    def make(a, b=2, *rest, c=3, **options):
        """Any constructor."""

    assert bound(make, (1,), {"rtol": 0.1}) == {"a": 1, "b": 2, "c": 3, "rtol": 0.1}
