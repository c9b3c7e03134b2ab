"""Controlled equations: exact solutions, invariance under reparameterisation, kinks, log-ODEs, gradients, refusals."""

import math

import numpy as np
import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.solvers.cde import log_ode_field, solve_cde
from limitlab.solvers.ode.solve import solve_ode
from limitlab.spaces import control_path, log_signature_path

NAN = float("nan")
KINDS = ["linear", "rectilinear", "hermite", "natural"]
ROUND_OFF = {"rtol": 1e-10, "atol": 1e-12}


def normal(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def uneven_times(*shape, seed=0):
    return (0.1 + torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))).cumsum(-1)


def tanh_field(hidden=3, channels=2, seed=5):
    """f(z) = tanh(W z + b), without products of matrices so that no number depends on the size of a batch."""
    weight, bias = 0.8 * normal(hidden * channels, hidden, seed=seed), normal(hidden * channels, seed=seed + 1)

    def field(s, z):
        return torch.tanh((weight * z[:, None]).sum(-1) + bias).unflatten(1, (hidden, channels))

    return field


def linear_field(*matrices):
    """Columns f_a(z) = M_a z."""

    def field(s, z):
        return torch.stack([(matrix * z[:, None]).sum(-1) for matrix in matrices], dim=-1)

    return field


@pytest.mark.parametrize("kind", KINDS)
def test_linear_equation_of_one_channel_has_the_exponential_solution(kind):
    matrix, z0 = 0.4 * normal(3, 3), normal(4, 3, seed=1)
    times, values = uneven_times(9), normal(4, 9, 1, seed=2)
    path = control_path(times, values, kind)
    solution = solve_cde(linear_field(torch.zeros_like(matrix), matrix), z0, path, rtol=1e-8, atol=1e-10)
    increments = (values[:, -1] - values[:, 0])[..., None]
    exact = (torch.linalg.matrix_exp(matrix * increments) @ z0[..., None])[..., 0]
    assert float((solution.y[:, -1] - exact).abs().max()) < 1e-6


def test_running_through_a_linear_path_at_another_speed_changes_nothing():
    times, values, z0 = uneven_times(12), normal(4, 12, 2, seed=1), normal(4, 3, seed=2)
    ends = [
        solve_cde(tanh_field(), z0, control_path(speed, values, include_time=False), rtol=1e-8, atol=1e-10).y[:, -1]
        for speed in (times, times**2)
    ]
    assert float((ends[0] - ends[1]).abs().max()) < 1e-6


def test_reparameterising_a_smooth_path_by_the_square_of_time_changes_nothing():
    times, values, z0 = uneven_times(12), normal(4, 12, 2, seed=1), normal(4, 3, seed=2)
    path, field = control_path(times, values, "hermite", include_time=False), tanh_field()

    def squared(t, z):
        return (field(t, z) * path.derivative(t**2) * (2 * t)[..., None]).sum(-1)

    span = torch.stack([path.start, path.end])
    plain = solve_cde(field, z0, path, method="rk4", step_size=float(span.diff()) / 1000).y[:, -1]
    span, stops = span.sqrt(), times.sqrt()
    other = solve_ode(squared, z0, span, method="rk4", step_size=float(span.diff()) / 1000, stops=stops).y[:, -1]
    assert float((plain - other).abs().max()) < 1e-5


@pytest.mark.parametrize(("method", "order"), [("midpoint", 2), ("bosh3", 3), ("rk4", 4), ("reversible_heun", 2)])
def test_kinks_do_not_cost_a_method_its_order(method, order):
    path, z0 = control_path([0.0, 1.0, 2.0, 3.0], normal(4, 4, 1), "linear"), normal(4, 3, seed=2)
    exact = solve_cde(tanh_field(), z0, path, method="dopri8", step_size=1 / 64).y[:, -1]
    errors = [
        float((solve_cde(tanh_field(), z0, path, method=method, step_size=1 / n).y[:, -1] - exact).abs().max())
        for n in (16, 32, 64)
    ]
    assert np.log2(errors[1] / errors[2]) == pytest.approx(order, abs=0.15)


def test_midpoint_steps_from_knot_to_knot_call_the_field_twice_and_once_more_for_outputs_inside():
    path, z0, field, calls = control_path(uneven_times(9), normal(4, 9, 1), "hermite"), normal(4, 3), tanh_field(), []

    def counted(s, z):
        calls.append(1)
        return field(s, z)

    inside = torch.cat([path.knots, path.knots[2:4] + 0.01]).sort().values
    for t, expected in ((None, 1 + 2 * 8), (path.knots, 1 + 2 * 8), (inside, 1 + 2 * 8 + 2)):
        calls.clear()
        solution = solve_cde(counted, z0, path, t, method="midpoint", step_size=100.0)
        assert solution.evaluations.function.tolist() == [expected] * 4
        assert len(calls) == expected


@pytest.mark.parametrize("gradient", ["direct", "checkpoint"])
@pytest.mark.parametrize("kind", ["linear", "hermite"])
def test_midpoint_steps_are_those_of_a_loop_written_out(kind, gradient):
    """States, and the gradient with respect to the data, of samples with times of their own."""
    times, field = uneven_times(4, 9), tanh_field()

    def ours(path, z):
        t = torch.stack([path.start, path.end], 1)
        return solve_cde(field, z, path, t, method="midpoint", step_size=100.0, gradient=gradient).y[:, -1]

    def written_out(path, z):
        for knot in range(8):
            start, end = path.knots[:, knot, None], path.knots[:, knot + 1, None]
            h, middle = end - start, 0.5 * (start + end)
            first, half = (path.derivative(s) for s in (start, middle))
            z = z + h * (field(start, z + 0.5 * h * (field(start, z) * first).sum(-1)) * half).sum(-1)
        return z

    found = []
    for solve in (ours, written_out):
        values, z0 = normal(4, 9, 1).requires_grad_(), normal(4, 3, seed=2).requires_grad_()
        end = solve(control_path(times, values, kind), z0)
        end.square().sum().backward()
        found.append((end.detach(), values.grad, z0.grad))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-13)


def test_adaptive_steps_end_at_kinks_and_are_hardly_ever_rejected_there():
    times, values = uneven_times(4, 12), normal(4, 12, 1, seed=1)
    path = control_path(times, values, "linear")
    log = solve_cde(tanh_field(), normal(4, 3, seed=2), path, rtol=1e-5, atol=1e-7).log
    ends = torch.where(log.accepted, log.time + log.size, NAN)
    distance = (ends[:, None] - times[:, 1:, None]).abs().nan_to_num(math.inf).amin(-1)
    assert float(distance.max()) < 1e-12
    assert int(log.rejected.max()) <= 6


def test_a_solve_backwards_comes_back_to_the_start():
    path, z0 = control_path(uneven_times(9), normal(4, 9, 1), "linear"), normal(4, 3, seed=2)
    end = solve_cde(tanh_field(), z0, path, **ROUND_OFF).y[:, -1]
    back = solve_cde(tanh_field(), end, path, torch.stack([path.end, path.start]), **ROUND_OFF).y[:, -1]
    assert torch.allclose(back, z0, rtol=0, atol=1e-8)


def test_outputs_between_knots_do_not_change_the_end():
    path, z0 = control_path(uneven_times(9), normal(4, 9, 1), "linear"), normal(4, 3, seed=2)
    middle = 0.5 * float(path.start + path.end)
    direct = solve_cde(tanh_field(), z0, path, **ROUND_OFF).y[:, -1]
    through = solve_cde(tanh_field(), z0, path, [float(path.start), middle, float(path.end)], **ROUND_OFF)
    half = solve_cde(tanh_field(), z0, path, [float(path.start), middle], **ROUND_OFF).y[:, -1]
    assert torch.allclose(through.y[:, -1], direct, rtol=0, atol=1e-12)
    assert torch.allclose(through.y[:, 1], half, rtol=0, atol=1e-7)


def test_depth_one_with_windows_of_one_step_is_the_equation_of_the_linear_path():
    path = control_path(uneven_times(4, 9), normal(4, 9, 1), "linear")
    z0 = normal(4, 3, seed=2)
    plain = solve_cde(tanh_field(), z0, path).y
    windows = solve_cde(tanh_field(), z0, log_signature_path(path, 1, depth=1)).y
    assert torch.allclose(plain, windows, rtol=0, atol=1e-13)


def test_exact_log_ode_field_of_linear_fields_holds_their_commutators():
    """[f_a, f_b] = (Df_b) f_a - (Df_a) f_b = (M_b M_a - M_a M_b) z."""
    matrices, z = [normal(3, 3, seed=seed) for seed in range(3)], normal(4, 3, seed=9)
    found = log_ode_field(linear_field(*matrices))(torch.zeros(4, 1), z)
    brackets = [matrices[b] @ matrices[a] - matrices[a] @ matrices[b] for a, b in [(0, 1), (0, 2), (1, 2)]]
    expected = torch.stack([z @ matrix.T for matrix in (*matrices, *brackets)], dim=-1)
    assert torch.allclose(found, expected, rtol=0, atol=1e-12)


def test_exact_log_ode_has_order_four_in_the_window_and_increments_alone_have_order_two():
    s = torch.linspace(0, 1, 257, dtype=torch.float64)
    values = torch.stack([torch.sin(3 * s), torch.cos(5 * s) + s], dim=-1)[None]
    path = control_path(s, values, include_time=False)
    field = linear_field(normal(3, 3, seed=1), normal(3, 3, seed=2))
    z0 = normal(1, 3, seed=3)
    exact = solve_cde(field, z0, path, method="rk4", step_size=1 / 256).y[:, -1]
    exactly = {"method": "dopri8", "step_size": 1 / 16}
    errors = {
        depth: [
            float((solve_cde(g, z0, log_signature_path(path, window, depth), **exactly).y[:, -1] - exact).abs().max())
            for window in (64, 32, 16)
        ]
        for depth, g in ((1, field), (2, log_ode_field(field)))
    }
    orders = {depth: np.log2(np.array(found[:-1]) / np.array(found[1:])) for depth, found in errors.items()}
    assert orders[1] == pytest.approx([2.0, 2.0], abs=0.15)
    assert orders[2] == pytest.approx([4.0, 4.0], abs=0.25)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_does_not_depend_on_its_batch(kind):
    times, values, z0 = uneven_times(6, 9), normal(6, 9, 1, seed=1), normal(6, 3, seed=2)
    values[2, 3:5, 0] = NAN
    values[4, 5:] = NAN
    together = solve_cde(tanh_field(), z0, control_path(times, values, kind))
    for sample, length in ((0, 9), (2, 9), (4, 5)):
        path = control_path(times[sample : sample + 1, :length], values[sample : sample + 1, :length], kind)
        alone = solve_cde(tanh_field(), z0[sample : sample + 1], path)
        if kind == "rectilinear" and length < 9:  # the others go on, and the solver steps on along a path at rest
            assert torch.allclose(alone.y[0, -1], together.y[sample, -1], rtol=0, atol=1e-7)
        else:
            assert torch.equal(alone.y[0, -1], together.y[sample, -1])


@pytest.mark.parametrize("kind", KINDS)
def test_state_rests_after_the_last_observation_of_a_sample(kind):
    times, values, z0 = uneven_times(9), normal(3, 9, 1, seed=1), normal(3, 3, seed=2)
    values[1, 5:] = NAN
    path = control_path(times, values, kind)
    at = path.knots[[0, 8 if kind == "rectilinear" else 4, -2, -1]]
    z = solve_cde(tanh_field(), z0, path, at).y
    assert torch.allclose(z[1, 1:], z[1, 1].expand(3, -1), rtol=0, atol=1e-7)
    assert float((z[0, 2] - z[0, 1]).abs().max()) > 1e-3


def test_state_at_an_observation_of_a_rectilinear_path_knows_no_later_data():
    times, values, z0 = uneven_times(9), normal(3, 9, 1, seed=1), normal(3, 3, seed=2)
    values[0, 3:6] = NAN
    changed = values.clone()
    changed[:, 6:] = 5.0
    states = [
        solve_cde(tanh_field(), z0, control_path(times, data, "rectilinear"), [0.0, 10.0]).y
        for data in (values, changed)
    ]
    assert torch.equal(states[0], states[1])


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_data_start_and_field_agree_with_finite_differences(kind):
    times, values, z0, weight = uneven_times(4), normal(2, 4, 1), normal(2, 2, seed=1), normal(4, 2, seed=2)

    def end(values, z0, weight):
        def field(s, z):
            return torch.tanh((weight * z[:, None]).sum(-1)).unflatten(1, (2, 2))

        return solve_cde(field, z0, control_path(times, values, kind), method="rk4", step_size=0.5).y[:, -1]

    assert torch.autograd.gradcheck(end, [part.requires_grad_() for part in (values, z0, weight)])


@pytest.mark.parametrize("gradient", ["checkpoint", "adjoint"])
@pytest.mark.parametrize("kind", ["linear", "hermite"])
def test_gradients_of_field_and_data_are_the_same_by_every_way(kind, gradient):
    times, values, z0 = uneven_times(4), normal(3, 4, 1).requires_grad_(), normal(3, 3, seed=2)
    layer = torch.nn.Linear(3, 6).double()
    for number, parameter in enumerate(layer.parameters()):
        torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(3 + number))

    def field(s, z):
        return torch.tanh(layer(z)).unflatten(1, (3, 2))

    found = []
    for way in ("direct", gradient):
        path = control_path(times, values, kind)
        end = solve_cde(field, z0, path, rtol=1e-7, atol=1e-9, gradient=way).y[:, -1]
        found.append(torch.autograd.grad(end.square().sum(), [values, *layer.parameters()]))
    for direct, other in zip(*found, strict=True):
        assert torch.allclose(direct, other, rtol=1e-5, atol=1e-6)


def test_spirals_turn_their_states_apart_by_their_chirality():
    """z^2 = 1/2 int X^0 dX^1 - X^1 dX^0, the area that a path goes round, is the simplest thing that knows."""
    turn = torch.linspace(0, 4 * math.pi, 100, dtype=torch.float64)
    radius = torch.exp(-0.1 * turn)
    one = torch.stack([radius * torch.cos(turn), radius * torch.sin(turn)], dim=-1)
    mirrored = one * torch.tensor([-1.0, 1.0])
    path = control_path(turn, torch.stack([one, mirrored]), "hermite", include_time=False)

    def area(s, z):
        zeros, ones = torch.zeros_like(z[:, 0]), torch.ones_like(z[:, 0])
        rows = ([ones, zeros], [zeros, ones], [-z[:, 1] / 2, z[:, 0] / 2])
        return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=1)

    start = torch.cat([path.evaluate(path.start), torch.zeros(2, 1)], dim=-1)
    z = solve_cde(area, start, path).y[:, -1]
    exact = (1 - math.exp(-0.8 * math.pi)) / 0.4  # half the integral of radius^2
    assert torch.allclose(z[:, 2], torch.tensor([exact, -exact]).double(), rtol=2e-2)


def test_bad_input_is_refused_by_name():
    path, z0 = control_path([0.0, 1.0, 2.0], normal(4, 3, 1)), normal(4, 3)
    with pytest.raises(InvalidArgument, match=r"path must be a ControlPath; got Tensor"):
        solve_cde(tanh_field(), z0, normal(4, 3, 1))
    with pytest.raises(InvalidArgument, match=r"z0 must be a tensor \(4, hidden\).* got \(3, 3\)"):
        solve_cde(tanh_field(), z0[:3], path)
    with pytest.raises(InvalidArgument, match=r"field must return .* \(4, 3, 2\); got shape \(4, 3, 3\)"):
        solve_cde(tanh_field(channels=3), z0, path)
    with pytest.raises(InvalidArgument, match=r"t must lie on the path, within \[0, 2\]"):
        solve_cde(tanh_field(), z0, path, [0.0, 3.0])
    with pytest.raises(InvalidArgument, match="did you mean 'tsit5'"):
        solve_cde(tanh_field(), z0, path, method="tsit")
    with pytest.raises(InvalidArgument, match="compile needs gradient 'direct'"):
        solve_cde(tanh_field(), z0, path, compile=True, gradient="checkpoint")
    with pytest.raises(InvalidArgument, match="did you mean 'knots'"):
        solve_cde(tanh_field(), z0, path, stops="knot")


def test_times_of_another_precision_than_the_path_reach_its_ends():
    end = 14.614642
    assert float(torch.tensor(end)) > end
    path = control_path([0.0, 7.0, end], normal(2, 3, 1))
    z = solve_cde(tanh_field(), normal(2, 3), path).y[:, -1]
    rounded = solve_cde(tanh_field(), normal(2, 3), path, torch.tensor([0.0, end])).y[:, -1]
    assert torch.allclose(rounded, z, atol=1e-6)
    with pytest.raises(InvalidArgument, match=r"within \[0, 14\.61464\d*\]; got times from 0 to 14\.61465"):
        solve_cde(tanh_field(), normal(2, 3), path, [0.0, 14.61465])


def test_times_of_a_path_are_read_from_arrays_that_run_backwards():
    path = control_path(np.array([2.0, 1.0, 0.0])[::-1], normal(4, 3, 1))
    forwards = solve_cde(tanh_field(), normal(4, 3), path, [2.0, 0.5]).y
    assert torch.equal(solve_cde(tanh_field(), normal(4, 3), path, np.array([0.5, 2.0])[::-1]).y, forwards)
