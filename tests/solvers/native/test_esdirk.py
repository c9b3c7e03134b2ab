"""ESDIRK methods in the lanes: Newton iterations lane by lane, the attempts, sizes and counts of torch."""

import numpy as np
import pytest
import torch

from limitlab import problems
from limitlab.solvers.failures import failed
from limitlab.solvers.methods.catalogue import METHODS
from limitlab.solvers.methods.esdirk import Esdirk
from limitlab.solvers.native.solve import made

DOUBLE = torch.float64
ESDIRK = [name for name, method in METHODS.items() if isinstance(method, Esdirk)]
STIFF = ["robertson", "van_der_pol", "oregonator", "hires", "pushed_pendulum"]


def both(problem, **options):
    y0, values = problem.sample(5, seed=1)
    times = torch.linspace(0, 0.01 * problem.span, 5, dtype=DOUBLE)
    options = {"values": values, "rtol": 1e-5, "atol": 1e-8} | options
    return [problem.solve(y0, times, backend=backend, **options) for backend in ("native", "torch")]


@pytest.mark.parametrize("method", ESDIRK)
@pytest.mark.parametrize("name", STIFF)
def test_attempts_sizes_and_counts_are_those_of_torch(name, method):
    native, by_torch = both(problems.get(name), method=method)
    assert native.backend == "native"
    assert torch.equal(native.log.accepted, by_torch.log.accepted)
    # an error far below the tolerance is a difference of rounding, and so is the size that follows it
    apart = (native.log.size / by_torch.log.size - 1).abs()
    assert float(apart.nanmedian()) < 1e-7
    assert float(apart.nan_to_num().max()) < 0.02
    assert torch.allclose(native.log.stiffness, by_torch.log.stiffness, rtol=0.01, atol=1e-9, equal_nan=True)
    assert torch.allclose(native.y, by_torch.y, rtol=1e-9, atol=1e-12)
    for part in ("function", "jacobian", "factorization"):
        assert torch.equal(getattr(native.evaluations, part), getattr(by_torch.evaluations, part))


@pytest.mark.parametrize("control", ["i", "pid"])
@pytest.mark.parametrize("method", ESDIRK)
def test_controllers_backwards_times_and_longest_steps(method, control):
    problem = problems.get("pushed_pendulum")
    y0, values = problem.sample(5, seed=0)
    times = torch.tensor([2.0, 1.5, 0.0], dtype=DOUBLE)
    options = {"values": values, "method": method, "rtol": 1e-5, "control": control, "max_step": 0.3}
    native, by_torch = (problem.solve(y0, times, backend=backend, **options) for backend in ("native", "torch"))
    assert native.backend == "native"
    assert torch.equal(native.log.accepted, by_torch.log.accepted)
    assert torch.allclose(native.log.size, by_torch.log.size, rtol=1e-5, atol=0, equal_nan=True)
    assert torch.allclose(native.y, by_torch.y, rtol=1e-9, atol=1e-12)
    assert torch.equal(native.evaluations.function, by_torch.evaluations.function)


@pytest.mark.parametrize("method", ESDIRK)
def test_uniform_steps_are_those_of_torch(method):
    problem = problems.get("pushed_pendulum")
    y0, values = problem.sample(9, seed=0)
    times = torch.linspace(0.5, 2.0, 9, dtype=DOUBLE)[:, None] * torch.linspace(0, 1, 4, dtype=DOUBLE)
    options = {"values": values, "method": method, "step_size": 0.07}
    native, by_torch = (problem.solve(y0, times, backend=backend, **options) for backend in ("native", "torch"))
    assert native.backend == "native"
    assert torch.equal(native.log.size.nan_to_num(), by_torch.log.size.nan_to_num())
    assert torch.allclose(native.y, by_torch.y, rtol=1e-10, atol=1e-12)
    assert torch.equal(native.evaluations.function, by_torch.evaluations.function)


def test_references_of_the_catalogue_are_reached():
    problem = problems.get("robertson")
    for reference in problem.references[:2]:
        end = problem.solve(None, [0.0, reference.time], method="kvaerno5", rtol=1e-8, atol=1e-14, backend="native").y[
            0, -1
        ]
        np.testing.assert_allclose(end.numpy(), reference.state, rtol=1e-6)


def test_a_lane_that_waits_is_not_moved():
    """Samples whose iterations are few and many, alone and beside each other."""
    problem = problems.get("van_der_pol")
    y0, _ = problem.sample(9, seed=2)
    values = {"mu": torch.logspace(0, 4, 9, dtype=DOUBLE)}
    times = torch.tensor([0.0, 1.0, 20.0], dtype=DOUBLE)
    together = problem.solve(y0, times, values=values, method="kvaerno5", rtol=1e-5, backend="native")
    assert len(set(together.evaluations.function.tolist())) > 4
    for sample in range(9):
        alone = problem.solve(
            y0[sample : sample + 1], times, values={"mu": values["mu"][sample : sample + 1]}, method="kvaerno5",
            rtol=1e-5, backend="native",
        )  # fmt: skip
        assert torch.equal(alone.y[0], together.y[sample])
        assert int(alone.evaluations.function) == int(together.evaluations.function[sample])


def test_steps_whose_iterations_diverge_are_rejected_as_in_torch():
    """Steps far beyond the radius of the iterations: an infinite error in the log, then a smaller step."""
    problem = problems.parse("x' = 20*sin(40*x) - x", initial=1.0)
    y0 = torch.linspace(-3, 3, 9, dtype=DOUBLE)[:, None]
    options = {"method": "kvaerno5", "rtol": 1e-4, "first_step": 0.5}
    native, by_torch = (problem.solve(y0, [0.0, 1.0], backend=backend, **options) for backend in ("native", "torch"))
    assert bool(native.log.error.isinf().any())
    assert torch.equal(native.log.error.isinf(), by_torch.log.error.isinf())
    assert torch.equal(native.log.accepted, by_torch.log.accepted)
    assert torch.equal(native.evaluations.function, by_torch.evaluations.function)


FAILURES = {
    "blow-up": ("x' = x^2", [0.0, 2.0], {"method": "kvaerno5", "rtol": 1e-6}),
    "too many steps": ("x' = cos(t) - x", [0.0, 100.0], {"max_steps": 10}),
    "step size underflow": ("x' = -1/x", [0.0, 1.0], {}),
    "blow-up of sample 0 ": ("x' = x^2", [0.0, 2.0], {"step_size": 0.4}),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_failures_are_those_of_torch(kind):
    equation, times, options = FAILURES[kind]
    problem = problems.parse(equation, initial=1.0)
    y0 = torch.tensor([[1.0], [0.5]], dtype=DOUBLE)
    options = {"method": "kvaerno3", "rtol": 1e-3, "on_failure": "mask"} | options
    native, by_torch = (problem.solve(y0, times, backend=backend, **options) for backend in ("native", "torch"))
    assert str(failed(native.failures)).startswith(kind)
    assert [(f.sample, f.kind) for f in native.failures] == [(f.sample, f.kind) for f in by_torch.failures]
    assert [f.time for f in native.failures] == pytest.approx([f.time for f in by_torch.failures], rel=1e-12)
    assert torch.equal(native.y.isnan(), by_torch.y.isnan())
    assert torch.equal(native.evaluations.function, by_torch.evaluations.function)


def test_tolerances_are_given_to_one_code():
    problem = problems.get("van_der_pol_mild")
    y0, _ = problem.sample(2, seed=0)
    before = made.cache_info().currsize
    ends = [
        problem.solve(y0, [0.0, 5.0], method="kvaerno5", rtol=rtol, atol=rtol, backend="native").y
        for rtol in (1e-4, 1e-9)
    ]
    assert made.cache_info().currsize <= before + 1
    exact = problem.solve(y0, [0.0, 5.0], method="dopri8", rtol=1e-12, atol=1e-12).y
    coarse, fine = (float((end - exact).abs().max()) for end in ends)
    assert fine < 1e-3 * coarse
