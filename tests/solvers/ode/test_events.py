"""Events: where they are found, what ends there, and the gradient of the moment."""

import math

import pytest
import torch
from solvers.toys import DOUBLE, rotation

from limitlab.errors import InvalidArgument
from limitlab.solvers import Event, solve_ode


def test_events_are_found_on_the_dense_output():
    y0 = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=DOUBLE)
    position = lambda t, y: y[:, 0]  # noqa: E731
    solution = solve_ode(
        rotation, y0, [0.0, 12.0], rtol=1e-10, atol=1e-10, events=[Event(position), Event(position, direction="up")]
    )
    assert solution.events[0].time[0, :4].tolist() == pytest.approx([(k + 0.5) * math.pi for k in range(4)], abs=1e-8)
    assert solution.events[1].time[0, 0] == pytest.approx(1.5 * math.pi, abs=1e-8)
    assert solution.events[0].time[1, :3].tolist() == pytest.approx([math.pi, 2 * math.pi, 3 * math.pi], abs=1e-8)
    assert float(solution.events[0].state[0, 0, 0].abs()) < 1e-9


def test_a_terminal_event_ends_its_sample_only_and_has_the_right_gradient():
    def falling(t, y):
        return torch.stack([y[:, 1], -9.81 + 0 * y[:, 0]], 1)

    y0 = torch.tensor([[1.0, 0.0], [2.0, 0.0], [50.0, 0.0]], dtype=DOUBLE, requires_grad=True)
    times = torch.linspace(0, 2, 21, dtype=DOUBLE)
    solution = solve_ode(falling, y0, times, events=[Event(lambda t, y: y[:, 0], terminal=True)])
    landing = solution.events[0].time
    assert landing[:2, 0].tolist() == pytest.approx([math.sqrt(2 * h / 9.81) for h in (1, 2)], abs=1e-9)
    assert bool(landing[2].isnan().all())
    assert bool(solution.y[0, times > landing[0, 0].item()].isnan().all())
    assert bool(solution.y[2].isfinite().all())
    (gradient,) = torch.autograd.grad(landing[0, 0], y0)
    assert float(gradient[0, 0]) == pytest.approx(1 / math.sqrt(2 * 9.81), rel=1e-6)


def test_one_event_or_its_function_is_a_list_of_one():
    y0 = torch.ones(2, 1, dtype=torch.float64)
    half = lambda t, y: y[:, 0] - 0.5  # noqa: E731
    for events in (half, [half], Event(half), [Event(half)]):
        time = solve_ode(lambda t, y: -y, y0, [0.0, 2.0], events=events).events[0].time
        assert (time - math.log(2)).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([lambda t, y: y - 0.5], r"events\[0\] must return numbers \(2,\), one a sample.* got \(2, 3\)"),
        ([lambda t, y: y[:, 0] < 0.5], r"events\[0\] must return numbers .* got \(2,\) torch.bool"),
        ([lambda t, y: 0.5], r"events\[0\] must return numbers .* got float"),
        (["half"], r"events must hold solvers.Event or functions .* got 'half'"),
    ],
)
def test_events_that_are_none_are_refused(events, message):
    with pytest.raises(InvalidArgument, match=message):
        solve_ode(lambda t, y: -y, torch.ones(2, 3, dtype=torch.float64), [0.0, 1.0], events=events)
