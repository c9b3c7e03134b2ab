"""One step at a random time: exact means, draws, gradients that any task gradient shares, a solve left as it is."""

import numpy as np
import pytest
import torch
from scipy import stats

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.neural_des.ode import MLPField, NeuralODE
from limitlab.neural_des.regularization.local import Local, local_error, step_at
from limitlab.neural_des.regularization.recipes import drawn
from limitlab.neural_des.regularization.step_terms import step_term
from limitlab.solvers import solve_ode

TSIT5_CALLS = 7  # six stages, and the slope that the step starts with


def network(tolerance=1e-5, *, shared=True, seed=1, **options):
    field = MLPField(2, width=8, with_time=True, activation="tanh", seed=seed).double()
    with torch.no_grad():
        field.scale *= 6  # several steps, not one
    return NeuralODE(field, (0.0, 2.0), rtol=tolerance, atol=tolerance, shared_steps=shared, **options)


@pytest.fixture
def y0():
    return torch.randn(4, 2, generator=torch.Generator().manual_seed(0)).double()


@pytest.mark.parametrize("shared", [True, False])
def test_one_step_has_the_error_that_the_log_has(y0, shared):
    ode = network(shared=shared)
    log = solve_ode(ode.field, y0, [0.0, 2.0], log_states=True, **ode.options).log
    # rounding of the stages is eps / tolerance of the estimate
    for rank in range(int(log.steps.min())):
        columns = torch.stack([accepted.nonzero()[rank, 0] for accepted in log.accepted])
        tau, u, size, expected = (part[torch.arange(4), columns] for part in (log.time, log.state, log.size, log.error))
        error, calls = local_error(ode, tau, u, size)
        assert torch.allclose(error, expected, rtol=0, atol=1e-10)
        assert calls.tolist() == [TSIT5_CALLS] * 4


def test_the_mean_of_biased_draws_is_the_global_mean(y0):
    ode = network()
    ode(y0)
    count = int(ode.last.log.steps[0])
    assert count > 5
    values = [float(Local("biased").solve(ode, y0, None, (k + 0.5) / count).value.detach()) for k in range(count)]
    assert np.mean(values) == pytest.approx(float(step_term(ode.last.log, "error", "mean")), rel=1e-10)


def test_the_mean_of_unbiased_draws_is_the_integral_over_time(y0):
    ode, term = network(), Local("unbiased")
    values = [float(term.solve(ode, y0, None, drawn(3, step)).value.detach()) for step in range(120)]
    # the trapezoid by hand: states from the dense output, every step from the log
    moments = torch.linspace(0, 2, 1001, dtype=torch.float64)
    solution = ode.solve(y0, moments)
    starts, sizes = solution.log.time[0].contiguous(), solution.log.size[0]
    size = sizes[torch.searchsorted(starts, moments, right=True) - 1]
    size = torch.minimum(size, 2.0 - moments)[:-1]
    alone = NeuralODE(ode.field, (0.0, 2.0), **ode.options | {"shared_steps": False})
    squares = [local_error(alone, moments[:-1], y, size)[0].square() for y in solution.y[:, :-1].unbind(0)]
    integrand = torch.cat([torch.stack(squares).mean(0).sqrt() * size, torch.zeros(1)])
    expected = float(torch.trapezoid(integrand, moments)) / 2.0
    assert abs(np.mean(values) - expected) < 3 * np.std(values) / len(values) ** 0.5


def test_draws_are_uniform_and_never_at_an_end():
    draws = np.array([drawn(0, step) for step in range(2000)])
    assert 0 < draws.min() < draws.max() < 1
    assert stats.kstest(draws, "uniform").pvalue > 0.01


def test_biased_draws_take_every_accepted_time_equally_often(y0):
    ode = network()
    log = solve_ode(ode.field, y0, [0.0, 2.0], log_states=True, **ode.options).log
    taken = np.array([float(step_at(log, drawn(1, step))[0][0]) for step in range(2000)])
    times, counts = np.unique(taken, return_counts=True)
    assert set(times) == set(log.time[0][log.accepted[0]].tolist())
    assert stats.chisquare(counts).pvalue > 0.01


def test_biased_draws_fall_where_the_steps_are_dense():
    pulse = lambda t, z: -z + 60 * torch.exp(-(((t - 0.3) / 0.02) ** 2)) * torch.sin(40 * z)  # noqa: E731
    log = solve_ode(pulse, torch.ones(1, 1).double(), [0, 1], rtol=1e-6, atol=1e-6, log_states=True).log
    taken = np.array([float(step_at(log, drawn(2, step))[0]) for step in range(500)])
    assert np.mean((taken >= 0.25) & (taken <= 0.35)) > 0.35


@pytest.mark.parametrize("sampling", ["unbiased", "biased"])
def test_the_gradient_of_the_term_is_that_of_any_task_gradient(y0, sampling):
    gradients = []
    for way in ("direct", "checkpoint", "adjoint"):
        ode = network(gradient=way)
        value = Local(sampling).solve(ode, y0, None, 0.3).value
        gradients.append(torch.cat([g.flatten() for g in torch.autograd.grad(value, list(ode.field.parameters()))]))
    assert torch.allclose(gradients[0], gradients[1], rtol=0, atol=1e-12)
    assert torch.allclose(gradients[0], gradients[2], rtol=0, atol=1e-12)


def test_the_gradient_of_one_step_is_its_difference(y0):
    ode, tau, size = network(), torch.full((4,), 0.4).double(), torch.full((4,), 0.3).double()
    weight = ode.field.layers[0].weight
    error, _ = local_error(ode, tau, y0, size)
    (gradient,) = torch.autograd.grad(error.mean(), weight)
    direction, h = torch.randn(weight.shape, generator=torch.Generator().manual_seed(5)).double(), 1e-5
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            weight += sign * h * direction
            values.append(float(local_error(ode, tau, y0, size)[0].mean()))
            weight -= sign * h * direction
    assert float((gradient * direction).sum()) == pytest.approx((values[0] - values[1]) / (2 * h), rel=1e-5)


@pytest.mark.parametrize("sampling", ["unbiased", "biased"])
def test_the_input_has_a_gradient_only_where_the_state_is_not_detached(y0, sampling):
    start = y0.requires_grad_()
    of = lambda detach: torch.autograd.grad(  # noqa: E731
        Local(sampling, detach_state=detach).solve(network(), start, None, 0.6).value, start, allow_unused=True
    )[0]
    assert of(True) is None
    assert of(False).abs().max() > 0


@pytest.mark.parametrize("sampling", ["unbiased", "biased"])
@pytest.mark.parametrize("times", [None, torch.linspace(0, 2, 6, dtype=torch.float64)])
def test_the_draw_leaves_steps_and_states_as_they_are(y0, sampling, times):
    ode = network()
    plain = ode.solve(y0, times)
    expected = plain.y[:, -1] if times is None else plain.y
    solve = Local(sampling).solve(ode, y0, times, 0.37)
    assert torch.equal(solve.y, expected)
    assert torch.equal(solve.solution.log.size, plain.log.size)
    extra = solve.evaluations - plain.evaluations.function
    assert extra.tolist() == [TSIT5_CALLS] * 4


def test_a_draw_at_an_asked_time_is_that_time(y0):
    times = torch.linspace(0, 2, 5, dtype=torch.float64)
    solve = Local("unbiased").solve(network(), y0, times, 0.25)
    assert solve.y.shape[1] == 5
    assert solve.tau.tolist() == [0.5] * 4
    assert solve.value > 0


def test_dense_output_is_as_good_as_a_solve_that_ends_there(y0):
    tolerance = 1e-7
    ode = network(tolerance)
    moments = torch.rand(50, generator=torch.Generator().manual_seed(4)).double().sort().values * 1.9 + 0.05
    between = ode.solve(y0, torch.cat([torch.zeros(1), moments, torch.full((1,), 2.0)])).y[:, 1:-1]
    for index in range(0, 50, 5):
        ending = ode.solve(y0, [0.0, float(moments[index])]).y[:, -1]
        assert float((between[:, index] - ending).abs().max()) < 50 * tolerance * 10


def test_the_initial_step_is_far_shorter_and_has_next_to_no_error(y0):
    ode = network(1e-7)
    solver, initial = (Local("biased", step).solve(ode, y0, None, 0.5) for step in ("solver", "initial"))
    assert torch.equal(solver.tau, initial.tau)
    assert bool((initial.step_size < 0.5 * solver.step_size).all())
    assert initial.value < 1e-2 * solver.value
    assert (initial.evaluations > solver.evaluations).all()


def test_time_may_run_backwards(y0):
    ode = network()
    back = NeuralODE(ode.field, (2.0, 0.0), **ode.options)
    for sampling in ("unbiased", "biased"):
        solve = Local(sampling).solve(back, y0, None, 0.9)
        assert bool((solve.step_size < 0).all())
        assert bool((solve.tau + solve.step_size >= 0).all())
        assert solve.value > 0


@pytest.mark.parametrize(
    ("solve", "error", "message"),
    [
        (lambda y: Local(detach_state=False).solve(network(gradient="adjoint"), y, None, 0.5), InvalidArgument, "tape"),
        (lambda y: Local().solve(network(step_size=0.1), y, None, 0.5), InvalidArgument, "uniform steps"),
        (lambda y: Local().solve(network(), y, None, 1.0), InvalidArgument, "draw must lie inside"),
        (lambda y: Local("biassed"), UnknownName, "did you mean 'biased'"),
        (lambda y: Local(step="solve"), UnknownName, "did you mean 'solver'"),
        (lambda y: step_at(solve_ode(network().field, y, [0, 1]).log, 0.5), InvalidArgument, "no states"),
    ],
)
def test_bad_input_is_refused_by_name(y0, solve, error, message):
    with pytest.raises(error, match=message):
        solve(y0)
