"""The face of ordinary equations: peers, batches, directions, states of any shape, and what is refused."""

import math

import numpy as np
import pytest
import torch
from solvers.toys import DOUBLE, lotka_volterra, rotated, rotation, turning

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.solvers import Event, method_names, solve_ode


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("method", ["tsit5", "dopri8", "bosh3"])
def test_a_sample_is_bitwise_the_same_alone_and_in_a_batch(method, dtype):
    y0 = 0.3 + 4.7 * torch.rand(256, 2, dtype=dtype, generator=torch.Generator().manual_seed(0))
    times = torch.linspace(0, 6, 13, dtype=dtype)
    together = solve_ode(lotka_volterra, y0, times, method=method, rtol=1e-4)
    for sample in (0, 100, 255):
        alone = solve_ode(lotka_volterra, y0[sample : sample + 1], times, method=method, rtol=1e-4)
        assert torch.equal(alone.y[0], together.y[sample])
        count = int(alone.log.attempted.sum())
        assert torch.equal(alone.log.size[0], together.log.size[sample, :count])
    some = solve_ode(lotka_volterra, y0[3:20], times, method=method, rtol=1e-4)
    assert torch.equal(some.y, together.y[3:20])


def test_agreement_with_torchdiffeq():
    peer = pytest.importorskip("torchdiffeq")
    y0 = torch.tensor([[0.44249296, 4.6280594]], dtype=DOUBLE)
    times = torch.linspace(0, 3, 7, dtype=DOUBLE)
    theirs = peer.odeint(lotka_volterra, y0, times, rtol=1e-9, atol=1e-11, method="dopri5").transpose(0, 1)
    ours = solve_ode(lotka_volterra, y0, times, method="dopri5", rtol=1e-9, atol=1e-11).y
    assert torch.allclose(ours, theirs, rtol=1e-7)
    assert ours[0, -1].tolist() == pytest.approx([1.60635121, 0.06760604], abs=2e-8)


def test_flow_property():
    y0 = torch.tensor([[1.0, 2.0]], dtype=DOUBLE)
    whole = solve_ode(lotka_volterra, y0, [0.0, 1.0]).y[:, -1]
    half = solve_ode(lotka_volterra, y0, [0.0, 0.4]).y[:, -1]
    assert torch.allclose(solve_ode(lotka_volterra, half, [0.4, 1.0]).y[:, -1], whole, rtol=1e-5)


def test_time_runs_backwards_too():
    y0 = torch.tensor([[1.0, 0.0]], dtype=DOUBLE)
    times = torch.linspace(5, 0, 11, dtype=DOUBLE)
    there = solve_ode(turning, y0, times.flip(0), rtol=1e-9, atol=1e-12).y
    back = solve_ode(turning, there[:, -1], times, rtol=1e-9, atol=1e-12)
    assert torch.allclose(back.y, there.flip(1), atol=1e-8)
    assert bool((back.log.size[back.log.attempted] < 0).all())
    assert float(back.log.time[0, 0]) == 5.0


def test_every_sample_may_have_times_of_its_own():
    y0 = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=DOUBLE)
    times = torch.tensor([[0.0, 1.0, 3.0], [1.0, 1.5, 1.7]], dtype=DOUBLE)
    solution = solve_ode(rotation, y0, times, rtol=1e-9, atol=1e-11)
    for sample in range(2):
        exact = rotated(y0[sample : sample + 1], times[sample] - times[sample, 0])
        assert torch.allclose(solution.y[sample : sample + 1], exact, atol=1e-8)
    fixed = solve_ode(rotation, y0, times, method="rk4", step_size=0.01)
    assert torch.allclose(fixed.y, solution.y, atol=1e-7)


def test_states_may_be_trees_and_of_any_shape():
    y0 = {"q": torch.ones(3, 2, 2, dtype=DOUBLE), "p": torch.zeros(3, 2, 2, dtype=DOUBLE)}

    def field(t, y):
        assert t.shape == (3,)
        return {"q": y["p"], "p": -y["q"]}

    solution = solve_ode(field, y0, [0.0, 1.0, 2.0], rtol=1e-9, atol=1e-11)
    assert solution.y["q"].shape == (3, 3, 2, 2)
    assert float(solution.y["p"][0, -1, 0, 0]) == pytest.approx(-math.sin(2), abs=1e-8)

    def matrix(t, y):
        assert t.shape == (3, 1, 1)
        return torch.cos(t) * y

    square = solve_ode(matrix, y0["q"], [0.0, 2.0], rtol=1e-9, atol=1e-11)
    assert float(square.y[0, -1, 1, 1]) == pytest.approx(math.exp(math.sin(2)), rel=1e-8)
    pair = solve_ode(lambda t, y: (y[1], -y[0]), (y0["q"], y0["p"]), [0.0, 1.0], method="leapfrog", step_size=0.01)
    assert float(pair.y[0][0, -1, 0, 0]) == pytest.approx(math.cos(1), abs=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "tsit"}, "did you mean 'tsit5'"),
        ({"gradient": "adjiont"}, "did you mean 'adjoint'"),
        ({"control": "pdi"}, "did you mean 'pi"),
        ({"on_failure": "masks"}, "did you mean 'mask'"),
        ({"t": [0.0, 1.0, 1.0]}, r"t must be finite and strictly increasing"),
        ({"t": [0.0, 1.0, 0.5]}, r"t must be finite and strictly increasing"),
        ({"t": [0.0]}, r"t must be \(time,\)"),
        ({"t": torch.zeros(3, 2)}, r"t must be \(time,\) or \(2, time\)"),
        ({"t": ["a", "b"]}, "t must be numbers"),
        ({"y0": torch.ones(2, 2, dtype=torch.int64)}, "y0 must be a floating tensor"),
        ({"y0": torch.tensor(1.0)}, "y0 must be"),
        ({"y0": torch.tensor([[1.0, torch.nan]])}, "y0 must be finite; sample 0"),
        ({"y0": [1.0]}, "y0 must be"),
        ({"field": lambda t, y: y[:, :1]}, r"field must return the shape of the state, \(2, 2\); got \(2, 1\)"),
        ({"field": lambda t, y: y.double()}, "field must return the dtype"),
        ({"field": lambda t, y: y * torch.nan}, "field at the initial state must be finite; sample 0"),
        ({"rtol": -1.0}, "rtol must be"),
        ({"atol": 0.0}, "atol must be"),
        ({"step_size": -0.1}, "step_size must be"),
        ({"method": "rk4"}, "step_size must be given for 'rk4'"),
        ({"max_steps": 0}, "max_steps must be"),
        ({"step_size": 0.1, "events": [Event(lambda t, y: y[:, 0])]}, "step_size takes no events"),
        ({"first_step": 0.0}, "first_step must be"),
        ({"stops": [torch.nan]}, "stops must be"),
        ({"method": "leapfrog", "step_size": 0.1, "y0": torch.ones(2, 3), "field": lambda t, y: y}, "two halves"),
    ],
)
def test_bad_input_is_refused_by_name(change, message):
    arguments = {"field": rotation, "y0": torch.ones(2, 2), "t": [0.0, 1.0], **change}
    with pytest.raises(InvalidArgument, match=message):
        solve_ode(arguments.pop("field"), arguments.pop("y0"), arguments.pop("t"), **arguments)


def test_misspelt_methods_are_unknown_names():
    with pytest.raises(UnknownName, match="did you mean 'dopri5'"):
        solve_ode(rotation, torch.ones(1, 2), [0.0, 1.0], method="dopri55")
    assert {"tsit5", "leapfrog", "reversible_heun"} <= set(method_names())


def test_a_solve_runs_on_another_device():
    """Fake CUDA: no GPU is needed to see that nothing is made on the CPU and mixed in."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        y = torch.empty(4, 2, device="cuda")
        from limitlab.solvers.methods.catalogue import method_named

        h = torch.empty(4, 1, device="cuda", dtype=DOUBLE)
        for name in ("tsit5", "dopri8", "reversible_heun", "yoshida4"):
            method = method_named(name)
            carry = method.begin(rotation, h, y, rotation(h, y))
            attempt = method.attempt(rotation, h, y, h, carry)
            assert attempt.y.device.type == "cuda"
            assert attempt.y.dtype == torch.float32


EPOCH = 1.7e9


@pytest.mark.parametrize(
    "options", [{}, {"method": "rodas5"}, {"method": "rk4", "step_size": 0.05}, {"stops": [EPOCH + 1]}]
)
@pytest.mark.parametrize("back", [False, True])
def test_times_of_a_clock_keep_their_precision_with_states_in_single_precision(options, back):
    """y' = cos(t - 1.7e9), where float32 has a number every 128 seconds."""
    seen = set()

    def field(t, y):
        seen.add(t.dtype)
        return torch.cos(t - EPOCH).to(y.dtype) * torch.ones_like(y)

    times = torch.tensor([EPOCH, EPOCH + 1, EPOCH + 3], dtype=DOUBLE)
    times = times.flip(0) if back else times
    solution = solve_ode(field, torch.zeros(2, 1), times, rtol=1e-6, atol=1e-6, **options)
    assert seen == {DOUBLE}
    assert solution.y.dtype == torch.float32
    exact = torch.sin(times - EPOCH) - torch.sin(times[0] - EPOCH)
    assert float((solution.y[..., 0] - exact).abs().max()) < 1e-5
    log = solution.log
    ends = (log.time + log.size)[log.accepted]
    assert float((ends - times[-1]).abs().min()) < 1e-6
    assert bool(((ends >= times.min()) & (ends <= times.max() + 1e-6)).all())


def test_events_jacobians_and_trees_see_the_times_of_a_clock():
    times = torch.tensor([EPOCH, EPOCH + 3.0], dtype=DOUBLE)
    field = lambda t, y: {"u": torch.cos(t - EPOCH)[:, None].to(torch.float32) * torch.ones_like(y["u"])}  # noqa: E731
    events = lambda t, y: (t - EPOCH - 1.25).float() + 0 * y["u"][:, 0]  # noqa: E731
    asked = []

    def jacobian(t, y):
        asked.append(t.detach())
        return torch.zeros(len(y), 1, 1)

    solution = solve_ode(field, {"u": torch.zeros(2, 1)}, times, method="rodas5", jacobian=jacobian, events=events)
    assert (solution.events[0].time - EPOCH - 1.25).abs().max() < 1e-6
    assert torch.cat(asked).dtype == DOUBLE
    assert float(torch.cat(asked).min()) >= EPOCH


@pytest.mark.parametrize("gradient", ["direct", "checkpoint", "adjoint"])
def test_gradients_at_the_times_of_a_clock_are_those_from_zero(gradient):
    def through(start):
        rate = torch.tensor(0.7, requires_grad=True)
        field = lambda t, y: (rate * torch.cos(t.double() - start)).to(y.dtype) * y  # noqa: E731
        times = torch.tensor([start, start + 2.0], dtype=DOUBLE)
        y = solve_ode(field, torch.ones(1, 1), times, gradient=gradient, rtol=1e-5, atol=1e-6).y
        return float(torch.autograd.grad(y[:, -1].sum(), rate)[0])

    assert through(EPOCH) == pytest.approx(through(0.0), rel=1e-5)


def test_a_field_that_cannot_take_double_times_is_refused_with_the_reason():
    times = torch.tensor([EPOCH, EPOCH + 3.0], dtype=DOUBLE)
    layer = torch.nn.Linear(2, 1)
    for field in (lambda t, y: torch.sin(t) * y, lambda t, y: layer(torch.cat([t, y], 1))):
        with pytest.raises(
            InvalidArgument, match=r"torch\.float32 cannot .* 1700000000 to 1700000003 .*torch\.float64"
        ):
            solve_ode(field, torch.ones(1, 1), times)
    near = torch.tensor([10.0, 11.0], dtype=DOUBLE)
    assert solve_ode(lambda t, y: layer(torch.cat([t, y], 1)), torch.ones(1, 1), near).y.dtype == torch.float32


REACHING = {"kvaerno5", "yoshida4"}  # stages that lie behind the end of their step


@pytest.mark.parametrize("method", [name for name in method_names() if name not in REACHING])
@pytest.mark.parametrize("span", [(0.0, 1e-4), (-0.7, 0.31), (1.9, 0.3), (-1.0, -0.1)])
def test_no_field_is_asked_outside_of_the_span(method, span):
    low, high = min(span), max(span)

    def field(t, y):
        assert low <= float(t.min())
        assert float(t.max()) <= high
        return torch.stack([y[:, 1], -y[:, 0]], 1) * torch.cos(t)

    y0 = torch.ones(1, 2, dtype=DOUBLE)
    uniform = {"step_size": 0.25 * (high - low)} if method in ("rk4", "euler", "midpoint", "leapfrog") else {}
    times = torch.linspace(*span, 4, dtype=DOUBLE)
    if not uniform:
        event = Event(lambda t, y: 3 * t[:, 0] - 2 * low - high + 0 * field(t, y)[:, 0], terminal=True)
        assert solve_ode(field, y0, times, method=method, rtol=1e-3, events=event).events[0].time.shape == (1, 1)
    solve_ode(field, y0, times, method=method, rtol=1e-3, **uniform)


def test_the_last_step_does_not_look_beyond_the_end_by_rounding():
    """t + (end - t) is a unit in the last place beyond the end for one in a hundred ends."""
    for end in torch.rand(150, dtype=DOUBLE, generator=torch.Generator().manual_seed(1)).tolist():

        def field(t, y, end=end):
            assert float(t.max()) <= end
            return 0 * y

        solve_ode(field, torch.ones(1, 1, dtype=DOUBLE), [0.0, end], first_step=0.35 * end, max_steps=4)


def test_no_step_is_longer_than_max_step_so_that_no_pulse_is_passed_over():
    pulse = lambda t, y: torch.exp(-(((t - 5) / 0.01) ** 2)).expand_as(y)  # noqa: E731
    y0 = torch.zeros(1, 1, dtype=DOUBLE)
    assert float(solve_ode(pulse, y0, [0.0, 10.0]).y[0, -1, 0]) == 0.0
    solution = solve_ode(pulse, y0, [0.0, 10.0], max_step=0.02)
    assert float(solution.y[0, -1, 0]) == pytest.approx(0.01 * math.sqrt(math.pi), abs=1e-8)
    assert float(solution.log.size.max()) <= 0.02 * (1 + 1e-8)
    back = solve_ode(pulse, y0, [10.0, 0.0], max_step=0.02)
    assert float(back.y[0, -1, 0]) == pytest.approx(-0.01 * math.sqrt(math.pi), abs=1e-8)
    assert float(back.log.size.min()) >= -0.02 * (1 + 1e-8)


def test_a_whole_number_of_longest_steps_leaves_no_sliver():
    solution = solve_ode(lambda t, y: 0 * y, torch.ones(1, 1, dtype=DOUBLE), [0.0, 1.0], first_step=0.1, max_step=0.1)
    assert solution.log.size.shape == (1, 10)


def test_every_gradient_steps_as_finely_as_it_is_told():
    weight = torch.tensor(1.0, dtype=DOUBLE, requires_grad=True)
    pulse = lambda t, y: weight * torch.exp(-(((t - 5) / 0.02) ** 2)).expand_as(y)  # noqa: E731
    for gradient in ("direct", "checkpoint", "adjoint"):
        y = solve_ode(pulse, torch.zeros(1, 1, dtype=DOUBLE), [0.0, 10.0], max_step=0.05, gradient=gradient).y
        (found,) = torch.autograd.grad(y[:, -1].sum(), weight)
        assert float(found) == pytest.approx(0.02 * math.sqrt(math.pi), rel=1e-5)


def test_times_and_stops_are_read_from_arrays_that_run_backwards():
    times = np.linspace(0, 1, 5)[::-1]
    y0 = torch.ones(1, 1, dtype=DOUBLE)
    solution = solve_ode(lambda t, y: -y, y0, times, stops=np.array([0.2, 0.6])[::-1])
    assert solution.y[0, :, 0].tolist() == pytest.approx(np.exp(1 - times).tolist(), rel=1e-5)
    assert float((solution.log.time - 0.6).abs().min()) < 1e-12
