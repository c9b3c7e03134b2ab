"""Times of their own: both forms of one solve, against solves one by one."""

import pytest
import torch

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.neural_des.latent import solve_at
from limitlab.neural_des.latent.times import since_first
from limitlab.neural_des.ode import MLPField
from limitlab.solvers import solve_ode

FINE = {"rtol": 1e-9, "atol": 1e-9}


@pytest.fixture
def field():
    return MLPField(3, width=8, with_time=True, seed=1).double()


@pytest.fixture
def times():
    gaps = 0.1 + torch.rand(4, 6, generator=torch.Generator().manual_seed(0)).double()
    return torch.nn.functional.pad(gaps.cumsum(1), (1, 0))


@pytest.mark.parametrize("by", ["scaled", "union"])
def test_every_sample_has_the_states_of_a_solve_of_its_own(by, field, times):
    y0 = torch.randn(4, 3).double()
    states, solution = solve_at(field, y0, times, by=by, **FINE)
    for sample in range(4):
        alone = solve_ode(field, y0[sample : sample + 1], times[sample], **FINE).y[0]
        assert torch.allclose(states[sample], alone, atol=1e-7)
    assert solution.log.steps.shape == (4,)


def test_the_gradients_of_both_forms_agree(field, times):
    y0, gradients = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).double(), []
    for by in ("scaled", "union"):
        field.zero_grad()
        solve_at(field, y0, times, by=by, **FINE)[0].square().sum().backward()
        gradients.append(field.layers[0].weight.grad.clone())
    # an entry near zero is known to the size of the others
    assert torch.allclose(*gradients, rtol=0, atol=1e-6 * float(gradients[0].abs().max()))


def test_rows_that_do_not_count_make_no_solve_longer(field):
    times = torch.tensor([[2.0, 3.0, 4.0, 5.0, 6.0], [2.0, 3.0, 7.0, 9.0, 9.5]])
    clock = since_first(times, torch.tensor([2, 5]))
    assert (clock.diff(dim=1) > 0).all()
    assert clock[1].equal(times[1] - 2)
    assert clock[0, :2].equal(times[0, :2] - 2)
    assert clock[0, -1] < 1.01


def test_a_union_begins_at_one_time_and_forms_are_named():
    y0, times = torch.zeros(2, 1), torch.tensor([[0.0, 1.0], [0.5, 1.0]])
    with pytest.raises(InvalidArgument, match=r"sample 1 begins at 0\.5"):
        solve_at(lambda t, y: y, y0, times, by="union")
    with pytest.raises(UnknownName, match="scaled"):
        solve_at(lambda t, y: y, y0, times, by="scale")
