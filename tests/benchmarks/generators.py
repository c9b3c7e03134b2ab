"""Spectral generators against exponax 0.2.0 jitted: the same scheme, step and grid, on one processor, interleaved.

Run `python tests/benchmarks/generators.py [--rounds 15] [--only kdv ...]`; writes results/generators.json.

On an interval 32 samples of 128 points take 200 steps of ETDRK4, in the plane 8 vorticities of 64 x 64 points take 50;
both packages in single and in double precision, and exponax's steps are compiled before they are timed. Beside the
times stand the largest errors, relative to the largest value, of the waves that products leave clean: on an interval
against steps an eighth as long in torch, in the plane against steps a quarter as long of the classical method of Runge
and Kutta with u . grad w written out. exponax 0.2.0 takes the real part of its coefficients: on korteweg_de_vries,
whose symbol is imaginary, its error halves with the step.

`navier_stokes_90` makes 90 forced Navier-Stokes samples of 64 x 64 points, once; "called" makes the first 16 of them in
batches of eight, and calls the nonlinear term as a function of torch, as before there was machine code. The code of
commit c30e5b6 took 2.7 processor seconds a sample on an idle machine and 3.0 on a busy one, 0.2 to 0.3 of them in the
system for 60 to 100 thousand page faults.
"""

import math
import os
import resource
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from unittest import mock

import exponax
import jax
import numpy as np
import torch
from interleaved import compared, run
from torch import Tensor

from limitlab import problems
from limitlab.problems.pde import navier_stokes
from limitlab.solvers.pde.spectral import integrate_spectral
from limitlab.spaces import Grid, fourier, gaussian_field, inverse_fourier
from limitlab.spaces.transforms import dealias_mask, derivative_symbol, wavenumbers

SAMPLES, POINTS, STEPS = 32, 128, 200
QUICK = ("--rounds", "7", "--only", "kuramoto_sivashinsky", "burgers", "kdv", "vorticity")
FLOWS, SIDE, MOVES = 8, 64, 50
PAIRS = [("ours single", "exponax single"), ("ours double", "exponax double")]


def jitted(stepper: Callable[[], object], initial: Tensor, steps: int, double: bool) -> Callable[[], np.ndarray]:
    """The last state of exponax, which makes its coefficients in the precision that is switched on."""
    context = partial(jax.enable_x64, True) if double else nullcontext
    with context():
        roll = jax.jit(jax.vmap(exponax.repeat(stepper(), steps)))
        u = jax.numpy.asarray(initial.numpy(), dtype="float64" if double else "float32")[:, None]

    def solve() -> np.ndarray:
        with context():
            return np.asarray(roll(u).block_until_ready())[:, 0]

    return solve


def same_waves(points: int) -> float:
    """The share for which exponax, which keeps one wave less than the rule of two thirds, keeps those that we do."""
    kept = int(dealias_mask(Grid.uniform(points)).sum())
    return kept / (points // 2)


def against_exponax(
    name: str, ours: Callable[[Tensor], Tensor], stepper: Callable[[], object], steps: int, initial: Tensor,
    reference: Tensor, rounds: int,
) -> dict:  # fmt: skip
    contestants = {
        "ours single": partial(ours, initial.float()),
        "ours double": partial(ours, initial),
        "exponax single": jitted(stepper, initial, steps, False),
        "exponax double": jitted(stepper, initial, steps, True),
    }
    grid = Grid.uniform(initial.shape[1:])

    def clean(values: Tensor) -> Tensor:
        """The waves that products feed in both packages; exponax truncates before a product, not after it."""
        return inverse_fourier(fourier(values, grid) * dealias_mask(grid), grid)

    reference, errors = clean(reference), {}
    size = float(reference.abs().max())
    for contestant, solve in contestants.items():
        found = torch.as_tensor(np.asarray(solve()).copy()).double()
        errors[contestant] = float((clean(found) - reference).abs().max()) / size
    print("  errors: " + ", ".join(f"{contestant} {error:.1e}" for contestant, error in errors.items()))
    return compared(name, contestants, PAIRS, rounds, errors=errors)


def on_an_interval(name: str, stepper: Callable[[float, float], object]) -> Callable[[int], dict]:
    def measure(rounds: int) -> dict:
        problem = problems.get(name)
        grid, span = problem.grid(POINTS), STEPS * problem.dt
        initial = problem.initial.sample(grid, SAMPLES, 0, 0, problem.values)

        def ours(u: Tensor) -> Tensor:
            return problem.integrate(u, grid, np.array([0.0, span]))[:, -1]

        symbol, term = problem.tendency(grid, initial)
        # a bare function is called: the reference is no machine code
        fine = integrate_spectral(initial, grid, symbol, lambda v: term(v), [0.0, span], dt=problem.dt / 8)[:, -1]
        return against_exponax(name, ours, partial(stepper, grid.lengths[0], problem.dt), STEPS, initial, fine, rounds)

    return measure


def vorticity(rounds: int) -> dict:
    problem, dt, nu = problems.get("kolmogorov", nu=0.01, drag=0.0), 0.02, 0.01
    grid = Grid.uniform((SIDE, SIDE), lengths=2 * math.pi)
    initial = 3 * gaussian_field(grid, FLOWS, 0, alpha=4.0, tau=3.0, sigma=27.0)

    def ours(w: Tensor) -> Tensor:
        symbol, term = problem.tendency(grid, torch.zeros_like(w[:1]))
        return integrate_spectral(w, grid, symbol, term, [0.0, MOVES * dt], dt=dt)[:, -1]

    reference = runge_kutta(initial, grid, nu, dt / 4, 4 * MOVES)
    # its velocity is that of ours with the other sign, since it takes w for Laplacian psi
    stepper = partial(
        exponax.stepper.NavierStokesVorticity, 2, 2 * math.pi, SIDE, dt, diffusivity=nu,
        vorticity_convection_scale=-1.0, dealiasing_fraction=same_waves(SIDE),
    )  # fmt: skip
    return against_exponax("vorticity", ours, stepper, MOVES, initial, reference, rounds)


def runge_kutta(w: Tensor, grid: Grid, nu: float, dt: float, steps: int) -> Tensor:
    """w_t = nu Laplacian w - u . grad w, with products of truncated fields truncated again."""
    kx, ky = wavenumbers(grid)
    squared, mask = kx**2 + ky**2, dealias_mask(grid)
    dx, dy = derivative_symbol(grid, 0), derivative_symbol(grid, 1)
    stream = mask / squared.clamp_min(1e-9) * (squared > 0)

    def slope(v: Tensor) -> Tensor:
        parts = (dy * stream * v, -dx * stream * v, dx * mask * v, dy * mask * v)
        velocity_x, velocity_y, w_x, w_y = (inverse_fourier(part, grid) for part in parts)
        return -nu * squared * v - mask * fourier(velocity_x * w_x + velocity_y * w_y, grid)

    v = fourier(w, grid)
    for _ in range(steps):
        a = slope(v)
        b = slope(v + dt / 2 * a)
        c = slope(v + dt / 2 * b)
        v = v + dt / 6 * (a + 2 * b + 2 * c + slope(v + dt * c))
    return inverse_fourier(v, grid)


def forced_flows(rounds: int) -> dict:
    """Once, whatever the rounds: minutes."""
    problem = problems.get("navier_stokes_forced")
    problem.simulate(1, 0, SIDE)
    batches = mock.patch.object(navier_stokes, "POINTS_PER_BATCH", 2**17)
    uncompiled = mock.patch.object(navier_stokes.VorticityTransport, "compiled", return_value=None)
    compiled = timed(lambda: problem.simulate(90, 0, SIDE)["w"].values, 90)
    with batches, uncompiled:
        called = timed(lambda: problem.simulate(16, 0, SIDE)["w"].values, 16)
    flows, old = compiled.pop("result"), called.pop("result")
    ratio = called["processor_seconds_a_sample"] / compiled["processor_seconds_a_sample"]
    difference = float(np.abs(flows[:16] - old).max() / np.abs(old).max())
    print(f"navier_stokes_90: {compiled}, called {called}; called / compiled {ratio:.2f}, difference {difference:.1e}")
    return {
        "name": "navier_stokes_90", "compiled": compiled, "called": called, "processor_ratio": ratio,
        "largest_difference": difference,
    }  # fmt: skip


def timed(make: Callable[[], np.ndarray], samples: int) -> dict:
    before, faults, start = time.process_time(), resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    result = make()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "samples": samples,
        "processor_seconds_a_sample": (time.process_time() - before) / samples,
        "system_seconds_a_sample": (after.ru_stime - faults.ru_stime) / samples,
        "page_faults_a_sample": (after.ru_minflt - faults.ru_minflt) / samples,
        "wall_seconds_a_sample": (time.perf_counter() - start) / samples,
        "result": result,
    }


BENCHMARKS = {
    "kuramoto_sivashinsky": on_an_interval(
        "kuramoto_sivashinsky",
        lambda length, dt: exponax.stepper.KuramotoSivashinskyConservative(
            1, length, POINTS, dt, dealiasing_fraction=same_waves(POINTS)
        ),
    ),
    "burgers": on_an_interval(
        "burgers",
        lambda length, dt: exponax.stepper.Burgers(
            1, length, POINTS, dt, diffusivity=0.1, conservative=True, dealiasing_fraction=same_waves(POINTS)
        ),
    ),
    "kdv": on_an_interval(
        "korteweg_de_vries",
        lambda length, dt: exponax.stepper.KortewegDeVries(
            1,
            length,
            POINTS,
            dt,
            convection_scale=6.0,
            hyper_diffusivity=0.0,
            conservative=True,
            dealiasing_fraction=same_waves(POINTS),
        ),
    ),
    "vorticity": vorticity,
    "navier_stokes_90": forced_flows,
}

if __name__ == "__main__":
    # XLA would use every processor
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    run("generators", __doc__, BENCHMARKS, ["torch", "jax", "exponax"])
