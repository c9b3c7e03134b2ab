"""Schemes for stochastic equations: strong and weak orders, invariants, positivity, a peer."""

import math

import numpy as np
import pytest
import torch
from solvers.toys import DOUBLE, GROWTH, VOLATILITY, geometric_diffusion, spiral, wavy

from limitlab.solvers.failures import SolutionBlewUp
from limitlab.solvers.sde.brownian import BrownianPath
from limitlab.solvers.sde.solve import solve_sde


def order(errors):
    """Slope of the error over halved steps."""
    return float(np.polyfit(-np.arange(len(errors)) * math.log(2), np.log(errors), 1)[0])


def geometric_error(method, noise, calculus, steps, samples=500):
    """Mean distance at time one from the pathwise solution of geometric Brownian motion."""
    path = BrownianPath(1, (samples, 1), (0.0, 1.0), grid=np.linspace(0, 1, 257))
    y0 = torch.ones(samples, 1, dtype=DOUBLE)
    solution = solve_sde(
        lambda t, y: GROWTH * y, geometric_diffusion(noise), y0, [0.0, 1.0], brownian=path, method=method,
        noise=noise, calculus=calculus, step_size=1 / steps,
    )  # fmt: skip
    rate = GROWTH - VOLATILITY**2 / 2 if calculus == "ito" else GROWTH
    exact = torch.exp(rate + VOLATILITY * path.increment(0.0, 1.0))
    return float((solution.y[:, -1] - exact).abs().mean())


@pytest.mark.parametrize(
    ("method", "noise", "calculus", "expected"),
    [
        ("euler_maruyama", "diagonal", "ito", 0.5),
        ("tamed_euler", "diagonal", "ito", 0.5),
        ("milstein", "diagonal", "ito", 1.0),
        ("milstein", "scalar", "ito", 1.0),
        ("milstein", "commutative", "ito", 1.0),
        ("milstein", "diagonal", "stratonovich", 1.0),
        ("milstein", "scalar", "stratonovich", 1.0),
        ("milstein", "commutative", "stratonovich", 1.0),
        ("heun", "diagonal", "stratonovich", 1.0),
        ("heun", "general", "stratonovich", 1.0),
        ("euler_heun", "diagonal", "stratonovich", 1.0),
        ("reversible_heun", "diagonal", "stratonovich", 1.0),
        ("sri2w1", "diagonal", "ito", 1.5),
        ("sri2w1", "scalar", "ito", 1.5),
    ],
)
def test_strong_order_on_geometric_brownian_motion(method, noise, calculus, expected):
    errors = [geometric_error(method, noise, calculus, steps) for steps in (16, 32, 64, 128)]
    assert order(errors) == pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize("calculus", ["ito", "stratonovich"])
def test_log_euler_is_exact_for_geometric_brownian_motion(calculus):
    assert geometric_error("log_euler", "diagonal", calculus, 8) <= 1e-13
    assert geometric_error("log_euler", "general", calculus, 8) <= 1e-13


def additive(method, steps, path):
    samples = path.shape[0]

    def diffusion(t, y):
        return (1 + 0.5 * torch.cos(3 * t)).expand(samples, 1)[..., None]

    return solve_sde(
        lambda t, y: torch.sin(2 * y) - y, diffusion, torch.ones(samples, 1, dtype=DOUBLE), [0.0, 1.0], brownian=path,
        method=method, noise="additive", step_size=1 / steps,
    ).y[:, -1]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "expected", "margin"),
    [
        ("euler_maruyama", 1.0, 0.2),
        ("heun", 1.0, 0.2),
        # order one is what is proved; a time-dependent diffusion shows a quarter more
        ("reversible_heun", 1.0, 0.4),
        ("sra1", 1.5, 0.2),
        ("sri2w1", 1.5, 0.2),
    ],
)
def test_strong_order_with_additive_noise_and_a_nonlinear_drift(method, expected, margin):
    path = BrownianPath(2, (400, 1), (0.0, 1.0), grid=np.linspace(0, 1, 1025))
    reference = additive("sra1", 1024, path)
    errors = [float((additive(method, steps, path) - reference).abs().mean()) for steps in (8, 16, 32, 64, 128)]
    assert order(errors) == pytest.approx(expected, abs=margin)


@pytest.mark.parametrize(("method", "calculus"), [("euler_maruyama", "ito"), ("heun", "stratonovich")])
def test_levy_area_pair_has_order_one_half_without_areas(method, calculus):
    samples, fine = 500, 512
    path = BrownianPath(4, (samples, 2), (0.0, 1.0), grid=np.linspace(0, 1, fine + 1))
    w, _ = path.increments(np.linspace(0, 1, fine + 1))
    exact = ((w.cumsum(0) - w / 2)[..., 0] * w[..., 1]).sum(0)

    def diffusion(t, y):
        one, zero = torch.ones_like(y[:, 0]), torch.zeros_like(y[:, 0])
        return torch.stack([torch.stack([one, zero], 1), torch.stack([zero, y[:, 0]], 1)], 1)

    def error(steps):
        solution = solve_sde(
            lambda t, y: torch.zeros_like(y), diffusion, torch.zeros(samples, 2, dtype=DOUBLE), [0.0, 1.0],
            brownian=path, method=method, noise="general", calculus=calculus, step_size=1 / steps,
        )  # fmt: skip
        return float((solution.y[:, -1, 1] - exact).square().mean().sqrt())

    assert order([error(steps) for steps in (4, 8, 16, 32)]) == pytest.approx(0.5, abs=0.2)


def test_euler_maruyama_has_weak_order_one():
    samples, growth, volatility = 4000, 1.5, 0.1
    path = BrownianPath(5, (samples, 1), (0.0, 1.0), grid=np.linspace(0, 1, 65))
    exact = torch.exp(growth - volatility**2 / 2 + volatility * path.increment(0.0, 1.0))
    errors = []
    for steps in (8, 16, 32, 64):
        solution = solve_sde(
            lambda t, y: growth * y, lambda t, y: volatility * y, torch.ones(samples, 1, dtype=DOUBLE), [0.0, 1.0],
            brownian=path, step_size=1 / steps,
        )  # fmt: skip
        # the same paths on both sides take the sampling error out of the difference of means
        errors.append(abs(float((solution.y[:, -1] - exact).mean())))
    assert order(errors) == pytest.approx(1.0, abs=0.2)


def kubo(method, calculus, noise="scalar", step_size=0.01):
    def turned(y):
        return torch.stack([-y[:, 1], y[:, 0]], 1)

    y0 = torch.tensor([[1.0, 0.0]], dtype=DOUBLE).expand(200, 2)
    solution = solve_sde(
        lambda t, y: turned(y), lambda t, y: 0.5 * turned(y)[..., None], y0, [0.0, 5.0], seed=6, method=method,
        noise=noise, calculus=calculus, step_size=step_size,
    )  # fmt: skip
    return solution.y[:, -1].norm(dim=1)


@pytest.mark.parametrize("method", ["heun", "euler_heun", "milstein", "reversible_heun"])
def test_kubo_oscillator_keeps_its_radius_in_stratonovich_calculus(method):
    # Euler steps of the drift let the radius grow by h t / 2 = 0.0125
    assert float((kubo(method, "stratonovich", step_size=0.005) - 1).abs().mean()) < 0.03


def test_kubo_oscillator_leaves_its_circle_in_ito_calculus():
    # E |z|^2 = exp(sigma^2 t) = 3.5 at t = 5
    assert float(kubo("euler_maruyama", "ito").square().mean()) == pytest.approx(math.exp(1.25), rel=0.1)


def test_log_euler_keeps_states_positive_where_euler_crosses_zero():
    problem = (lambda t, y: 2 * (1 - y), lambda t, y: 1.5 * y, torch.full((500, 1), 0.2, dtype=DOUBLE), [0.0, 2.0])
    positive = solve_sde(*problem, seed=7, method="log_euler", step_size=0.25)
    crossing = solve_sde(*problem, seed=7, step_size=0.25)
    assert float(positive.y.min()) > 0 > float(crossing.y.min())


def ginzburg_landau(method, y0=12.0):
    return solve_sde(
        lambda t, y: y - y**3 + y / 8, lambda t, y: 0.5 * y, torch.full((100, 1), y0, dtype=DOUBLE), [0.0, 5.0],
        seed=8, method=method, step_size=0.1,
    ).y[:, -1]  # fmt: skip


def test_tamed_euler_stays_bounded_where_euler_diverges():
    assert float(ginzburg_landau("tamed_euler").abs().max()) < 10
    with pytest.raises(SolutionBlewUp):
        ginzburg_landau("euler_maruyama")


def behind_the_interface_of_torchsde(path):
    torchsde = pytest.importorskip("torchsde")

    class Shared(torchsde.BaseBrownian):
        dtype, device, shape = path.dtype, path.device, path.shape
        levy_area_approximation = "space-time"

        def __repr__(self):
            return repr(path)

        def __call__(self, ta, tb=None, return_U=False, return_A=False):  # noqa: N803
            w, h = path.increment_and_area(float(ta), float(tb))
            return (w, (float(tb) - float(ta)) * (w / 2 + h)) if return_U else w

    return Shared()


@pytest.mark.parametrize(
    ("method", "peer", "noise", "calculus"),
    [
        ("euler_maruyama", "euler", "diagonal", "ito"),
        ("euler_maruyama", "euler", "general", "ito"),
        ("milstein", "milstein", "diagonal", "ito"),
        ("milstein", "milstein", "diagonal", "stratonovich"),
        ("sri2w1", "srk", "diagonal", "ito"),
        ("heun", "heun", "general", "stratonovich"),
        ("euler_heun", "euler_heun", "diagonal", "stratonovich"),
        ("euler_heun", "euler_heun", "general", "stratonovich"),
        ("reversible_heun", "reversible_heun", "diagonal", "stratonovich"),
    ],
)
def test_schemes_agree_with_torchsde_on_the_same_increments(method, peer, noise, calculus):
    torchsde = pytest.importorskip("torchsde")
    times = np.linspace(0, 1, 17)
    y0 = torch.linspace(-1, 1, 10, dtype=DOUBLE).view(5, 2)
    path = BrownianPath(18, (5, 2), (0.0, 1.0), grid=times)

    def diffusion(t, y):
        return wavy(t, y) if noise == "diagonal" else torch.stack([wavy(t, y), torch.cos(y)], -1)

    class Peer(torch.nn.Module):
        noise_type, sde_type = noise, calculus

        def f(self, t, y):
            return spiral(t.expand(5, 1), y)

        def g(self, t, y):
            return diffusion(t, y)

    theirs = torchsde.sdeint(
        Peer(), y0, torch.tensor(times[[0, 8, 16]]), bm=behind_the_interface_of_torchsde(path), dt=1 / 16, method=peer
    )
    ours = solve_sde(
        spiral, diffusion, y0, times[[0, 8, 16]], brownian=path, method=method, noise=noise, calculus=calculus,
        step_size=1 / 16,
    )  # fmt: skip
    assert float((ours.y - theirs.transpose(0, 1)).abs().max()) <= 1e-10
