"""Networks of drift and diffusion: bounds, and components that do not see each other."""

import pytest
import torch

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.neural_des.sde import ComponentwiseField, TimeField


@pytest.mark.parametrize(("end", "low", "high"), [("tanh", -1, 1), ("sigmoid", 0, 1)])
def test_ends_bound_the_values(end, low, high):
    values = TimeField(3, (3, 2), end=end)(torch.full((50, 1), 7.0), 1e3 * torch.randn(50, 3))
    assert values.shape == (50, 3, 2)
    assert values.min() >= low
    assert values.max() <= high


def test_time_is_an_input_of_one_number_or_one_a_sample():
    field, z = TimeField(2, (2,)), torch.randn(4, 2)
    assert torch.equal(field(torch.zeros(1, 1), z), field(torch.zeros(4, 1), z))
    assert not torch.allclose(field(torch.ones(4, 1), z), field(torch.zeros(4, 1), z))


def test_each_component_of_the_noise_sees_itself_alone():
    field, z = ComponentwiseField(4, low=0.05, high=0.7).double(), torch.randn(6, 4, dtype=torch.float64)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda one: field(None, one[None])[0]))(z)
    off = jacobian - torch.diag_embed(jacobian.diagonal(dim1=1, dim2=2))
    assert off.abs().max() == 0
    assert jacobian.diagonal(dim1=1, dim2=2).abs().min() > 0
    values = field(None, 100 * z)
    assert values.min() >= 0.05
    assert values.max() <= 0.7


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: TimeField(2, (2,), activation="lipswich"), UnknownName, "lipswish"),
        (lambda: TimeField(2, (2,), end="relu"), UnknownName, "end"),
        (lambda: TimeField(2, ()), InvalidArgument, "outputs must be a shape"),
        (lambda: TimeField(0, (2,)), InvalidArgument, "inputs"),
        (lambda: ComponentwiseField(2, low=0.0), InvalidArgument, "low must be positive"),
    ],
)
def test_bad_networks_get_one_clear_error(make, error, message):
    with pytest.raises(error, match=message):
        make()
