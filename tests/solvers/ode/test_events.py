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


def cubic(t, y):
    """y = (t + 6) (t + 2) (t - 2), from y(-8) = -120."""
    return (3 * t**2 + 12 * t - 4) * torch.ones_like(y)


def test_all_crossings_of_one_long_step_are_found_in_order():
    y0 = torch.full((1, 1), -120.0, dtype=DOUBLE)
    height = lambda t, y: y[:, 0]  # noqa: E731
    events = [Event(height), Event(height, direction="down"), Event(height, terminal=True)]
    both, down = solve_ode(cubic, y0, [-8.0, 4.0], rtol=1e-3, atol=1e-6, events=events[:2]).events
    assert both.time[0].tolist() == pytest.approx([-6, -2, 2], abs=1e-9)
    assert both.state.abs().max() < 1e-9
    assert down.time[0].tolist() == pytest.approx([-2], abs=1e-9)
    ended = solve_ode(cubic, y0, [-8.0, -5.0, 4.0], rtol=1e-3, atol=1e-6, first_step=12.0, events=events[2])
    assert ended.events[0].time[0].tolist() == pytest.approx([-6], abs=1e-9)
    assert bool(ended.y[0, 1:].isnan().all())


def test_backwards_in_time_crossings_come_in_the_order_of_the_solve():
    y0 = torch.full((1, 1), 120.0, dtype=DOUBLE)  # (4 + 6) (4 + 2) (4 - 2)
    up = Event(lambda t, y: y[:, 0], direction="up")
    both, rising = solve_ode(cubic, y0, [4.0, -8.0], rtol=1e-3, atol=1e-6, events=[Event(up.function), up]).events
    assert both.time[0].tolist() == pytest.approx([2, -2, -6], abs=1e-9)
    assert rising.time[0].tolist() == pytest.approx([-2], abs=1e-9)


@pytest.mark.parametrize("method", ["tsit5", "dopri8", "rodas5", "kvaerno5", "auto"])
def test_an_event_that_touches_twice_in_a_step_is_seen_by_every_method(method):
    """cos t = 0.99 some 0.14 before and after each multiple of 2 pi; steps are about ten times as long."""
    y0 = torch.tensor([[0.0, -1.0]], dtype=DOUBLE)  # cos(t + pi / 2)
    crest = lambda t, y: y[:, 0] - 0.99  # noqa: E731
    log = solve_ode(rotation, y0, [0.0, 18.0], method=method, rtol=1e-5, atol=1e-8, events=crest).events[0]
    width = math.acos(0.99)
    expected = [(2 * k + 1.5) * math.pi + side for k in range(3) for side in (-width, width)]
    assert log.time[0].tolist() == pytest.approx([time for time in expected if time < 18], abs=1e-2)


def test_a_zero_at_the_start_is_no_crossing_until_the_event_comes_back():
    y0 = torch.tensor([[0.0, 1.0]], dtype=DOUBLE)
    ground = Event(lambda t, y: y[:, 0], terminal=True)
    time = solve_ode(rotation, y0, [0.0, 9.0], rtol=1e-9, atol=1e-9, events=ground).events[0].time
    assert time.tolist() == [pytest.approx([math.pi], abs=1e-7)]
    # a throw that comes back within its first step
    fall = lambda t, y: torch.stack([y[:, 1], torch.full_like(t[:, 0], -10.0)], 1)  # noqa: E731
    back = solve_ode(fall, y0, [0.0, 1.0], first_step=1.0, events=ground).events[0].time
    assert back.tolist() == [pytest.approx([0.2], abs=1e-12)]
    nothing = solve_ode(lambda t, y: y, torch.ones(2, 3, dtype=DOUBLE), [0.0, 1.0], events=lambda t, y: y[:, 0])
    assert (nothing.events[0].time.shape, nothing.events[0].state.shape) == ((2, 0), (2, 0, 3))


def test_events_of_a_sample_do_not_depend_on_its_batch():
    y0 = torch.tensor([[1.0, 0.0], [0.3, 2.0], [0.0, -1.0]], dtype=DOUBLE)
    events = [lambda t, y: y[:, 0] * y[:, 1], lambda t, y: torch.sin(3 * t[:, 0]) - y[:, 0]]
    together = solve_ode(rotation, y0, [0.0, 9.0], rtol=1e-4, events=events).events
    for sample in range(3):
        alone = solve_ode(rotation, y0[sample : sample + 1], [0.0, 9.0], rtol=1e-4, events=events).events
        for log, other in zip(together, alone, strict=True):
            times = log.time[sample]
            assert torch.equal(times[times.isfinite()], other.time[0])


def moment(parameter, event, **options):
    y0 = torch.tensor([[1.0, 0.0]], dtype=DOUBLE)
    crossing = Event(lambda t, y: event(t, y, parameter))
    return solve_ode(rotation, y0, [0.0, 7.0], rtol=1e-11, atol=1e-12, events=crossing, **options).events[0]


@pytest.mark.parametrize(
    "event",
    [
        lambda t, y, p: y[:, 0] - p,
        lambda t, y, p: y[:, 0] - p * torch.sin(t[:, 0]),
        lambda t, y, p: (y * torch.stack([p, p**2])).sum(1) + 0.2,
        # a parameter that is used late only
        lambda t, y, p: y[:, 0] - torch.where(t[:, 0] > 1, p * t[:, 0], 0.1),
    ],
)
def test_gradient_of_an_event_in_its_own_parameter_is_that_of_differences(event):
    parameter = torch.tensor(0.3, dtype=DOUBLE, requires_grad=True)
    log = moment(parameter, event)
    for quantity in (lambda log: log.time.sum(), lambda log: log.state.square()[..., 0].sum()):
        (gradient,) = torch.autograd.grad(quantity(log), parameter, retain_graph=True)
        with torch.no_grad():
            ahead, behind = (quantity(moment(parameter + side * 1e-4, event)) for side in (1, -1))
        assert float(gradient) == pytest.approx(float(ahead - behind) / 2e-4, rel=1e-5, abs=1e-8)


def test_gradient_of_an_event_in_its_parameter_and_the_fields():
    def time(frequency, level):
        turn = lambda t, y: frequency * torch.stack([y[:, 1], -y[:, 0]], 1)  # noqa: E731
        y0 = torch.tensor([[1.0, 0.0]], dtype=DOUBLE)
        return solve_ode(turn, y0, [0.0, 1.5], rtol=1e-11, events=lambda t, y: y[:, 0] - level).events[0].time.sum()

    both = [torch.tensor(value, dtype=DOUBLE, requires_grad=True) for value in (1.3, 0.4)]
    gradient = torch.autograd.grad(time(*both), both)
    # cos(w t) = p
    assert float(gradient[0]) == pytest.approx(-math.acos(0.4) / 1.3**2, rel=1e-7)
    assert float(gradient[1]) == pytest.approx(-1 / 1.3 / math.sqrt(1 - 0.4**2), rel=1e-7)


def test_gradient_of_an_events_time_keeps_the_precision_of_float32():
    y0 = torch.tensor([[1.0, 0.0]], requires_grad=True)
    time = solve_ode(rotation, y0, [0.0, 3.0], rtol=1e-5, events=lambda t, y: y[:, 0]).events[0].time
    # cos t + v sin t = 0 at t = pi / 2 + v
    assert torch.autograd.grad(time.sum(), y0)[0][0].tolist() == pytest.approx([0.0, 1.0], abs=1e-4)


@pytest.mark.parametrize("gradient", ["checkpoint", "adjoint", "reversible"])
def test_other_gradients_refuse_an_event_with_parameters_and_take_one_without(gradient):
    parameter = torch.tensor(0.3, dtype=DOUBLE, requires_grad=True)
    with pytest.raises(InvalidArgument, match=f"events that hold parameters .* 'direct' alone; got '{gradient}'"):
        moment(parameter, lambda t, y, p: y[:, 0] - p, gradient=gradient)
    assert moment(parameter.detach(), lambda t, y, p: y[:, 0] - p, gradient=gradient).time.shape == (1, 2)


def test_calls_for_the_events_are_counted():
    calls = []

    def counted(t, y):
        calls.append(1)
        return rotation(t, y)

    y0 = torch.tensor([[1.0, 0.0]], dtype=DOUBLE)
    for method in ("tsit5", "dopri8"):
        calls.clear()
        ground = Event(lambda t, y: y[:, 0], terminal=True)
        solution = solve_ode(counted, y0, [0.0, 4.0], method=method, events=ground)
        assert int(solution.evaluations.function) == len(calls)
