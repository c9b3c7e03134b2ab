"""A matrix of expressions: its values, and the same entries and derivatives as operations for other back ends."""

import torch

from limitlab import problems
from limitlab.problems.compiled.operations import OPERATIONS

TEXT = "dX = -X*dt + 0.2*X*Y*dW1 + sigma*dW2; dY = X*dt + exp(-X)*dW1"
POINT = torch.tensor([[0.3, 1.2], [0.7, -0.4]], dtype=torch.float64)
TIME = torch.zeros(2, 1, dtype=torch.float64)
FIELD = problems.parse(TEXT, {"sigma": 0.1}).diffusion()


def evaluated(listed, *inputs):
    """The expressions of a listing by torch's operations."""
    listing = listed.listing
    registers = dict(enumerate(inputs)) | dict(listing.numbers) | dict(zip(listing.given, listed.given, strict=True))
    for name, fixed, sources, target in listing.body:
        function = OPERATIONS[name](*(registers[register] for register in fixed))
        registers[target] = function(*(registers[register] for register in sources))
    values = [torch.as_tensor(registers[register], dtype=torch.float64) for register in listing.outputs]
    return torch.stack([value.expand(len(POINT)) for value in values], 1)


def test_values_stand_row_by_row():
    x, y = POINT.unbind(1)
    expected = torch.stack([0.2 * x * y, torch.full_like(x, 0.1), torch.exp(-x), torch.zeros_like(x)], 1)
    torch.testing.assert_close(FIELD(TIME, POINT), expected.view(2, 2, 2))
    torch.testing.assert_close(evaluated(FIELD.listed, TIME[:, 0], x, y), expected)


def test_derivatives_in_the_states_come_entry_by_entry_and_those_in_time_last():
    x, y = POINT.unbind(1)
    derivatives = evaluated(FIELD.linearized, TIME[:, 0], x, y)
    expected = torch.stack([torch.func.jacrev(lambda at: FIELD(TIME[:1], at[None])[0])(point) for point in POINT])
    torch.testing.assert_close(derivatives[:, :8], expected.flatten(1))
    assert not derivatives[:, 8:].any()
