"""Uniform steps by machine code: torch's noise, torch's numbers for every scheme, its failures, its order."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

from limitlab import problems
from limitlab.interruption import TimeIsUp, interruptible
from limitlab.solvers import BrownianPath, SolveFailed, solve_sde
from limitlab.solvers.sde.native.solve import cells_from
from limitlab.solvers.sde.schemes import SCHEMES

DOUBLE = torch.float64
# by the noise that they have: exponentials, roots, time, two channels
NOISES = {
    "diagonal": "dX = (X - X^3)*dt + 0.3*X*dW1; dY = (sin(t) - Y)*dt + 0.2*sqrt(1 + Y^2)*dW2",
    "scalar": "dX = (Y - X)*dt + 0.2*X*dW; dY = X*(1 - Y)*dt + 0.1*Y*cos(t)*dW",
    "additive": "dX = (Y - X)*dt + 0.3*(1 + cos(t))*dW1; dY = -sin(X)*dt + 0.1*dW1 + 0.2*dW2",
    "commutative": "dX = -X*dt + 0.2*X*dW1 + 0.1*X*dW2; dY = X*dt + 0.3*Y*dW1 - 0.1*Y*dW2",
    "general": "dX = -X*dt + 0.2*Y*dW1 + 0.1*dW2; dY = X*dt + 0.3*X*Y*dW2",
}
CASES = [
    (method, noise, calculus)
    for method, scheme in SCHEMES.items()
    for calculus in ("ito", "stratonovich")
    for noise in (scheme.ito if calculus == "ito" else scheme.stratonovich)
    # additive noise has no calculus
    if (noise, calculus) != ("additive", "stratonovich")
]


def both(problem, y0, times, **options):
    return [problem.solve(y0, times, backend=backend, **options) for backend in ("native", "torch")]


def states(samples, size=2):
    generator = torch.Generator().manual_seed(3)
    return 0.5 + torch.rand(samples, size, generator=generator, dtype=DOUBLE)


@pytest.mark.parametrize(("method", "noise", "calculus"), CASES)
def test_every_scheme_gives_the_numbers_of_torch(method, noise, calculus):
    problem = problems.parse(NOISES[noise])
    assert problem.noise == noise
    options = {"method": method, "calculus": calculus, "seed": 7, "step_size": 0.05}
    native, by_torch = both(problem, states(11), [0.0, 0.5, 1.0], **options)
    assert (native.backend, by_torch.backend) == ("native", "torch")
    assert torch.allclose(native.y, by_torch.y, rtol=1e-11, atol=1e-13)
    assert torch.equal(native.y[:, 0], by_torch.y[:, 0])
    assert torch.equal(native.evaluations.function, by_torch.evaluations.function)
    assert torch.equal(native.log.time, by_torch.log.time)


LISTED = [name for name in problems.names("sde") if not problems.get(name).sites]


@pytest.mark.parametrize("name", LISTED)
def test_every_problem_without_sites_gives_the_numbers_of_torch(name):
    problem = problems.get(name)
    y0, values = problem.sample(9, seed=1)
    # short enough that chaos does not raise rounding
    times = torch.linspace(0, 50 * problem.step_size, 3, dtype=DOUBLE)
    native, by_torch = both(problem, y0, times, values=values, seed=2)
    assert torch.allclose(native.y, by_torch.y, rtol=1e-9, atol=1e-11)


def test_parameters_of_each_sample():
    problem = problems.get("geometric_brownian")
    values = {"mu": torch.linspace(-0.5, 0.5, 13, dtype=DOUBLE), "sigma": torch.tensor([0.3], dtype=DOUBLE)}
    native, by_torch = both(problem, states(13, 1), [0.0, 1.0], values=values, seed=0)
    assert torch.allclose(native.y, by_torch.y, rtol=1e-13)
    growth = (native.y[:, 1] / native.y[:, 0]).log()[:, 0]
    assert float(torch.corrcoef(torch.stack([growth, values["mu"]]))[0, 1]) > 0.5


def test_a_sample_depends_on_no_other_one():
    problem, y0 = problems.parse(NOISES["diagonal"]), states(9)
    options = {"method": "sri2w1", "step_size": 0.1, "backend": "native"}
    path = {"span": (0.0, 1.0), "grid": np.arange(11) / 10}
    whole = problem.solve(y0, [0.0, 1.0], brownian=BrownianPath(5, (9, 2), **path), **options)
    for sample in range(9):
        alone = BrownianPath(5, (1, 2), samples=[sample], **path)
        assert torch.equal(problem.solve(y0[sample][None], [0.0, 1.0], brownian=alone, **options).y[0], whole.y[sample])


def test_threads_change_nothing():
    problem, y0, before = problems.parse(NOISES["scalar"]), states(200), torch.get_num_threads()
    solutions = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            solutions.append(problem.solve(y0, [0.0, 0.5, 1.0], seed=1, step_size=0.1, backend="native").y)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*solutions)


PATHS = {
    "times between the steps": ([0.0, 0.33, 1.0], None),
    "finer cells": ([0.0, 0.5, 1.0], np.arange(41) / 40),
    "no cells": ([0.0, 0.5, 1.0], None),
    "cells from an odd one on": ([0.3, 0.5, 1.0], np.arange(11) / 10),
}


@pytest.mark.parametrize("case", PATHS)
@pytest.mark.parametrize("method", ["milstein", "sri2w1"])
def test_any_path_is_the_same_path(case, method):
    times, grid = PATHS[case]
    problem, y0 = problems.parse(NOISES["diagonal"]), states(10)
    options = {"method": method, "step_size": 0.1}
    if case == "times between the steps":
        options["seed"] = 3
    else:
        options["brownian"] = BrownianPath(3, (10, 2), (0.0, 1.0), grid=grid)
    native, by_torch = both(problem, y0, times, **options)
    assert torch.allclose(native.y, by_torch.y, rtol=1e-11, atol=1e-13)


def test_cells_are_those_of_the_path_one_after_another():
    path = BrownianPath(0, (1, 1), (0.0, 1.0), grid=[0.0, 0.25, 0.5, 1.0])
    assert cells_from(path, np.array([0.25, 0.5, 1.0])) == 1
    assert cells_from(path, np.array([0.0, 0.5, 1.0])) is None
    assert cells_from(path, np.array([0.0, 0.25, 0.4])) is None


@pytest.mark.parametrize(("method", "order"), [("euler_maruyama", 0.5), ("milstein", 1.0), ("sri2w1", 1.5)])
def test_strong_order_on_geometric_brownian_motion(method, order):
    """Against X_0 exp((mu - sigma^2/2) t + sigma W) on the same path, whose cells are the finest steps."""
    problem = problems.get("geometric_brownian", mu=0.5, sigma=0.8)
    path = BrownianPath(11, (2000, 1), (0.0, 1.0), grid=np.arange(129) / 128)
    y0 = torch.ones(2000, 1, dtype=DOUBLE)
    exact = problem.solution_at(torch.ones(1, dtype=DOUBLE), path.value(1.0)[:, None], y0)[:, 0]
    errors = [
        float((problem.solve(y0, [0.0, 1.0], method=method, brownian=path, step_size=1 / steps, backend="native")
               .y[:, 1] - exact).square().mean().sqrt())
        for steps in (16, 32, 64, 128)
    ]  # fmt: skip
    assert -np.polyfit(range(4), np.log2(errors), 1)[0] == pytest.approx(order, abs=0.2)


def test_moments_are_those_that_are_known():
    """Four deviations of the mean: of other noise than standard normals, the variance would differ."""
    problem, samples = problems.get("ornstein_uhlenbeck"), 20_000
    y = problem.solve(torch.full((samples, 1), 2.0, dtype=DOUBLE), [0.0, 1.0], seed=4, backend="native").y[:, 1, 0]
    known = problem.moments([0.0, 1.0])
    mean, variance = float(known["mean"][1, 0]), float(known["variance"][1, 0])
    assert float(y.mean()) == pytest.approx(mean, abs=4 * (variance / samples) ** 0.5)
    assert float(y.var()) == pytest.approx(variance, rel=4 * (2 / samples) ** 0.5)


@pytest.mark.parametrize("options", [{}, {"step_size": 0.07}])
def test_blown_up_samples_are_those_of_torch_with_their_messages(options):
    problem = problems.parse("dX = X^3*dt + 0.1*X*dW")
    y0 = torch.tensor([[0.1], [3.0], [0.2], [5.0], [0.9]], dtype=DOUBLE)
    options = {"seed": 0, "step_size": 0.1, "method": "euler_maruyama", **options}
    messages = []
    for backend in ("native", "torch"):
        with pytest.raises(SolveFailed, match="blow-up of sample 1") as caught:
            problem.solve(y0, [0.0, 10.0], backend=backend, **options)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    times = np.linspace(0, 10, 21).tolist()
    native, by_torch = both(problem, y0, times, on_failure="mask", **options)
    assert native.failures == by_torch.failures
    assert torch.equal(native.y.isnan(), by_torch.y.isnan())
    assert torch.allclose(native.y, by_torch.y, rtol=1e-9, equal_nan=True)
    assert torch.equal(native.log.accepted, by_torch.log.accepted)


def test_a_field_that_is_not_finite_at_the_start_is_refused_by_its_sample():
    problem = problems.parse("dX = log(X)*dt + 0.1*X*dW")
    with pytest.raises(ValueError, match="drift at the initial state must be finite; sample 1"):
        problem.solve(torch.tensor([[1.0], [-1.0]], dtype=DOUBLE), [0.0, 1.0], seed=0, step_size=0.1, backend="native")


def test_when_time_is_up_what_was_stepped_stays():
    problem, y0 = problems.get("geometric_brownian"), states(20, 1)
    times, asked = torch.linspace(0, 1, 65, dtype=DOUBLE), []
    options = {"seed": 0, "step_size": 1 / 256, "backend": "native"}

    def check():
        asked.append(threading.get_ident())
        if len(asked) == 3:
            raise TimeIsUp

    with interruptible(check):
        part = problem.solve(y0, times, on_failure="mask", **options)
    # two blocks of 64 steps
    assert {(failure.kind, failure.time) for failure in part.failures} == {("out of time", 0.5)}
    assert len(part.failures) == 20
    assert torch.equal(part.y[:, :33], problem.solve(y0, times, **options).y[:, :33])
    assert bool(part.y[:, 33:].isnan().all())
    assert set(asked) == {threading.get_ident()}
    asked.clear()
    with interruptible(check), pytest.raises(SolveFailed, match="out of time"):
        problem.solve(y0, times, **options)


def test_a_bare_pair_of_formulas_is_made_so_too():
    problem = problems.parse(NOISES["diagonal"])
    solution = solve_sde(problem.drift(), problem.diffusion(), states(3), [0.0, 1.0], seed=0, step_size=0.1)
    assert solution.backend == "native"


def test_no_cache_on_the_disk_is_needed(tmp_path):
    """Where numba finds no folder to write to, ordinary equations fall to torch; this code is LLVM's alone."""
    folder = tmp_path / "unwritable"
    folder.write_text("a file where a folder would be")
    script = (
        "from limitlab import problems; import sys;"
        "print(problems.get('geometric_brownian').solve(seed=0, backend='native').backend, 'numba' in sys.modules)"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder / "cache")}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["native", "False"]
