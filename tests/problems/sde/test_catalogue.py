"""The stochastic problems: their moments, stationary laws, prices and what their noise keeps."""

import cmath
import math

import numpy as np
import pytest
import sympy
import torch
from scipy.integrate import quad

from limitlab import problems
from limitlab.errors import InvalidArgument
from limitlab.problems.text.systems import parse_scalar
from limitlab.solvers.sde.solve import solve_sde

SDES = problems.catalogue("sde")
WITH_MOMENTS = [problem.name for problem in SDES if problem.mean is not None]
WITH_DENSITY = [problem.name for problem in SDES if problem.density is not None]
SAMPLES = 2000


def fixed_start(problem):
    """The problem from its default initial value, whatever the sample."""
    from dataclasses import replace

    from limitlab.problems.laws import Nearby

    return replace(problem, law=Nearby(0.0))


@pytest.mark.parametrize("name", WITH_MOMENTS)
def test_moments_are_those_of_simulated_paths(name):
    """Within four standard errors of 2000 samples, at a step that leaves less bias than that."""
    problem = problems.get(name)
    problem = fixed_start(problem).with_domain(span=min(problem.span, 2.0), frames=3)
    y = problem.simulate(SAMPLES, seed=11)["y"].values
    moments = problem.moments()
    for frame in (1, 2):
        mean, spread = y[:, frame].mean(0), y[:, frame].std(0, ddof=1)
        expected = moments["mean"].values[frame]
        assert (np.abs(mean - expected) <= 4 * spread / math.sqrt(SAMPLES) + 1e-12).all()
        if "variance" in moments:
            squares = (y[:, frame] - expected) ** 2
            error = squares.std(0, ddof=1) / math.sqrt(SAMPLES)
            assert (np.abs(squares.mean(0) - moments["variance"].values[frame]) <= 4 * error + 1e-12).all()


@pytest.mark.parametrize("name", WITH_DENSITY)
def test_stationary_density_carries_no_current(name):
    """d(b^2 p)/dx / 2 = a p, by differences on the middle of the law; and it integrates to one."""
    problem = problems.get(name)
    low, high = (float(problem.evaluate((t,), problem.values, {})) for t in (problem.density.low, problem.density.high))
    x = torch.linspace(low, high, 200_001, dtype=torch.float64)
    p = problem.stationary_density(x)
    assert float(torch.trapezoid(p, x)) == pytest.approx(1.0, abs=1e-6)
    middle = p > 1e-3 * p.max()
    time = torch.zeros(len(x), 1, dtype=torch.float64)
    drift, noise = problem.drift()(time, x[:, None])[:, 0], problem.diffusion()(time, x[:, None])[:, 0]
    change = torch.gradient(noise**2 * p / 2, spacing=(x,))[0]
    assert float((change - drift * p)[middle].abs().max()) < 1e-4 * float((drift * p).abs().max())


def test_the_stationary_law_of_noisy_logistic_growth_is_a_gamma_law():
    problem = problems.get("stochastic_logistic", r=1.0, K=2.0, sigma=0.5)
    x = torch.linspace(0.1, 4.0, 40, dtype=torch.float64)
    law = torch.distributions.Gamma(2 / 0.25 - 1, torch.tensor(2 / (2.0 * 0.25), dtype=torch.float64))
    assert torch.allclose(problem.stationary_density(x), law.log_prob(x).exp(), rtol=1e-6)
    assert float(law.mean) == pytest.approx(2.0 * (1 - 0.25 / 2))


def test_long_runs_of_the_double_well_have_its_stationary_law():
    """E X^2 of 1500 samples at t = 20, within four standard errors; noise 1, at which wells mix fast."""
    problem = problems.get("double_well", sigma=1.0).with_domain(span=20.0, frames=2)
    squares = problem.simulate(1500, seed=3, step_size=0.02)["y"].values[:, -1, 0] ** 2
    x = torch.linspace(-4, 4, 4001, dtype=torch.float64)
    expected = float(torch.trapezoid(x**2 * problem.stationary_density(x), x))
    assert squares.mean() == pytest.approx(expected, abs=4 * squares.std() / math.sqrt(1500))


def test_lotka_volterras_integral_drifts_at_a_constant_rate_under_noise():
    """L V = (gamma sigma1^2 + alpha sigma2^2)/2 exactly, V the first integral without noise."""
    problem = problems.get("stochastic_lotka_volterra")
    system = problem.dynamics()
    names = ("alpha", "beta", "delta", "gamma", "sigma1", "sigma2")
    alpha, _, _, gamma, sigma1, sigma2 = (sympy.Symbol(name, real=True) for name in names)
    text = problems.get("lotka_volterra").invariants[0].text
    v = parse_scalar(text, tuple(problem.values), states=system.states)
    states = [sympy.Symbol(name, real=True) for name in system.states]
    generator = sum(a * v.diff(s) for a, s in zip(system.drift, states, strict=True))
    generator += sum(
        row[k] ** 2 * v.diff(s, 2) / 2 for k, (row, s) in enumerate(zip(system.diffusion, states, strict=True))
    )
    assert sympy.simplify(generator - (gamma * sigma1**2 + alpha * sigma2**2) / 2) == 0


@pytest.mark.parametrize(
    ("noisy", "quiet", "zeros"),
    [
        ("stochastic_lotka_volterra", "lotka_volterra", ("sigma1", "sigma2")),
        ("stochastic_lorenz", "lorenz", ("alpha",)),
    ],
)
def test_without_noise_the_drift_is_the_ordinary_problem(noisy, quiet, zeros):
    problem = problems.get(noisy, **dict.fromkeys(zeros, 0.0))
    y = problem.sample(4, 0)[0]
    time = torch.zeros(4, 1, dtype=torch.float64)
    assert torch.allclose(problem.drift()(time, y), problems.get(quiet).field()(time, y), rtol=1e-14)
    assert not problem.diffusion()(time, y).any()


def test_many_people_make_the_chemical_langevin_epidemic_deterministic():
    """Fluctuations are of order 1/sqrt(N); with a million people 2 % is a wide margin."""
    noisy = fixed_start(problems.get("chemical_langevin_sir", N=1e6)).with_domain(span=60.0, frames=3)
    shares = noisy.simulate(4, seed=0)["y"].values / 1e6
    quiet = problems.get("sir").solve(times=noisy.times).y[0].numpy()
    assert np.allclose(shares, quiet, atol=0.02)


def test_population_is_kept_by_every_noisy_step():
    problem = problems.get("chemical_langevin_sir").with_domain(span=20.0, frames=5)
    kept = problem.conserved(problem.simulate(5, seed=0))["population"]
    assert float(abs(kept - kept.isel(time=0)).max()) < 1e-9


def heston_call(problem, strike):
    """European call at the end of the span by Lewis' integral over the characteristic function of log S."""
    p, maturity = problem.values, problem.span
    price, variance = problem.initial_value.tolist()

    def characteristic(u):
        speed = p["kappa"] - 1j * p["rho"] * p["xi"] * u
        root = cmath.sqrt(speed**2 + p["xi"] ** 2 * (u**2 + 1j * u))
        ratio, decay = (speed - root) / (speed + root), cmath.exp(-root * maturity)
        level = p["kappa"] * p["theta"] / p["xi"] ** 2
        drift = level * ((speed - root) * maturity - 2 * cmath.log((1 - ratio * decay) / (1 - ratio)))
        return cmath.exp(drift + variance * (speed - root) / p["xi"] ** 2 * (1 - decay) / (1 - ratio * decay))

    forward = math.log(price / strike) + p["r"] * maturity
    integrand = lambda u: (cmath.exp(1j * u * forward) * characteristic(u - 0.5j)).real / (u**2 + 0.25)  # noqa: E731
    return price - math.sqrt(price * strike) * math.exp(-p["r"] * maturity / 2) / math.pi * quad(integrand, 0, 200)[0]


def test_heston_calls_cost_what_the_characteristic_function_says():
    problem = fixed_start(problems.get("heston")).with_domain(frames=2)
    end = problem.simulate(20_000, seed=5, step_size=0.02)["y"].values[:, -1, 0]
    payoff = math.exp(-0.02) * np.maximum(end - 1.0, 0)
    # a step of 1/50 leaves a bias of the size of a standard error
    assert payoff.mean() == pytest.approx(heston_call(problem, 1.0), abs=5 * payoff.std() / math.sqrt(len(end)))


def test_stratonovich_keeps_the_kubo_circle_and_ito_without_correction_does_not():
    problem = fixed_start(problems.get("kubo")).with_domain(span=1.0, frames=3)
    times = torch.from_numpy(problem.times)
    start = problem.initial_value.repeat(50, 1)

    def radius(**options):
        fields = options.pop("drift", problem.drift()), problem.diffusion()
        return (
            solve_sde(*fields, start, times, seed=1, noise="scalar", step_size=2e-3, **options)
            .y[:, -1]
            .norm(dim=-1)
            .mean()
        )

    assert float(radius(calculus="stratonovich", method="heun")) == pytest.approx(1.0, abs=1e-3)
    corrected = problem.drift(calculus="ito")
    assert float(radius(calculus="ito", method="milstein", drift=corrected)) == pytest.approx(1.0, abs=3e-3)
    # the missing correction makes |z| grow like exp(sigma^2 t/2), 1.13 at t = 1
    assert float(radius(calculus="ito", method="milstein")) > 1.1


def test_a_linear_system_of_any_size_knows_its_moments():
    problem = problems.linear_sde(((-1.0, 0.5), (0.0, -2.0)), ((1.0,), (0.5,)))
    stationary = problem.moments([0.0, 40.0])["variance"].values[1]
    matrix, noise = np.array([[-1.0, 0.5], [0.0, -2.0]]), np.array([[1.0], [0.5]])
    eye = np.eye(2)
    expected = np.linalg.solve(np.kron(matrix, eye) + np.kron(eye, matrix), -(noise @ noise.T).ravel()).reshape(2, 2)
    assert np.allclose(stationary, np.diag(expected))
    with pytest.raises(InvalidArgument, match="A must be"):
        problems.linear_sde(((1.0, 2.0),), ((1.0,),))
