"""Solves by machine code: the numbers of torch, its log and its failures; nobody's batch; threads; refusals."""

import math
import threading

import pytest
import torch

from limitlab import problems
from limitlab.errors import InvalidArgument
from limitlab.interruption import TimeIsUp, interruptible
from limitlab.solvers.failures import SolveFailed

DOUBLE = torch.float64
# mild ones, whose step sizes do not hang on rounding: one of powers, exponentials, quotients, trigonometry, time
PROBLEMS = ["lotka_volterra", "kepler", "hodgkin_huxley", "pushed_pendulum", "gompertz", "saturable_elimination"]


def both(name, samples=11, seed=1, **options):
    problem = problems.get(name)
    y0, values = problem.sample(samples, seed=seed)
    times = torch.linspace(0, 0.2 * problem.span, 7, dtype=DOUBLE)
    options = {"values": values, "method": "bosh3", "rtol": 1e-5, "atol": 1e-8, "max_steps": 10_000} | options
    return [problem.solve(y0, times, backend=backend, **options) for backend in ("native", "torch")]


@pytest.mark.parametrize("name", PROBLEMS)
def test_attempts_sizes_and_log_are_those_of_torch(name):
    native, by_torch = both(name)
    assert native.backend == "native"
    assert by_torch.backend == "torch"
    assert torch.equal(native.log.accepted, by_torch.log.accepted)
    assert torch.allclose(native.log.size, by_torch.log.size, rtol=1e-8, atol=0, equal_nan=True)
    assert torch.allclose(native.log.time, by_torch.log.time, rtol=1e-8, atol=1e-12, equal_nan=True)
    # errors are small differences of large numbers
    assert torch.allclose(native.log.error, by_torch.log.error, rtol=1e-4, atol=1e-6, equal_nan=True)
    assert torch.allclose(native.y, by_torch.y, rtol=1e-10, atol=1e-12)
    assert torch.equal(native.evaluations.function, by_torch.evaluations.function)


@pytest.mark.parametrize("method", ["heun", "bosh3", "dopri5", "tsit5", "dopri8"])
@pytest.mark.parametrize("control", ["i", "pi", "pid"])
def test_every_method_and_controller(method, control):
    native, by_torch = both("lotka_volterra", method=method, control=control)
    assert torch.equal(native.log.accepted, by_torch.log.accepted)
    assert torch.allclose(native.log.size, by_torch.log.size, rtol=1e-5, atol=0, equal_nan=True)
    assert torch.allclose(native.log.stiffness, by_torch.log.stiffness, rtol=1e-5, atol=1e-9, equal_nan=True)
    assert torch.allclose(native.y, by_torch.y, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("options", [{"max_step": 0.05}, {"first_step": 1e-3}, {"first_step": 10.0}])
def test_first_and_longest_steps(options):
    native, by_torch = both("lotka_volterra", **options)
    assert torch.equal(native.log.accepted, by_torch.log.accepted)
    assert torch.allclose(native.log.size, by_torch.log.size, rtol=1e-7, atol=0, equal_nan=True)
    assert torch.equal(native.evaluations.function, by_torch.evaluations.function)


def test_time_may_run_backwards_and_differ_by_sample():
    problem = problems.get("pushed_pendulum")
    y0, values = problem.sample(5, seed=0)
    ends = torch.linspace(0.5, 3.0, 5, dtype=DOUBLE)[:, None]
    times = ends * torch.linspace(1, 0, 4, dtype=DOUBLE)
    native, by_torch = (
        problem.solve(y0, times, values=values, method="bosh3", rtol=1e-5, backend=backend)
        for backend in ("native", "torch")
    )
    assert torch.allclose(native.y, by_torch.y, rtol=1e-10, atol=1e-12)
    assert torch.allclose(native.log.time, by_torch.log.time, rtol=1e-8, atol=1e-12, equal_nan=True)
    assert float(native.log.size.nan_to_num(-1.0).max()) < 0


def test_a_sample_depends_on_no_other_one():
    problem = problems.get("lorenz")
    y0, _ = problem.sample(9, seed=3)
    times = torch.linspace(0, 5, 6, dtype=DOUBLE)
    whole = problem.solve(y0, times, method="tsit5", backend="native")
    for sample in range(9):
        alone = problem.solve(y0[sample : sample + 1], times, method="tsit5", backend="native")
        assert torch.equal(alone.y[0], whole.y[sample])
        assert torch.equal(alone.log.size[0], whole.log.size[sample, : alone.log.size.shape[1]])


def test_threads_change_nothing():
    problem = problems.get("lorenz")
    y0, _ = problem.sample(200, seed=3)
    solutions = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            solutions.append(problem.solve(y0, [0.0, 1.0, 2.0], method="tsit5", backend="native"))
    finally:
        torch.set_num_threads(before)
    one, three = solutions
    assert torch.equal(one.y, three.y)
    assert torch.equal(one.log.size.nan_to_num(), three.log.size.nan_to_num())


@pytest.mark.parametrize("method", ["euler", "midpoint", "rk4", "bosh3", "tsit5", "dopri8", "rosenbrock23", "rodas5"])
def test_uniform_steps_are_those_of_torch(method):
    """With an estimate and without; spans that differ, whose last steps are shorter; outputs inside and at the ends."""
    problem = problems.get("pushed_pendulum")
    y0, values = problem.sample(11, seed=0)
    ends = torch.linspace(0.5, 2.0, 11, dtype=DOUBLE)[:, None]
    times = ends * torch.linspace(0, 1, 6, dtype=DOUBLE)
    native, by_torch = (
        problem.solve(y0, times, values=values, method=method, step_size=0.07, backend=backend)
        for backend in ("native", "torch")
    )
    assert native.backend == "native"
    assert torch.equal(native.log.accepted, by_torch.log.accepted)
    assert torch.equal(native.log.size.nan_to_num(), by_torch.log.size.nan_to_num())
    assert torch.equal(native.log.time.nan_to_num(), by_torch.log.time.nan_to_num())
    # errors are small differences of large numbers
    assert torch.allclose(native.log.error, by_torch.log.error, rtol=1e-3, atol=1e-6, equal_nan=True)
    assert torch.allclose(native.log.stiffness, by_torch.log.stiffness, rtol=1e-3, atol=1e-6, equal_nan=True)
    assert torch.allclose(native.y, by_torch.y, rtol=1e-10, atol=1e-12)
    assert torch.equal(native.evaluations.jacobian, by_torch.evaluations.jacobian)
    if method == "dopri8":
        # torch runs the stages of an output for all samples
        assert bool((native.evaluations.function <= by_torch.evaluations.function).all())
    else:
        assert torch.equal(native.evaluations.function, by_torch.evaluations.function)


def test_uniform_steps_that_blow_up_fail_as_in_torch():
    problem = problems.parse("x' = x^2", initial=1.0)
    y0 = torch.tensor([[1.0], [0.01], [2.0]], dtype=DOUBLE)
    options = {"method": "rk4", "step_size": 0.1, "on_failure": "mask"}
    native, by_torch = (
        problem.solve(y0, torch.linspace(0, 4, 9, dtype=DOUBLE), backend=backend, **options)
        for backend in ("native", "torch")
    )
    assert [failure.sample for failure in native.failures] == [0, 2]
    assert native.failures == by_torch.failures
    assert torch.equal(native.y.isfinite(), by_torch.y.isfinite())


def test_uniform_steps_backwards_and_of_the_order_of_the_method():
    """Half the step, a sixteenth of the error."""
    problem = problems.parse("x' = v; v' = -x", initial={"x": 1.0, "v": 0.0})
    errors = [
        float((problem.solve(None, [0.0, -5.0], method="rk4", step_size=size).y[0, -1, 0] - math.cos(5.0)).abs())
        for size in (0.1, 0.05)
    ]
    assert errors[0] / errors[1] == pytest.approx(16.0, rel=0.2)


def test_dense_output_is_that_of_the_method():
    """Against a solve that ends at each time, to the order of the extension."""
    problem = problems.get("lotka_volterra")
    y0, _ = problem.sample(3, seed=0)
    times = torch.linspace(0, 4, 9, dtype=DOUBLE)
    for method in ("tsit5", "dopri8"):
        dense = problem.solve(y0, times, method=method, rtol=1e-9, atol=1e-11, backend="native").y
        for moment in range(1, len(times)):
            ending = problem.solve(y0, [0.0, float(times[moment])], method=method, rtol=1e-9, atol=1e-11).y[:, -1]
            assert torch.allclose(dense[:, moment], ending, rtol=1e-7)


FAILURES = {
    "blow-up": ("x' = x^2", {}, 1.0, [0.0, 2.0], {}),
    "too many steps": ("x' = -1e6*x", {}, 1.0, [0.0, 1.0], {"max_steps": 10}),
    "step size underflow": ("x' = -1/x", {}, 1.0, [0.0, 1.0], {}),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_failures_are_those_of_torch_with_their_messages(kind):
    text, parameters, start, times, options = FAILURES[kind]
    problem = problems.parse(text, parameters, initial=start)
    y0 = torch.tensor([[start], [0.5 * start]], dtype=DOUBLE)
    messages, masked = [], []
    for backend in ("native", "torch"):
        with pytest.raises(SolveFailed) as caught:
            problem.solve(y0, times, method="tsit5", backend=backend, **options)
        messages.append(str(caught.value))
        masked.append(problem.solve(y0, times, method="tsit5", on_failure="mask", backend=backend, **options))
    assert kind in messages[0]
    assert messages[0].split(" with step size")[0] == messages[1].split(" with step size")[0]
    native, by_torch = masked
    assert [(f.sample, f.kind) for f in native.failures] == [(f.sample, f.kind) for f in by_torch.failures]
    assert torch.equal(native.y.isnan(), by_torch.y.isnan())
    assert native.log.size.shape == by_torch.log.size.shape


def test_a_field_that_is_not_finite_at_the_start_is_refused_by_its_sample():
    problem = problems.parse("x' = log(x)", initial=1.0)
    y0 = torch.tensor([[1.0], [-1.0]], dtype=DOUBLE)
    for backend in ("native", "torch"):
        with pytest.raises(InvalidArgument, match="field at the initial state must be finite; sample 1"):
            problem.solve(y0, [0.0, 1.0], method="tsit5", backend=backend)


def test_a_long_solve_can_be_ended():
    problem = problems.get("lorenz")

    class Enough(Exception):
        pass

    asked = []

    def check():
        asked.append(threading.get_ident())
        if len(asked) == 3:
            raise Enough

    y0, _ = problem.sample(64, seed=0)
    with interruptible(check), pytest.raises(Enough):
        problem.solve(y0, [0.0, 1e4], method="tsit5", rtol=1e-10, max_steps=10**9, backend="native")
    assert set(asked) == {threading.get_ident()}


def test_when_time_is_up_what_there_is_stays():
    """Samples on their way, and those that wait, say where they are; those at their ends are whole."""
    problem = problems.get("lorenz")
    y0, _ = problem.sample(24, seed=0)
    # eight that end soon, eight on their way for long, eight that wait for a lane
    times = torch.tensor([[1.0]] * 8 + [[1e6]] * 16, dtype=DOUBLE) * torch.tensor([0.0, 1e-3, 1.0], dtype=DOUBLE)
    options = {"method": "bosh3", "max_steps": 10**9, "backend": "native"}
    asked = []

    def check():
        asked.append(None)
        if len(asked) == 8:
            raise TimeIsUp

    with interruptible(check):
        partial = problem.solve(y0, times, on_failure="mask", **options)
    assert [failure.sample for failure in partial.failures] == list(range(8, 24))
    assert {failure.kind for failure in partial.failures} == {"out of time"}
    on_the_way, waiting = partial.failures[:8], partial.failures[8:]
    assert all(0.0 < failure.time < 1e6 for failure in on_the_way)
    assert all(failure.time == 0.0 for failure in waiting)
    whole = problem.solve(y0[:8], times[:8], **options)
    assert torch.equal(whole.y, partial.y[:8])
    assert torch.equal(partial.y[:, 0], y0)
    assert bool(partial.y[8:, -1].isnan().all())
    asked.clear()
    with interruptible(check), pytest.raises(SolveFailed, match="out of time"):
        problem.solve(y0, times, **options)


def test_exact_solution_at_the_order_of_the_tolerance():
    """Kepler's circle over many turns: y' = f(y) is solved, not only agreed upon."""
    problem = problems.parse("x' = v; v' = -x", initial={"x": 1.0, "v": 0.0})
    times = torch.linspace(0, 20 * math.pi, 21, dtype=DOUBLE)
    errors = []
    for rtol in (1e-6, 1e-9):
        y = problem.solve(None, times, method="tsit5", rtol=rtol, atol=rtol, backend="native").y[0]
        errors.append(float((y[:, 0] - torch.cos(times)).abs().max()))
    assert errors[0] < 1e-3
    assert errors[1] < 1e-3 * errors[0] * 10
