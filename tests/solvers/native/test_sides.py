"""Steps that end where a field jumps: the attempts and numbers of torch, the exact solution, the sides of a jump."""

import math

import pytest
import torch
from solvers.lanes import of_lanes

from limitlab import problems
from limitlab.solvers import solve_ode
from limitlab.solvers.failures import TooManySteps
from limitlab.solvers.native.sides import Inside

DOUBLE = torch.float64
# a jump at 1, whose own moment has no value; beside it, and alone, kinks at 0.5 and at 1.5
KINKED = problems.parse("x' = 3*pos(t - 0.5)*v - pos(t - 1.5); v' = pos(1 - t)*x - 20*v", initial={"x": 1.0, "v": 0.0})
JUMPING = problems.parse(
    "x' = 3*pos(t - 0.5)*v - pos(t - 1.5); v' = -abs(t - 1)/(t - 1)*x - 20*v", initial={"x": 1.0, "v": 0.0}
)
Y0 = torch.linspace(-1, 1, 22, dtype=DOUBLE).view(11, 2)
# a sample's own ones beside those of the field, some of them twice, some outside
STOPS = torch.cat(
    [torch.tensor([[0.5, 1.0, 1.5, 1.5, -1.0, 9.0]]).expand(11, -1), torch.linspace(0.1, 1.9, 22).view(11, 2)], 1
).double()


def both(method, times=(0.0, 0.3, 0.5, 1.2, 2.0), problem=JUMPING, **options):
    options = {"rtol": 1e-5, "atol": 1e-8} | options if "step_size" not in options else options
    jacobian = problem.jacobian() if method in ("rodas5", "kvaerno3") else None
    return [
        solve_ode(problem.field(), Y0, times, method=method, stops=STOPS, jacobian=jacobian, backend=backend, **options)
        for backend in ("native", "torch")
    ]


def made(log, column):
    """What the attempts of each sample left, without the steps of no size that torch makes between them."""
    return [row[attempted] for row, attempted in zip(column, log.attempted, strict=True)]


def assert_equal(native, by_torch):
    assert (native.backend, by_torch.backend) == ("native", "torch")
    for sizes, expected in zip(made(native.log, native.log.size), made(by_torch.log, by_torch.log.size), strict=True):
        # an error far below the tolerance is a difference of rounding, and so is the size that follows it
        apart = (sizes / expected - 1).abs()
        assert float(apart.median()) < 1e-4
        assert float(apart.max()) < 0.05
    for one, other in zip(
        made(native.log, native.log.accepted), made(by_torch.log, by_torch.log.accepted), strict=True
    ):
        assert torch.equal(one, other)
    assert torch.allclose(native.y, by_torch.y, rtol=1e-7, atol=1e-10)
    assert torch.equal(native.evaluations.jacobian, by_torch.evaluations.jacobian)


@pytest.mark.parametrize(
    ("method", "problem"),
    [("bosh3", JUMPING), ("tsit5", JUMPING), ("dopri8", JUMPING), ("kvaerno3", JUMPING), ("rodas5", KINKED)],
)
def test_attempts_and_numbers_are_those_of_torch(method, problem):
    native, by_torch = both(method, problem=problem)
    assert_equal(native, by_torch)
    if method != "dopri8":
        # of dopri8, torch runs the stages of an output for all samples
        assert torch.equal(native.evaluations.function, by_torch.evaluations.function)


@pytest.mark.parametrize("method", ["rk4", "tsit5", "rodas5"])
def test_uniform_steps_are_those_of_torch(method):
    native, by_torch = both(method, step_size=0.17, problem=KINKED)
    assert_equal(native, by_torch)
    assert bool((native.evaluations.function <= by_torch.evaluations.function).all())


def test_times_may_run_backwards():
    assert_equal(*both("tsit5", times=(2.0, 0.7, 0.0)))


def test_an_integral_with_jumps_is_exact_and_nothing_is_rejected():
    """Each step sees its own side, so that steps of a constant cost nothing."""
    problem = problems.parse("x' = 1 - abs(t - 1)/(t - 1) + 2*abs(t - 1.5)/(t - 1.5)", initial=0.0)
    y0 = torch.zeros(3, 1, dtype=DOUBLE)
    times = [0.0, 1.0, 1.25, 2.0]
    stopped = solve_ode(problem.field(), y0, times, stops=[1.0, 1.5], backend="native")
    expected = torch.tensor([0.0, 0.0, -0.5, 0.0], dtype=DOUBLE)
    assert torch.allclose(stopped.y[..., 0], expected.expand(3, -1), rtol=1e-14, atol=1e-14)
    assert int(stopped.log.rejected.sum()) == 0
    assert int(solve_ode(problem.field(), y0, times, backend="native").log.rejected.sum()) > 0


@pytest.mark.parametrize("backend", ["native", "torch"])
@pytest.mark.parametrize("method", ["rosenbrock23", "kvaerno3"])
def test_a_jacobian_that_jumps_is_that_of_the_side_of_the_step(method, backend):
    """The mode turns from falling to growing: one Jacobian of the other side, and the iterations or the order go."""
    problem = problems.parse("x' = -100*abs(t - 1)/(t - 1)*(x - 1)", initial=1.5)
    y0 = torch.tensor([[1.5]], dtype=DOUBLE)
    options = {"method": method, "stops": [1.0], "rtol": 1e-5, "atol": 1e-8}
    known, unknown = (
        solve_ode(problem.field(), y0, [0.995, 1.01], jacobian=jacobian, backend=backend, **options).log
        for jacobian in (problem.jacobian(), None)
    )
    assert torch.allclose(known.size, unknown.size, rtol=1e-3, equal_nan=True)


def test_stops_do_not_lift_the_limit_of_attempts():
    options = {"stops": torch.linspace(0, 2, 41), "max_steps": 10}
    for backend in ("native", "torch"):
        with pytest.raises(TooManySteps, match=r"sample 0 \(and 10 more samples\) at t = 0.1 with"):
            solve_ode(JUMPING.field(), Y0, [0.0, 2.0], backend=backend, **options)


def test_times_are_drawn_inside_by_units_in_the_last_place():
    t, h = [0.0, 1.0, 1e9, -3.0, 1.0, 0.0, 5.0, -1.0], [1.0, 1e-3, 1.0, 2.0, 0.0, 0.0, 1e-15, 1.0]
    start = of_lanes(lambda lanes, load: (2, Inside(lanes, load(0), load(1)).drawn(load(0))))(t, h)
    for left, size, drawn in zip(t, h, start, strict=True):
        middle = left + 0.5 * size
        assert left <= drawn <= middle or math.isclose(drawn, middle, rel_tol=1e-15)
        assert drawn - left <= 16 * math.ulp(max(abs(left), abs(left + size)))
        if size > 1e-12:
            assert drawn > left
