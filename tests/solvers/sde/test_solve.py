"""The face of stochastic equations: times, batches, seeds, counts, and failure in words."""

import math

import pytest
import torch
from solvers.toys import DOUBLE, spiral, wavy

from limitlab.errors import InvalidArgument
from limitlab.solvers.failures import SolutionBlewUp, TooManySteps
from limitlab.solvers.sde.brownian import BrownianPath
from limitlab.solvers.sde.schemes import SCHEMES
from limitlab.solvers.sde.solve import solve_sde


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


def test_a_masked_sample_is_right_until_it_is_lost():
    """At every step before, the sample and its gradient are those of a solve that ends there."""
    rate = torch.ones(1, dtype=DOUBLE, requires_grad=True)
    y0 = torch.tensor([[0.1], [10.0], [0.2]], dtype=DOUBLE)
    cubic = {"drift": lambda t, y: -rate * y**3, "y0": y0, "on_failure": "mask"}
    masked = solve(**cubic, t=[step / 10 for step in range(11)])
    lost = masked.failures[0].time
    steps = round(lost / 0.1)
    assert 1 < steps < 10
    path = BrownianPath(0, (3, 1), (0.0, 1.0), grid=[step / 10 for step in range(11)])
    y = y0
    for step in range(steps):
        y = y - 0.1 * rate * y**3 + 0.1 * y * path.increment(step / 10, (step + 1) / 10)
        assert torch.allclose(masked.y[1, step + 1], y[1], rtol=1e-9)
        if step == 1:
            expected = torch.autograd.grad(y[1].sum(), rate, retain_graph=True)[0]
            assert torch.allclose(torch.autograd.grad(masked.y[1, 2].sum(), rate, retain_graph=True)[0], expected)


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


EPOCH = 1.7e9


@pytest.mark.parametrize("options", [{"step_size": 0.01}, {"method": "sra1", "rtol": 1e-4, "atol": 1e-5}])
@pytest.mark.parametrize("each", [False, True])
def test_times_of_a_clock_keep_their_precision_with_states_in_single_precision(options, each):
    """dy = cos(t - 1.7e9) dt + 0.1 dW, where float32 has a number every 128 seconds."""
    times = torch.tensor([EPOCH, EPOCH + 1, EPOCH + 3], dtype=DOUBLE)
    path = BrownianPath(4, (2, 1), (EPOCH, EPOCH + 3), dtype=torch.float32)

    def drift(t, y):
        assert t.dtype == DOUBLE
        return torch.cos(t - EPOCH).float().expand_as(y)

    y = solve_sde(
        drift,
        lambda t, y: torch.full_like(y, 0.1),
        torch.zeros(2, 1),
        times.expand(2, -1) if each else times,
        brownian=path,
        noise="additive",
        **options,
    ).y
    noise = 0.1 * torch.stack([path.value(time) for time in times.tolist()], 1)
    assert y.dtype == torch.float32
    assert float((y - noise - torch.sin(times - EPOCH)[:, None]).abs().max()) < 1e-2


def test_coefficients_that_cannot_take_double_times_are_refused_with_the_reason():
    times = torch.tensor([EPOCH, EPOCH + 3.0], dtype=DOUBLE)
    layer = torch.nn.Linear(2, 1)
    noise = lambda t, y: 0 * y  # noqa: E731
    for drift, message in (
        (lambda t, y: torch.sin(t) * y, r"drift, which gets t in torch\.float64 as the times are far from zero"),
        (lambda t, y: layer(torch.cat([t, y], 1)), r"get t in torch\.float64, as .* times like 1700000000 apart"),
    ):
        with pytest.raises(InvalidArgument, match=message):
            solve_sde(drift, noise, torch.ones(1, 1), times, seed=0, step_size=0.1)


def test_a_path_in_decimals_serves_times_in_single_precision():
    end = 14.614642
    assert float(torch.tensor(end)) > end
    path = BrownianPath(0, (1, 1), (0.0, end), dtype=torch.float32)
    problem = (lambda t, y: 0 * y, lambda t, y: 1 + 0 * y, torch.ones(1, 1))
    for options in ({"step_size": 0.1}, {"method": "milstein"}):
        solution = solve_sde(*problem, torch.tensor([0.0, end]), brownian=path, **options)
        assert float(solution.y[0, -1, 0]) - 1 == pytest.approx(float(path.value(end)), abs=1e-4)
    with pytest.raises(InvalidArgument, match=r"holds \[0, 14\.61465.*on \[0, 14\.61464"):
        solve_sde(*problem, [0.0, 14.61465], brownian=path, step_size=0.1)


def test_times_in_single_precision_take_as_many_steps_as_divide_them():
    solution = solve_sde(
        lambda t, y: 0 * y, lambda t, y: y, torch.ones(1, 1), torch.linspace(0, 1, 11), seed=0, step_size=0.1
    )
    assert solution.log.size.shape == (1, 10)


def test_no_step_is_longer_than_max_step():
    y0 = torch.ones(2, 2, dtype=DOUBLE)
    problem = (lambda t, y: torch.zeros_like(y), lambda t, y: torch.ones_like(y), y0, [0.0, 0.5, 1.0])
    free, held = (
        solve_sde(*problem, seed=1, method="milstein", noise="additive", rtol=1.0, max_step=longest).log.size
        for longest in (None, 0.05)
    )
    assert float(held.nan_to_num(0.0).max()) <= 0.05 * (1 + 1e-8) < float(free.nan_to_num(0.0).max())


@pytest.mark.parametrize("gradient", ["direct", "checkpoint", "adjoint", "reversible"])
def test_gradients_at_the_times_of_a_clock_are_those_from_zero(gradient):
    def through(start):
        rate = torch.tensor(0.7, requires_grad=True)
        drift = lambda t, y: (rate * torch.cos(t.double() - start)).to(y.dtype) * y  # noqa: E731
        times = torch.tensor([start, start + 2.0], dtype=DOUBLE)
        options = {"method": "reversible_heun", "calculus": "stratonovich", "step_size": 0.01, "gradient": gradient}
        y = solve_sde(drift, lambda t, y: 0.1 * y, torch.ones(1, 1), times, seed=5, **options).y
        return float(torch.autograd.grad(y[:, -1].sum(), rate)[0])

    assert through(EPOCH) == pytest.approx(through(0.0), rel=1e-4)
