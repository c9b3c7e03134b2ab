"""Explicit and geometric solvers: orders, dense output, the step log, step control, events, and what is refused."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.solvers import (
    Event,
    SolutionBlewUp,
    StepSizeUnderflow,
    TooManySteps,
    method_names,
    solve_ode,
)
from limitlab.solvers.methods.tableaux import TABLEAUX

DOUBLE = torch.float64
ORDERS = {"euler": 1, "midpoint": 2, "heun": 2, "bosh3": 3, "rk4": 4, "dopri5": 5, "tsit5": 5, "dopri8": 8}
DENSE = {**ORDERS, "rk4": 4, "dopri5": 5, "tsit5": 5, "dopri8": 8}
GEOMETRIC = {"reversible_heun": 2, "leapfrog": 2, "yoshida4": 4}
ADAPTIVE = ("heun", "bosh3", "dopri5", "tsit5", "dopri8", "reversible_heun")


def rotation(t, y):
    return torch.stack([y[:, 1], -y[:, 0]], 1)


def rotated(y0, times):
    c, s = torch.cos(times)[None], torch.sin(times)[None]
    x, v = y0[:, :1], y0[:, 1:]
    return torch.stack([x * c + v * s, v * c - x * s], -1)


def turning(t, y):
    """y' = y cos t: y0 exp(sin t), with an explicit time."""
    return y * torch.cos(t)


def observed_orders(method, steps, field, y0, exact, times):
    errors = []
    for step in steps:
        solution = solve_ode(field, y0, times, method=method, step_size=step)
        errors.append(float((solution.y - exact).abs().max()))
    return np.diff(-np.log2(errors))


@pytest.mark.parametrize(("method", "order"), ORDERS.items())
def test_every_explicit_method_has_its_order_also_with_explicit_time(method, order):
    y0 = torch.tensor([[1.0], [0.5]], dtype=DOUBLE)
    steps = {8: (1.0, 0.5), 5: (0.1, 0.05)}.get(order, (0.04, 0.02))
    times = torch.tensor([0.0, 4.0], dtype=DOUBLE)
    exact = y0[:, None] * torch.exp(torch.sin(times))[None, :, None]
    found = observed_orders(method, steps, turning, y0, exact, times)
    assert found[-1] > order - 0.15
    nonlinear = torch.tensor([[0.0, 1.0]], dtype=DOUBLE)
    reference = torch.tensor(
        solve_ivp(lambda t, y: [y[1], -math.sin(y[0])], (0, 4), [0.0, 1.0], rtol=1e-13, atol=1e-13, method="DOP853").y[
            :, -1
        ]
    )
    steps = {8: (2.0, 1.0)}.get(order, (0.1, 0.05))
    errors = [
        float((solve_ode(pendulum, nonlinear, times, method=method, step_size=h).y[0, -1] - reference).abs().max())
        for h in steps
    ]
    assert order - 0.2 < math.log2(errors[0] / errors[1]) < order + 1.2


def pendulum(t, y):
    return torch.stack([y[:, 1], -torch.sin(y[:, 0])], 1)


@pytest.mark.parametrize(("method", "order"), GEOMETRIC.items())
def test_geometric_methods_have_their_order(method, order):
    y0 = torch.tensor([[1.0, 0.0], [0.0, 2.0]], dtype=DOUBLE)
    times = torch.linspace(0, 10, 11, dtype=DOUBLE)
    found = observed_orders(method, (0.1, 0.05, 0.025), rotation, y0, rotated(y0, times), times)
    assert found == pytest.approx(np.full(2, order), abs=0.1)


@pytest.mark.parametrize(("method", "order"), DENSE.items())
def test_dense_output_is_as_good_as_the_steps(method, order):
    """Times that no step ends at: the error over them falls with the order of the method."""
    y0 = torch.tensor([[1.0, 0.0], [0.0, 2.0]], dtype=DOUBLE)
    times = torch.linspace(0, 10, 38, dtype=DOUBLE)
    steps = {8: (1.0, 0.5), 1: (0.02, 0.01)}.get(order, (0.1, 0.05))
    found = observed_orders(method, steps, rotation, y0, rotated(y0, times), times)
    assert found[-1] > order - 0.15


@pytest.mark.parametrize("table", TABLEAUX.values(), ids=TABLEAUX)
def test_tables_are_consistent(table):
    """Rows sum to the nodes, weights to one, error weights to zero, and the extension ends in the step."""
    assert np.allclose([sum(row) for row in ((), *table.a)], table.c, atol=1e-13)
    assert sum(table.b) == pytest.approx(1.0, abs=1e-13)
    for error in (table.error, table.second_error):
        assert sum(error) == pytest.approx(0.0, abs=1e-13)
    ends = table.polynomials.sum(1)
    assert np.allclose(ends[: table.stages], table.b, atol=1e-12)
    assert np.allclose(ends[table.stages :], 0.0, atol=1e-12)


def test_amplification_is_the_exponential_up_to_the_order():
    z = np.array([0.01 + 0.02j])
    for table in TABLEAUX.values():
        defect = np.abs(table.amplification(z) - np.exp(z))[0]
        assert defect < 2 * np.abs(z[0]) ** (table.order + 1)
    assert abs(TABLEAUX["tsit5"].amplification(np.array([-3.50 + 0j]))[0]) < 1
    assert abs(TABLEAUX["tsit5"].amplification(np.array([-3.52 + 0j]))[0]) > 1


def test_adaptive_tsit5_keeps_its_tolerance_at_the_known_cost():
    """Rotation on [0, 10]: error at most twice the tolerance, about 128, 278, 656 and 1604 field calls."""
    y0 = torch.tensor([[1.0, 0.0]], dtype=DOUBLE)
    times = torch.linspace(0, 10, 11, dtype=DOUBLE)
    for tolerance, calls in ((1e-4, 128), (1e-6, 278), (1e-8, 656), (1e-10, 1604)):
        solution = solve_ode(rotation, y0, times, rtol=tolerance, atol=tolerance)
        assert float((solution.y - rotated(y0, times)).abs().max()) < 2 * tolerance
        assert int(solution.evaluations.function) == pytest.approx(calls, rel=0.3)


@pytest.mark.parametrize("method", ADAPTIVE)
@pytest.mark.parametrize("control", ["i", "pi", "pid"])
def test_tighter_tolerance_gives_smaller_error(method, control):
    y0 = torch.tensor([[1.0, 0.0]], dtype=DOUBLE)
    times = torch.linspace(0, 3, 4, dtype=DOUBLE)
    errors = [
        float(
            (solve_ode(rotation, y0, times, method=method, control=control, rtol=r, atol=r).y - rotated(y0, times))
            .abs()
            .max()
        )
        for r in (1e-3, 1e-5 if method in ("heun", "reversible_heun") else 1e-6)
    ]
    assert errors[1] < 0.1 * errors[0]
    assert errors[0] < 30 * 1e-3


def test_field_calls_are_counted():
    """nfe = 2 + 6 (accepted + rejected) for a five-stage pair whose last slope is the next first one."""
    stiffish = torch.tensor([[2.0, 0.0], [0.5, 1.0]], dtype=DOUBLE)
    calls = []

    def field(t, y):
        calls.append(1)
        return torch.stack([y[:, 1], 20 * (1 - y[:, 0] ** 2) * y[:, 1] - y[:, 0]], 1)

    solution = solve_ode(field, stiffish, [0.0, 20.0], rtol=1e-5)
    log = solution.log
    assert int(log.rejected.sum()) > 0
    assert torch.equal(solution.evaluations.function, 2 + 6 * (log.steps + log.rejected))
    assert len(calls) == int(solution.evaluations.function.max())


def test_the_log_holds_every_attempt():
    solution = solve_ode(
        lambda t, y: torch.stack([y[:, 1], 20 * (1 - y[:, 0] ** 2) * y[:, 1] - y[:, 0]], 1),
        torch.tensor([[2.0, 0.0], [0.1, 0.0]], dtype=DOUBLE),
        [0.0, 30.0],
        rtol=1e-5,
    )
    log = solution.log
    for sample in range(2):
        taken = log.attempted[sample]
        time, size, accepted = log.time[sample][taken], log.size[sample][taken], log.accepted[sample][taken]
        moved = torch.where(accepted, size, 0.0).cumsum(0)
        assert torch.allclose(time[1:], moved[:-1], atol=1e-9)
        assert float(moved[-1]) == pytest.approx(30.0, abs=1e-9)
        error = log.error[sample][taken]
        assert bool((error[accepted] <= 1 + 1e-12).all())
        assert bool((error[~accepted] > 1).all())
    data = solution.to_xarray(["x", "v"])
    assert dict(data.sizes) == {"sample": 2, "time": 2, "state": 2, "step": log.time.shape[1]}
    assert int((~data.accepted & data.step_size.notnull()).sum()) == int(log.rejected.sum())


def test_scaled_error_is_that_of_the_embedded_pair():
    """One Tsit5 step of y' = -y by hand, and its fifth order."""
    table = TABLEAUX["tsit5"]
    found = []
    for h in (0.1, 0.05):
        k, y = [-1.0], 1.0
        for row in table.a:
            k.append(-(1.0 + h * np.dot(row, k)))
        end = y + h * np.dot(table.b, k)
        k.append(-end)
        by_hand = abs(h * np.dot(table.error, k)) / (1e-6 + 1e-6 * max(1.0, abs(end)))
        log = solve_ode(
            lambda t, y: -y, torch.ones(1, 1, dtype=DOUBLE), [0.0, h], step_size=h, rtol=1e-6, atol=1e-6
        ).log
        assert float(log.error) == pytest.approx(by_hand, rel=1e-7)
        found.append(by_hand)
    assert 2**-5.4 < found[1] / found[0] < 2**-4.6


@pytest.mark.parametrize("method", ["heun", "rk4", "dopri5", "tsit5", "dopri8"])
def test_stiffness_estimate_is_the_eigenvalue(method):
    rate = 7.3
    solution = solve_ode(
        lambda t, y: -rate * y, torch.ones(2, 1, dtype=DOUBLE), [0.0, 1.0], method=method, step_size=0.05
    )
    assert torch.allclose(solution.log.stiffness, torch.full_like(solution.log.stiffness, rate), rtol=1e-9)
    rates = torch.tensor([1.0, 3.0, 9.0], dtype=DOUBLE)
    several = solve_ode(
        lambda t, y: -rates * y, torch.ones(1, 3, dtype=DOUBLE), [0.0, 0.5], method=method, step_size=0.05
    )
    assert float(several.log.stiffness.max()) <= 9.0 + 1e-9


def test_pi_control_settles_where_theory_says():
    """With exponents 7/50 and 2/25 and safety 0.9 the accepted error is 0.9^(1/0.06) = 0.17 on a steady problem."""
    solution = solve_ode(rotation, torch.tensor([[1.0, 0.0]], dtype=DOUBLE), [0.0, 40.0], rtol=1e-6, atol=1e-6)
    assert 0.10 < float(solution.log.error[solution.log.accepted].median()) < 0.25
    assert int(solution.log.rejected) == 0
    assert int(solution.log.steps) == pytest.approx(169, rel=0.1)


def lotka_volterra(t, y):
    return torch.stack([1.3 * y[:, 0] - 0.9 * y[:, 0] * y[:, 1], 0.8 * y[:, 0] * y[:, 1] - 1.8 * y[:, 1]], 1)


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


def test_shared_steps_are_shared():
    y0 = torch.tensor([[1.0, 1.0], [4.0, 0.4]], dtype=DOUBLE)
    log = solve_ode(lotka_volterra, y0, [0.0, 5.0], shared_steps=True).log
    assert torch.equal(log.size[0], log.size[1])
    own = solve_ode(lotka_volterra, y0, [0.0, 5.0]).log
    assert int(own.steps[0]) != int(own.steps[1])


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


def test_steps_end_at_stops_and_the_proposal_survives():
    """A jump in the field at a stop costs nothing; and cut steps do not make the following ones small."""

    def jumping(t, y):
        return torch.where(t < 1.0, 1.0, -1.0) + 0 * y

    y0 = torch.zeros(2, 1, dtype=DOUBLE)
    stopped = solve_ode(jumping, y0, [0.0, 2.0], stops=[1.0], rtol=1e-8)
    blind = solve_ode(jumping, y0, [0.0, 2.0], rtol=1e-8)
    assert float(stopped.y[:, -1].abs().max()) < 1e-7
    assert int(stopped.log.rejected.sum()) < int(blind.log.rejected.sum())
    y0 = torch.tensor([[1.0, 0.0]], dtype=DOUBLE)
    free = solve_ode(rotation, y0, [0.0, 20.0], rtol=1e-5)
    many = solve_ode(rotation, y0, [0.0, 20.0], rtol=1e-5, stops=[5.01, 10.01, 15.01])
    assert int(many.log.steps) <= int(free.log.steps) + 9
    ends = many.log.time + many.log.size
    assert all(float((ends - stop).abs().min()) < 1e-12 for stop in (5.01, 10.01, 15.01))


@given(step=st.floats(0.05, 0.9), stop=st.floats(0.1, 1.9))
@settings(max_examples=30, deadline=None)
def test_uniform_steps_cover_the_span_and_hit_stops(step, stop):
    log = solve_ode(
        rotation, torch.ones(1, 2, dtype=DOUBLE), [0.0, 2.0], method="rk4", step_size=step, stops=[stop]
    ).log
    size = log.size[log.attempted]
    assert float(size.sum()) == pytest.approx(2.0, abs=1e-12)
    assert float(size.max()) <= step * (1 + 1e-12)
    assert float(size.min()) > 1e-10 * step
    assert float((log.time + log.size - stop).nan_to_num(9.0).abs().min()) < 1e-8 * step


def test_reversible_heun_runs_back_to_its_start():
    """10,000 steps there, and back by swapping the roles of state and shadow."""
    y = z = torch.tensor([[1.0, 0.3]], dtype=DOUBLE)
    h = 1e-3
    v = rotation(None, z)
    start = y
    for _ in range(10_000):
        ahead = 2 * y - z + h * v
        last = rotation(None, ahead)
        y, z, v = y + 0.5 * h * (v + last), ahead, last
    library = solve_ode(rotation, start, [0.0, 10.0], method="reversible_heun", step_size=h).y[:, -1]
    assert torch.allclose(library, y, atol=1e-12)
    for _ in range(10_000):
        behind = 2 * y - z - h * v
        first = rotation(None, behind)
        y, z, v = y - 0.5 * h * (v + first), behind, first
    assert float((y - start).abs().max()) < 1e-13


def test_symplectic_methods_keep_the_energy_where_others_drift():
    def kepler(t, y):
        r3 = (y[:, 0] ** 2 + y[:, 1] ** 2).pow(1.5)
        return torch.stack([y[:, 2], y[:, 3], -y[:, 0] / r3, -y[:, 1] / r3], 1)

    def energy(y):
        return 0.5 * (y[..., 2] ** 2 + y[..., 3] ** 2) - (y[..., 0] ** 2 + y[..., 1] ** 2).rsqrt()

    y0 = torch.tensor([[0.4, 0.0, 0.0, 2.0]], dtype=DOUBLE)
    span = torch.linspace(0, 40 * math.pi, 41, dtype=DOUBLE)
    drift = {}
    for method, step in (("leapfrog", 0.01), ("yoshida4", 0.03), ("bosh3", 0.03)):
        y = solve_ode(kepler, y0, span, method=method, step_size=step).y
        drift[method] = float((energy(y[:, -10:]) + 0.5).abs().max())
    assert drift["leapfrog"] < 5e-3
    assert drift["yoshida4"] < 5e-3
    assert drift["bosh3"] > 10 * drift["yoshida4"]


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


def test_blow_up_is_an_error_that_names_sample_time_and_step():
    y0 = torch.tensor([[0.1], [1.0]], dtype=DOUBLE)
    with pytest.raises(SolutionBlewUp, match=r"sample 1 at t = (1|0\.999\d*) with step size"):
        solve_ode(lambda t, y: y * y, y0, [0.0, 1.5])
    assert float(solve_ode(lambda t, y: y * y, y0, [0.0, 0.99]).y[1, -1, 0]) == pytest.approx(100.0, rel=1e-3)


def test_failures_can_be_masked_and_leave_the_others_alone():
    y0 = torch.tensor([[0.1], [1.0]], dtype=DOUBLE)
    times = torch.linspace(0, 1.5, 7, dtype=DOUBLE)
    masked = solve_ode(lambda t, y: y * y, y0, times, on_failure="mask")
    (failure,) = masked.failures
    assert (failure.sample, failure.kind) == (1, "blow-up")
    assert failure.time == pytest.approx(1.0, abs=1e-6)
    assert masked.y[1, :4, 0].tolist() == pytest.approx([1.0, 4 / 3, 2.0, 4.0], rel=1e-4)
    assert bool(masked.y[1, 5:].isnan().all())
    alone = solve_ode(lambda t, y: y * y, y0[:1], times)
    assert torch.equal(alone.y[0], masked.y[0])
    assert "blow-up" in masked.to_xarray().attrs["failures"]


def test_uniform_steps_that_explode_are_an_error_too():
    with pytest.raises(SolutionBlewUp, match="sample 0"):
        solve_ode(lambda t, y: y**3, torch.full((1, 1), 5.0, dtype=DOUBLE), [0.0, 5.0], method="rk4", step_size=0.1)


def test_too_many_steps_and_underflow_are_errors():
    y0 = torch.tensor([[1.0, 0.0]], dtype=DOUBLE)
    with pytest.raises(TooManySteps, match="max_steps"):
        solve_ode(rotation, y0, [0.0, 1000.0], max_steps=50)
    with pytest.raises(StepSizeUnderflow, match=r"sample 0 at t = 0\.[45]"):
        solve_ode(lambda t, y: -1 / y, torch.ones(1, 1, dtype=DOUBLE), [0.0, 1.0])


def test_a_field_that_turns_nan_on_the_way_is_a_blow_up():
    with pytest.raises(SolutionBlewUp, match=r"t = 0\.[5-9]"):
        solve_ode(
            lambda t, y: torch.where(t > 0.7, torch.nan, 1.0) + 0 * y, torch.zeros(1, 1, dtype=DOUBLE), [0.0, 1.0]
        )


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
