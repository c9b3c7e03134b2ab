"""The face of ordinary equations: peers, batches, directions, states of any shape, and what is refused."""

import math

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
