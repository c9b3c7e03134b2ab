"""Room to pass: a plain flow on a line keeps the order of its points, an augmented one turns it round."""

import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.neural_des.ode import AugmentedODE, LearnedLift, MLPField, ZeroLift


@pytest.fixture
def line():
    return torch.randn(40, 1, generator=torch.Generator().manual_seed(0)).sort(0).values


def trained(state, x, steps):
    """Loss of the map to -x after so many steps, with a state of that size."""
    field = MLPField(state, width=16, depth=1, activation="tanh", bounded=False, seed=1)
    model = AugmentedODE(field, state - 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (model(x)[:, :1] + x).square().mean()
        loss.backward()
        optimizer.step()
    return float(loss.detach())


def test_a_plain_flow_on_a_line_is_increasing_whatever_its_weights(line):
    for seed in range(5):
        field = MLPField(1, width=16, seed=seed, with_time=True)
        with torch.no_grad():
            field.scale.fill_(4.0)
        assert (AugmentedODE(field, rtol=1e-6)(line).diff(dim=0) > 0).all()


def test_the_map_to_minus_x_stays_at_the_isotonic_bound_without_augmentation_and_far_below_with_one(line):
    """An increasing map fits -x at best by the mean: isotonic regression of decreasing targets."""
    variance = float(line.var(correction=0))
    plain = trained(1, line, 45)
    augmented = trained(2, line, 45)
    assert plain >= 0.999 * variance
    assert augmented < 0.02 * variance


def test_both_lifts_keep_x_in_front(line):
    for lift in (ZeroLift(3), LearnedLift(1, 3, seed=2)):
        lifted = lift(line)
        assert lifted.shape == (40, 4)
        assert lifted[:, :1].equal(line)
    assert not ZeroLift(3)(line)[:, 1:].any()


def test_a_learned_lift_gets_a_gradient(line):
    model = AugmentedODE(MLPField(3, width=8), lift=LearnedLift(1, 2, width=8))
    model(line).square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.lift.parameters())


def test_its_solution_starts_at_the_lift_and_ends_at_the_output(line):
    model = AugmentedODE(MLPField(3, width=8), 2)
    solution = model.solve(line, [0.0, 0.5, 1.0])
    assert solution.y[:, 0].equal(ZeroLift(2)(line))
    # both solves are within the tolerance of the flow
    assert torch.allclose(solution.y[:, -1], model(line), atol=1e-4)
    assert model.last.y.shape == (40, 2, 3)


def test_extra_beside_a_lift_is_refused():
    with pytest.raises(InvalidArgument, match="give one of extra"):
        AugmentedODE(MLPField(3), 1, lift=ZeroLift(2))
