"""Solves that are watched: known laws of the classes with constant coefficients, orders, peers, and divergence."""

import math

import numpy as np
import pytest
import torch

from limitlab.neural_des.stable_sde import Architecture, Diverged, Equation, StableSDE, solve_watched
from limitlab.solvers import BrownianPath

A, S = 0.5, 0.8
GROWTH = Equation("growth", lambda t, z: A * z, lambda t, z: S * z)


@torch.no_grad()
def solved(model, path, z0, *, step_size, seed, end=1.0, **options):
    return solve_watched(
        model.equation(path), torch.full((path.batch, 1), z0).double(), [0.0, end], step_size=step_size,
        method=model.method, noise=seed, **options,
    )  # fmt: skip


def test_lsde_with_a_linear_drift_is_an_ornstein_uhlenbeck_process(known, linear, still):
    """theta = 1, sigma = 0.5 after T = 5: mean 0, variance sigma^2 / (2 theta) = 0.125 (Euler adds theta h / 2)."""
    model = known("lsde", linear(-1.0), 0.5)
    z = solved(model, still(20_000, 5.0), 0.0, step_size=0.02, seed=1, end=5.0).y[:, -1]
    assert abs(float(z.var()) - 0.125) <= 0.005
    assert abs(float(z.mean())) <= 0.01


def test_gsde_with_constants_is_geometric_brownian_motion(known, still):
    """a = 0.1, s = 0.4: E z = exp(a), var log z = s^2, never zero; log-Euler is exact here."""
    model = known("gsde", 0.1, 0.4)
    assert model.method == "log_euler"
    z = solved(model, still(20_000), 1.0, step_size=0.1, seed=2).y[:, -1]
    assert float(z.mean()) == pytest.approx(math.exp(0.1), rel=0.015)
    assert float(z.log().var()) == pytest.approx(0.16, rel=0.04)
    assert float(z.min()) > 0


def test_lnsde_with_constants_has_the_second_moment_of_linear_noise(known, linear, still):
    """gamma = -z, s = 0.5: E z^2 = exp(s^2 - 2 a), by Milstein."""
    model = known("lnsde", linear(-1.0), 0.5, method="milstein")
    z = solved(model, still(20_000), 1.0, step_size=1 / 64, seed=3).y[:, -1]
    assert float(z.square().mean()) == pytest.approx(math.exp(0.25 - 2), rel=0.05)


@pytest.mark.parametrize(("rate", "s"), [(-1.0, 0.5), (0.1, 1.0)])
def test_noise_stabilises_almost_surely(known, linear, still, rate, s):
    """The Lyapunov exponent is a - s^2/2: the second equation grows without its noise, and dies with it."""
    model = known("lnsde", linear(rate), s, method="milstein")
    z = solved(model, still(1000, 20.0), 1.0, step_size=1 / 32, seed=4, end=20.0).y[:, -1]
    assert float(z.abs().log().mean() / 20) == pytest.approx(rate - s**2 / 2, abs=0.03)


def test_euler_crosses_zero_with_the_probability_of_a_normal_and_log_euler_does_not(known, still):
    """a = 0, s = 1, h = 0.25: one step is negative with probability Phi(-1 / (s sqrt h)) = 0.0228."""
    ends = {}
    for method in ("euler_maruyama", "log_euler"):
        model = known("gsde", 0.0, 1.0, method=method)
        ends[method] = solved(model, still(40_000, 0.25), 1.0, step_size=0.25, seed=5, end=0.25).y[:, -1]
    assert float((ends["euler_maruyama"] < 0).double().mean()) == pytest.approx(0.0228, abs=0.003)
    assert ends["log_euler"].min() > 0


@pytest.mark.parametrize("method", ["euler_maruyama", "milstein"])
def test_gsde_that_begins_at_zero_stays_there(method, moving):
    path, net = moving(), StableSDE("gsde", 3, 2, Architecture(width=6))
    visited = solve_watched(
        net.equation(path), torch.zeros(4, 6), [0.0, 1.0], step_size=0.05, noise=1, method=method
    )  # fmt: skip
    assert visited.states.shape == (4, 21, 6)
    assert (visited.states == 0).all()


@pytest.mark.parametrize(("method", "order", "margin"), [
    ("euler_maruyama", 0.5, 0.1), ("milstein", 1.0, 0.15), ("sri2w1", 1.5, 0.25)])  # fmt: skip
def test_schemes_have_their_strong_orders_on_linear_noise(method, order, margin):
    path = BrownianPath(6, (1000, 1), (0.0, 1.0), grid=np.linspace(0, 1, 129))
    exact = ((A - S**2 / 2) + S * path.value(1.0)).exp()
    sizes = [1 / 8, 1 / 16, 1 / 32, 1 / 64]
    z0 = torch.ones(1000, 1).double()
    ends = [solve_watched(GROWTH, z0, [0.0, 1.0], step_size=h, method=method, noise=path).y[:, -1] for h in sizes]
    errors = [float((end - exact).abs().mean()) for end in ends]
    assert np.polyfit(np.log(sizes), np.log(errors), 1)[0] == pytest.approx(order, abs=margin)


def test_euler_is_torchsde_s_euler_on_the_same_increments():
    torchsde = pytest.importorskip("torchsde")
    path = BrownianPath(7, (5, 3), (0.0, 1.0), grid=np.linspace(0, 1, 21))
    increments = path.increments(np.linspace(0, 1, 21))[0]

    class Peer(torch.nn.Module):
        noise_type, sde_type = "diagonal", "ito"

        def f(self, t, z):
            return torch.sin(z) - t * z

        def g(self, t, z):
            return 0.3 * z + t

    class Known(torchsde.BaseBrownian):
        dtype, device, shape, levy_area_approximation = torch.float64, torch.device("cpu"), (5, 3), "none"

        def __call__(self, ta, tb=None, return_U=False, return_A=False):  # noqa: N803
            return increments[round(float(ta) * 20)]

        def __repr__(self):
            return "Known()"

    z0 = torch.linspace(-1, 1, 15).double().reshape(5, 3)
    peer = torchsde.sdeint(
        Peer(), z0, torch.linspace(0, 1, 21, dtype=torch.float64), bm=Known(), method="euler", dt=0.05
    )
    ours = Equation("peer", lambda t, z: torch.sin(z) - t * z, lambda t, z: 0.3 * z + t)
    states = solve_watched(ours, z0, [0.0, 1.0], step_size=0.05, noise=path).states
    assert (states - peer.movedim(0, 1)).abs().max() <= 1e-10


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_blow_up_is_flagged_within_five_steps_and_named(dtype):
    """dz = -z^3 dt + dW from 10 with h = 0.1: the first step goes to about -90, and Euler's next ones explode."""
    cubic = Equation("cubic", lambda t, z: -(z**3), lambda t, z: torch.ones_like(z), "take tamed_euler", "additive")
    z0 = torch.tensor([[0.1], [10.0]], dtype=dtype)
    with pytest.raises(Diverged, match=r"cubic diverged: sample 1 in the step from t = .*; take tamed_euler") as caught:
        solve_watched(cubic, z0, [0.0, 2.0], step_size=0.1, noise=0)
    failure = caught.value.failures[0]
    assert (failure.sample, failure.step_size) == (1, pytest.approx(0.1))
    assert failure.time < 0.45
    masked = solve_watched(cubic, z0, [0.0, 2.0], step_size=0.1, noise=0, on_failure="mask")
    assert masked.states[0].isfinite().all()
    # until it is lost, a sample is what it is by hand
    first = (
        10
        - 0.1 * 1000
        + BrownianPath(0, (2, 1), (0.0, 2.0), grid=np.linspace(0, 2, 21), dtype=dtype).increment(0.0, 0.1)
    )
    assert float(masked.states[1, 1]) == pytest.approx(float(first[1]), rel=1e-5)
    assert masked.states[1, -10:].isnan().all()
    assert masked.largest == float("inf")
    assert [failure.sample for failure in masked.failures] == [1]


def test_a_scheme_without_its_blow_up_is_not_flagged():
    cubic = Equation("cubic", lambda t, z: -(z**3), lambda t, z: torch.ones_like(z), noise="additive")
    z0 = torch.tensor([[0.1], [10.0]])
    tamed = solve_watched(cubic, z0, [0.0, 2.0], step_size=0.1, noise=0, method="tamed_euler")
    assert tamed.failures == ()
    assert tamed.largest == 10.0


def test_asked_times_do_not_change_the_path():
    z0 = torch.ones(3, 1).double()
    few = solve_watched(GROWTH, z0, [0.0, 1.0], step_size=0.1, noise=8)
    more = solve_watched(GROWTH, z0, [0.0, 0.3, 1.0], step_size=0.1, noise=8)
    # 0.3 is not quite three times 0.1
    assert torch.allclose(few.y[:, -1], more.y[:, -1], rtol=1e-14)
    assert more.y.shape == (3, 3, 1)
    assert torch.allclose(more.y[:, 1], few.states[:, 3], rtol=1e-14)
