"""Stochastic equations: strong and weak orders, invariants, adaptive steps on one path, and failure in words."""

import math

import numpy as np
import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.solvers.failures import SolutionBlewUp, TooManySteps
from limitlab.solvers.ode.solve import solve_ode
from limitlab.solvers.sde.brownian import BrownianPath
from limitlab.solvers.sde.schemes import SCHEMES
from limitlab.solvers.sde.solve import solve_sde

DOUBLE = torch.float64
GROWTH, VOLATILITY = 0.5, 0.8


def order(errors):
    """Slope of the error over halved steps."""
    return float(np.polyfit(-np.arange(len(errors)) * math.log(2), np.log(errors), 1)[0])


def geometric_diffusion(noise):
    if noise == "diagonal":
        return lambda t, y: VOLATILITY * y
    return lambda t, y: VOLATILITY * y[..., None]


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


@pytest.mark.parametrize(("method", "calculus"), [("milstein", "ito"), ("heun", "stratonovich")])
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
            brownian=path, method=method, noise="commutative", calculus=calculus, step_size=1 / steps,
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


def spiral(t, y):
    return torch.stack([torch.sin(t[:, 0]) - y[:, 0] * y[:, 1], torch.tanh(y[:, 0]) - y[:, 1]], 1)


def wavy(t, y):
    return 0.3 + 0.2 * torch.sin(y + t)


def test_steps_end_at_the_asked_times_and_do_not_interpolate():
    y0 = torch.ones(4, 2, dtype=DOUBLE)
    path = BrownianPath(9, (4, 2), (0.0, 1.0))
    asked = [0.0, 0.1, 0.37, 1.0]
    uniform = solve_sde(spiral, wavy, y0, asked, brownian=path, step_size=0.1)
    ends = uniform.log.time + uniform.log.size
    assert all(float((ends - time).abs().min()) < 1e-15 for time in asked[1:])
    assert uniform.log.size.shape == (4, 11)
    fewer = solve_sde(spiral, wavy, y0, [0.0, 0.37], brownian=path, step_size=0.1)
    assert torch.equal(fewer.y[:, -1], uniform.y[:, 2])


def test_other_asked_times_see_the_same_noise():
    y0 = torch.zeros(4, 1, dtype=DOUBLE)
    problem = (lambda t, y: torch.zeros_like(y), lambda t, y: torch.ones_like(y), y0)
    few = solve_sde(*problem, [0.0, 1.0], seed=10, step_size=0.1)
    many = solve_sde(*problem, [0.0, 0.05, 0.123, 0.9, 1.0], seed=10, step_size=0.1)
    assert float((few.y[:, -1] - many.y[:, -1]).abs().max()) <= 1e-14


@pytest.mark.parametrize("method", ["heun", "milstein", "euler_heun"])
def test_rejected_steps_leave_the_path_as_it_is(method):
    path = BrownianPath(11, (50, 1), (0.0, 2.0))
    weights = torch.tensor([[2.0, 0.0], [0.0, 1.0]], dtype=DOUBLE)

    def geometric_and_counter(t, y):
        return (y @ weights + torch.tensor([0.0, 1.0], dtype=DOUBLE) * (1 - y))[..., None]

    solution = solve_sde(
        lambda t, y: torch.zeros_like(y), geometric_and_counter,
        torch.tensor([[1.0, 0.0]], dtype=DOUBLE).expand(50, 2), [0.0, 0.5, 2.0], brownian=path, method=method,
        noise="scalar", calculus="stratonovich", first_step=0.5, rtol=3e-2, atol=1e-2,
    )  # fmt: skip
    assert float(solution.log.rejected.double().mean()) > 5
    for place, time in enumerate((0.5, 2.0), start=1):
        assert float((solution.y[:, place, 1:] - path.value(time)).abs().max()) <= 1e-12


@pytest.mark.parametrize(
    ("method", "calculus"),
    [("milstein", "ito"), ("sri2w1", "ito"), ("heun", "stratonovich"), ("euler_heun", "stratonovich")],
)
def test_adaptive_errors_fall_with_the_tolerance(method, calculus):
    path = BrownianPath(12, (100, 1), (0.0, 1.0))
    rate = GROWTH - VOLATILITY**2 / 2 if calculus == "ito" else GROWTH
    exact = torch.exp(rate + VOLATILITY * path.increment(0.0, 1.0))
    errors = []
    for tolerance in (1e-1, 1e-2, 1e-3):
        solution = solve_sde(
            lambda t, y: GROWTH * y, geometric_diffusion("diagonal"), torch.ones(100, 1, dtype=DOUBLE), [0.0, 1.0],
            brownian=path, method=method, calculus=calculus, rtol=tolerance, atol=tolerance,
        )  # fmt: skip
        errors.append(float((solution.y[:, -1] - exact).abs().mean()))
    assert errors[0] > 3 * errors[1] > 9 * errors[2]


def test_shared_steps_are_the_same_for_all_samples():
    solution = solve_sde(
        spiral, wavy, torch.rand(8, 2, dtype=DOUBLE), [0.0, 1.0], seed=13, method="heun", calculus="stratonovich",
        shared_steps=True,
    )  # fmt: skip
    assert torch.equal(solution.log.size, solution.log.size[:1].expand(8, -1))
    assert int(solution.log.steps[0]) > 3


def test_samples_with_times_of_their_own_agree_with_themselves_alone():
    times = torch.tensor([[0.0, 0.5, 1.0], [0.2, 0.3, 0.9]], dtype=DOUBLE)
    y0 = torch.ones(2, 2, dtype=DOUBLE)
    path = BrownianPath(14, (2, 2), (0.0, 1.0))
    for options in ({"step_size": 0.125}, {"rtol": 1e-2}):
        common = {"method": "heun", "calculus": "stratonovich", **options}
        both = solve_sde(spiral, wavy, y0, times, brownian=path, **common)
        second = BrownianPath(14, (1, 2), (0.0, 1.0), samples=[1])
        alone = solve_sde(spiral, wavy, y0[1:], times[1:], brownian=second, **common)
        assert torch.equal(both.y[1:], alone.y)


@pytest.mark.parametrize(
    ("method", "noise", "calculus", "step_size"),
    [
        ("euler_maruyama", "diagonal", "ito", 0.05),
        ("sri2w1", "diagonal", "ito", 0.05),
        ("heun", "diagonal", "stratonovich", None),
        ("milstein", "diagonal", "ito", None),
        ("heun", "general", "stratonovich", None),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_a_sample_is_bitwise_the_same_alone_and_in_a_batch_of_256(method, noise, calculus, step_size, dtype):
    y0 = torch.linspace(-1, 1, 512, dtype=dtype).view(256, 2)

    def diffusion(t, y):
        return wavy(t, y) if noise == "diagonal" else torch.stack([wavy(t, y), torch.cos(y), y], -1)

    def solve(samples):
        path = BrownianPath(
            15, (len(samples), 2 if noise == "diagonal" else 3), (0.0, 1.0), samples=samples, dtype=dtype
        )
        return solve_sde(
            spiral, diffusion, y0[samples], [0.0, 0.3, 1.0], brownian=path, method=method, noise=noise,
            calculus=calculus, step_size=step_size,
        )  # fmt: skip

    everybody, alone = solve(list(range(256))), solve([101])
    assert torch.equal(everybody.y[101:102], alone.y)
    steps = alone.log.size.shape[1]
    assert torch.equal(everybody.log.size[101:102, :steps], alone.log.size)


def test_the_same_seed_gives_the_same_numbers():
    def solve(seed):
        return solve_sde(spiral, wavy, torch.ones(3, 2), [0.0, 1.0], seed=seed, step_size=0.01).y

    assert torch.equal(solve(16), solve(16))
    assert not torch.equal(solve(16), solve(17))


def test_without_noise_the_estimate_of_euler_heun_is_that_of_the_ordinary_heun_pair():
    y0 = torch.tensor([[0.5, 1.0], [2.0, -1.0]], dtype=DOUBLE)
    common = {"rtol": 0.0, "atol": 1e-4, "first_step": 0.01}
    stochastic = solve_sde(
        spiral, lambda t, y: torch.zeros_like(y), y0, [0.0, 1.0], seed=0, method="euler_heun",
        calculus="stratonovich", **common,
    )  # fmt: skip
    ordinary = solve_ode(spiral, y0, [0.0, 1.0], method="heun", **common)
    assert float((stochastic.log.error[:, 0] - ordinary.log.error[:, 0]).abs().max()) <= 1e-12


def test_stiffness_of_a_linear_drift_is_its_rate():
    solution = solve_sde(
        lambda t, y: -7.0 * y, lambda t, y: 0.1 * y, torch.ones(2, 1, dtype=DOUBLE), [0.0, 1.0], seed=0,
        method="milstein",
    )  # fmt: skip
    assert float((solution.log.stiffness[solution.log.attempted] - 7).abs().max()) <= 1e-9


def test_calls_of_the_drift_are_counted():
    for method, calculus, step_size in (
        ("euler_maruyama", "ito", 0.1),
        ("sri2w1", "ito", 0.1),
        ("heun", "stratonovich", None),
    ):
        calls = 0

        def drift(t, y):
            nonlocal calls
            calls += 1
            return -y

        solution = solve_sde(
            drift, wavy, torch.ones(1, 2, dtype=DOUBLE), [0.0, 1.0], seed=1, method=method, calculus=calculus,
            step_size=step_size,
        )  # fmt: skip
        assert solution.evaluations.function.tolist() == [calls]


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


def solve(**changes):
    arguments = {
        "drift": lambda t, y: -y,
        "diffusion": lambda t, y: 0.1 * y,
        "y0": torch.ones(3, 2),
        "t": [0.0, 1.0],
        "seed": 0,
        "step_size": 0.1,
    } | changes
    return solve_sde(**arguments)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"noise": "digonal"}, "unknown noise 'digonal'; did you mean 'diagonal'"),
        ({"calculus": "itoh"}, "did you mean 'ito'"),
        ({"method": "euler"}, "did you mean 'euler_heun'|did you mean 'euler_maruyama'|did you mean"),
        ({"method": "heun"}, "method 'heun' does not converge for calculus='ito' .*use one of euler_maruyama"),
        ({"method": "milstein", "noise": "general"}, "more than increments: use one of euler_maruyama"),
        ({"step_size": None}, "step_size must be given for 'euler_maruyama' with diagonal noise.*milstein"),
        ({"method": "sra1"}, "method 'sra1' does not converge"),
        ({"diffusion": lambda t, y: y[..., None]}, r"diffusion must return \(3, 2\) .*got \(3, 2, 1\)"),
        ({"diffusion": lambda t, y: y, "noise": "scalar"}, r"diffusion must return \(3, 2, 1\)"),
        ({"drift": lambda t, y: y[:1]}, r"drift must return \(3, 2\)"),
        ({"drift": lambda t, y: y * math.nan}, "drift at the initial state must be finite; sample 0"),
        ({"diffusion": lambda t, y: y.double()}, "diffusion must return .*float32; got .*float64"),
        ({"t": [1.0, 0.0]}, "t must increase"),
        ({"t": [0.0, 1.0, 1.0]}, "t must be"),
        ({"y0": torch.ones(3)}, r"y0 must be a floating tensor \(batch, state\)"),
        ({"y0": torch.tensor([[1.0, math.inf]])}, "y0 must be finite; sample 0"),
        ({"y0": -torch.ones(3, 2), "method": "log_euler"}, "y0 must be positive for 'log_euler'"),
        ({"seed": None}, "give one of seed and brownian, the noise; got neither"),
        ({"brownian": BrownianPath(0, (3, 2), (0.0, 1.0))}, "give one of seed and brownian, the noise; got both"),
        ({"seed": None, "brownian": BrownianPath(0, (3, 2), (0.0, 1.0))}, "brownian must have .*float32"),
        ({"step_size": -0.1}, "step_size must be a number"),
        ({"gradient": "reversable"}, "did you mean 'reversible'"),
    ],
)
def test_bad_input_gives_one_clear_error(changes, said):
    with pytest.raises(InvalidArgument, match=said):
        solve(**changes)


def test_blow_up_names_sample_time_and_step():
    y0 = torch.tensor([[0.1], [10.0]], dtype=DOUBLE)
    with pytest.raises(SolutionBlewUp, match=r"blow-up of sample 1 at t = 0\.[0-9]+ with step size 0\.1"):
        solve(drift=lambda t, y: -(y**3), y0=y0)


def test_masked_samples_end_in_nan_and_leave_the_others_and_their_gradient_alone():
    rate = torch.ones(1, dtype=DOUBLE, requires_grad=True)
    y0 = torch.tensor([[0.1], [10.0], [0.2]], dtype=DOUBLE)
    masked = solve(drift=lambda t, y: -rate * y**3, y0=y0, on_failure="mask", t=[0.0, 0.1, 1.0])
    assert [failure.sample for failure in masked.failures] == [1]
    assert torch.isnan(masked.y[1, -1]).all()
    assert torch.isfinite(masked.y[[0, 2]]).all()
    (gradient,) = torch.autograd.grad(masked.y[[0, 2], -1].sum(), rate)
    assert torch.isfinite(gradient).all()


def test_too_many_steps_are_refused():
    with pytest.raises(TooManySteps, match="too many steps of sample 0"):
        solve(method="milstein", step_size=None, max_steps=3, rtol=1e-5, atol=1e-6)


def test_solutions_become_labelled_data():
    data = solve(method="milstein", step_size=None).to_xarray(["prey", "predator"])
    assert data.sizes["state"] == 2
    assert data.attrs["method"] == "milstein"


def test_every_scheme_runs_with_every_noise_it_claims():
    outputs = {"diagonal": lambda y: y, "scalar": lambda y: y[..., None]}
    for name, scheme in SCHEMES.items():
        for calculus in ("ito", "stratonovich"):
            for noise in scheme.ito if calculus == "ito" else scheme.stratonovich:
                shape = outputs.get(noise, lambda y: torch.stack([y, y], -1))
                solution = solve(
                    method=name, noise=noise, calculus=calculus, y0=torch.ones(3, 2, dtype=DOUBLE),
                    diffusion=lambda t, y, shape=shape: 0.1 * shape(torch.ones_like(y)),
                )  # fmt: skip
                assert torch.isfinite(solution.y).all()
