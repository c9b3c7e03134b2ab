"""Numbers as callers have them."""

import numpy as np
import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.numbers import array_of, tensor_of

RAMP = np.linspace(0.0, 1.0, 5)


@pytest.mark.parametrize(
    "array",
    [RAMP[::-1], RAMP[::-2], RAMP.astype(">f8"), np.broadcast_to(RAMP, (2, 5)), np.outer(RAMP, RAMP)[:, ::-1], RAMP[1]],
    ids=["reversed", "every other backwards", "other byte order", "not to be written", "reversed columns", "a number"],
)
@pytest.mark.filterwarnings("error")
def test_arrays_of_any_layout_are_read(array):
    assert np.array_equal(tensor_of("t", array).numpy(), array)
    assert tensor_of("t", array, dtype=torch.float32).dtype == torch.float32


def test_what_torch_can_share_is_shared():
    ramp = RAMP.copy()
    assert tensor_of("t", ramp).data_ptr() == ramp.ctypes.data
    tensor = torch.ones(3)
    assert tensor_of("t", tensor) is tensor


@pytest.mark.parametrize(
    "values", ["noon", [0.0, "noon"], None, [[0.0], [1.0, 2.0]], np.array(["2020-01-01"], "M8[D]")]
)
def test_what_is_no_number_is_refused_by_name(values):
    with pytest.raises(InvalidArgument, match="t must be numbers; got"):
        tensor_of("t", values)


@pytest.mark.parametrize(
    "values",
    [RAMP.copy(), RAMP.tolist(), torch.tensor(RAMP), torch.tensor(RAMP, requires_grad=True)],
    ids=["array", "list", "tensor", "tensor with a gradient"],
)
@pytest.mark.filterwarnings("error")
def test_arrays_are_of_double_precision_and_the_callers_stay_theirs(values):
    array = array_of("t", values)
    assert array.dtype == np.float64
    array += 1
    assert np.array_equal(array_of("t", values), RAMP)
    assert np.array_equal(array, RAMP + 1)


@pytest.mark.parametrize("values", ["noon", [0.0, "noon"], [[0.0], [1.0, 2.0]]])
def test_what_makes_no_array_is_refused_by_name(values):
    with pytest.raises(InvalidArgument, match="t must be numbers; got"):
        array_of("t", values)
