"""The ordinary problems: exact solutions solve their equations, invariants are kept, laws reach the data."""

import math

import numpy as np
import pytest
import torch
from scipy.special import ellipj, ellipk
from torch.autograd.functional import jvp

from limitlab import problems
from limitlab.errors import InvalidArgument
from limitlab.solvers.failures import SolveFailed

ODES = problems.catalogue("ode")
SOLVED = [problem.name for problem in ODES if problem.solution is not None]
KEPT = [problem.name for problem in ODES if problem.invariants]


def f64(*values):
    return torch.tensor(values, dtype=torch.float64)


def at(name, t, *y0, **parameters):
    """The known solution of a problem at one time."""
    problem = problems.get(name, **parameters)
    return problem.solution_at(f64(t), f64(*y0)[None] if y0 else None)[0, 0].numpy()


# --- exact solutions


@pytest.mark.parametrize("name", SOLVED)
def test_exact_solutions_solve_their_equation(name):
    """u'(t) by automatic differentiation in t equals the field at u(t), for three random initial values."""
    problem = problems.get(name)
    y0, values = problem.sample(3, seed=1)
    field = problem.field(values)
    for time in (0.0, 0.13 * problem.span, 0.7 * problem.span):
        u, slope = jvp(
            lambda t: problem.solution_at(t[None], y0, values)[:, 0], f64(time)[0], torch.ones((), dtype=torch.float64)
        )
        expected = field(torch.full((3, 1), time, dtype=torch.float64), u)
        assert torch.allclose(slope, expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max() + 1))
    assert torch.allclose(problem.solution_at(f64(0.0), y0, values)[:, 0], y0, rtol=1e-12)


@pytest.mark.parametrize("name", sorted(set(SOLVED) - {"kepler"}))
def test_simulated_trajectories_are_the_exact_ones(name):
    """At the data's tolerance 1e-8, with a factor 100 for the growth of errors over the span."""
    problem = problems.get(name).with_domain(frames=9)
    exact = problem.exact(3, seed=2)
    error = abs(problem.simulate(3, seed=2)["y"] - exact["y"]).max() / abs(exact["y"]).max()
    assert float(error) < 1e-6


@pytest.mark.parametrize("zeta", [0.0, 0.4, 1.0, 1.7])
def test_damped_oscillator_has_the_closed_form_of_its_damping(zeta):
    """Under-, critically and over-damped, from (1, 0)."""
    omega, t = 2.0, 1.3
    root = abs(1 - zeta**2) ** 0.5 * omega
    decay = math.exp(-zeta * omega * t)
    if zeta < 1:
        expected = decay * (math.cos(root * t) + zeta * omega / root * math.sin(root * t))
    elif zeta == 1:
        expected = decay * (1 + omega * t)
    else:
        expected = decay * (math.cosh(root * t) + zeta * omega / root * math.sinh(root * t))
    assert at("damped_oscillator", t, 1.0, 0.0, zeta=zeta)[0] == pytest.approx(expected, rel=1e-12)


def test_oral_dose_is_batemans_function_and_finite_where_the_rates_agree():
    time, dose, ka, k, volume = 3.0, 500.0, 1.2, 0.2, 30.0
    bateman = dose * ka / (volume * (ka - k)) * (math.exp(-k * time) - math.exp(-ka * time))
    assert at("oral_dose", time)[1] == pytest.approx(bateman, rel=1e-12)
    limit = dose * 0.5 / volume * time * math.exp(-0.5 * time)
    assert at("oral_dose", time, ka=0.5, k=0.5)[1] == pytest.approx(limit, rel=1e-12)


def test_oral_dose_has_the_area_of_dose_over_clearance():
    problem = problems.get("oral_dose", span=200.0, frames=20_001)
    exact = problem.exact()["y"].sel(state="C")
    assert float(exact.integrate("time")[0]) == pytest.approx(500 / (0.2 * 30), rel=1e-5)


def test_discrete_modes_of_the_heat_equation_decay_at_their_rates():
    problem = problems.get("heat_lines", sites=31)
    place = np.arange(1, 32) / 32
    for mode in (1, 4):
        start = torch.from_numpy(np.sin(mode * np.pi * place))[None]
        rate = 4 * 32**2 * math.sin(mode * math.pi / 64) ** 2
        end = problem.solution_at(f64(0.02), start)[0, 0]
        assert np.allclose(end, start[0] * math.exp(-0.02 * rate), atol=1e-12)


def test_rigid_body_follows_jacobis_elliptic_functions():
    """From w2 = 0 with |L|^2 > 2 E I2: w1 ~ cn, w2 ~ sn, w3 ~ dn (Landau & Lifshitz, Mechanics, 37)."""
    one, two, three = 1.0, 2.0, 3.0
    w1, w3 = 0.4, 1.0
    energy, momentum = one * w1**2 + three * w3**2, (one * w1) ** 2 + (three * w3) ** 2
    rate = math.sqrt((three - two) * (momentum - energy * one) / (one * two * three))
    modulus = (two - one) * (energy * three - momentum) / ((three - two) * (momentum - energy * one))
    times = np.linspace(0, 10, 11)
    sn, cn, dn, _ = ellipj(rate * times, modulus)
    w2 = math.sqrt((energy * three - momentum) / (two * (three - two)))
    problem = problems.get("rigid_body")
    found = problem.solve(f64(w1, 0.0, w3)[None], times, rtol=1e-11, atol=1e-13).y[0].numpy()
    # w2' = (I3 - I1)/I2 w3 w1 > 0 at the start
    assert np.allclose(found, np.stack([w1 * cn, w2 * sn, w3 * dn], -1), atol=1e-9)


@pytest.mark.parametrize("angle", [0.5, 2.5])
def test_pendulum_has_the_period_of_the_elliptic_integral(angle):
    period = 4 / math.sqrt(9.81) * ellipk(math.sin(angle / 2) ** 2)
    end = problems.get("pendulum").solve(f64(angle, 0.0)[None], [0.0, period], rtol=1e-11, atol=1e-13).y[0, -1]
    assert torch.allclose(end, f64(angle, 0.0), atol=1e-8)


def test_kepler_orbits_close_after_ten_periods():
    problem = problems.get("kepler", e=0.6)
    assert np.allclose(at("kepler", 20 * math.pi), problem.initial_value, atol=1e-12)
    end = problem.solve(times=[0.0, 20 * math.pi], rtol=1e-12, atol=1e-14).y[0, -1]
    assert torch.allclose(end, problem.initial_value, atol=1e-8)


def test_saturable_elimination_tells_the_time():
    problem = problems.get("saturable_elimination").with_domain(frames=5)
    clock = problem.conserved(problem.simulate(2, rtol=1e-11))["clock"]
    assert float(abs(clock - clock.isel(time=0)).max()) < 1e-6


def test_final_size_of_an_epidemic_solves_its_equation():
    problem = problems.get("sir", beta=0.4, gamma=0.1, span=400.0, frames=2)
    first, last = problem.simulate(1)["y"].values[0]
    assert last[0] == pytest.approx(first[0] * math.exp(-4 * (1 - last[0] - first[2])), rel=1e-5)


# --- invariants


@pytest.mark.parametrize("name", KEPT)
def test_invariants_are_kept_along_solutions(name):
    """Relative to their size, to 1e-7 at rtol 1e-10; the stiff ones, which are linear, already at 1e-8."""
    problem = problems.get(name)
    zeros = {key: 0.0 for invariant in problem.invariants for key in invariant.only_if_zero}
    span = min(problem.span, 40.0)
    problem = problem.with_parameters(**zeros).with_domain(span=span, frames=11)
    rtol = 1e-8 if problem.stiff else 1e-10
    kept = problem.conserved(problem.simulate(2, seed=4, rtol=rtol, atol=1e-13))
    for invariant in kept.values():
        drift = abs(invariant - invariant.isel(time=0)).max()
        assert float(drift) < 1e-7 * max(1.0, float(abs(invariant).max()))


def test_the_spectrum_of_todas_lax_matrix_is_constant():
    """L has a_i = exp((q_i - q_i+1)/2)/2 beside the diagonal b_i = p_i/2, also in the corners (Flaschka)."""
    problem = problems.get("toda", sites=6).with_domain(span=20.0, frames=5)
    states = problem.simulate(1, seed=1, rtol=1e-11, atol=1e-13)["y"].values[0]
    spectra = []
    for q, p in states.reshape(5, 2, 6):
        beside = np.exp((q - np.roll(q, -1)) / 2) / 2
        shift = np.roll(np.eye(6), 1, axis=1) * beside[:, None]
        spectra.append(np.linalg.eigvalsh(np.diag(p / 2) + shift + shift.T))
    assert np.allclose(spectra, spectra[0], atol=1e-8)


def test_without_its_factor_two_the_double_pendulum_loses_energy_conservation():
    """The published generator of PROSE misses the factor: its energy then drifts by more than one."""
    right = problems.get("double_pendulum").with_domain(frames=121)
    wrong = problems.parse(
        right.equation.replace("2*w2^2*cos(D)", "w2^2*cos(D)"),
        right.values,
        initial=dict(zip(right.components, right.initial_value.tolist(), strict=True)),
        span=right.span,
        frames=121,
    )
    drift = {}
    for label, problem in (("right", right), ("wrong", wrong)):
        energy = right.conserved(right.label(problem.solve(rtol=1e-10).y, right.times, right.values, seed=0, first=0))
        drift[label] = float(abs(energy["energy"] - energy["energy"][:, 0]).max())
    assert drift["right"] < 1e-7
    assert drift["wrong"] > 0.5


def test_lorenz_96_without_forcing_and_damping_keeps_its_energy():
    """d/dt sum x^2/2 = F sum x - sum x^2, as the products alone keep sum x^2."""
    problem = problems.get("lorenz_96", sites=7, F=3.0)
    x = problem.sample(4, 0)[0]
    power = (x * problem.field()(torch.zeros(4, 1), x)).sum(-1)
    assert torch.allclose(power, 3.0 * x.sum(-1) - x.square().sum(-1), atol=1e-12)


def test_kuramoto_oscillators_lock_above_the_critical_coupling():
    """r = sqrt(1 - K_c/K) with K_c = 2 gamma for infinitely many; 200 at the law's quantiles come within 0.05."""
    problem = problems.get("kuramoto", sites=200, K=2.0, gamma=0.5).with_domain(span=40.0, frames=201)
    theta = problem.solve(method="tsit5", rtol=1e-4, atol=1e-6).y[0, 100:]
    order = torch.hypot(theta.cos().mean(-1), theta.sin().mean(-1)).mean()
    assert float(order) == pytest.approx(math.sqrt(1 - 0.5), abs=0.05)


@pytest.mark.parametrize(
    ("name", "parameters", "point"),
    [
        ("brusselator", {"A": 1.3, "B": 1 + 1.3**2}, lambda a, b: (a, b / a)),
        ("selkov", {"a": 0.06, "b": ((1 - 0.12 + 0.52**0.5) / 2) ** 0.5}, lambda a, b: (b, b / (a + b**2))),
        ("selkov", {"a": 0.06, "b": ((1 - 0.12 - 0.52**0.5) / 2) ** 0.5}, lambda a, b: (b, b / (a + b**2))),
        ("schnakenberg", {"a": 0.1875, "b": 0.3125}, lambda a, b: (a + b, b / (a + b) ** 2)),
    ],
)
def test_oscillations_begin_where_the_trace_of_the_jacobian_vanishes(name, parameters, point):
    """Hopf's boundary as the sources have it; Schnakenberg's is b - a = (a + b)^3."""
    problem = problems.get(name, **parameters)
    y = f64(*point(*parameters.values()))[None]
    time = torch.zeros(1, 1, dtype=torch.float64)
    assert torch.allclose(problem.field()(time, y), torch.zeros_like(y), atol=1e-14)
    matrix = problem.jacobian()(time, y)[0]
    assert float(matrix.trace()) == pytest.approx(0.0, abs=1e-12)
    assert float(torch.linalg.det(matrix)) > 0


# --- data


def test_a_sample_depends_only_on_seed_and_its_number():
    problem = problems.get("lotka_volterra").with_domain(span=3.0, frames=5)
    together = problem.simulate(4, seed=5)
    alone = problem.simulate(1, seed=5, first=2)
    assert np.array_equal(together["y"].values[2], alone["y"].values[0])
    assert not np.array_equal(together["y"].values[0], problem.simulate(1, seed=6)["y"].values[0])


def test_data_carry_parameters_units_and_their_origin():
    data = problems.get("oral_dose", ka=2.0).simulate(2, seed=7, resolution=13)
    assert data["y"].dims == ("sample", "time", "state")
    assert data.sizes == {"sample": 2, "time": 13, "state": 2}
    assert data["ka"].values.tolist() == [2.0, 2.0]
    assert data["ka"].attrs["units"] == "1/h"
    assert data["unit"].values.tolist() == ["mg", "mg/L"]
    assert data["time"].attrs["units"] == "h"
    assert {"problem", "seed", "solver", "rtol", "atol", "limitlab_version"} <= set(data.attrs)


def test_data_of_a_dynamical_problem_are_cached_with_disjoint_splits(tmp_path, monkeypatch):
    monkeypatch.setenv("LIMITLAB_HOME", str(tmp_path))
    problem = problems.get("logistic").with_domain(frames=4)
    train, test = (problem.dataset(3, seed=0, split=split) for split in ("train", "test"))
    assert np.array_equal(problem.dataset(3, seed=0)["y"], train["y"])
    assert set(train["sample"].values).isdisjoint(test["sample"].values)
    assert not np.array_equal(train["y"], test["y"])


def test_an_explosion_is_an_error_that_names_sample_and_time():
    with pytest.raises(SolveFailed, match=r"sample 0 at t = 1"):
        problems.get("blow_up").solve(times=[0.0, 2.0])


def test_laws_of_mechanics_respect_their_constraints():
    orbits = problems.get("henon_heiles")
    y0 = orbits.sample(50, 0)[0]
    energy = orbits.conserved(orbits.label(y0[:, None], np.zeros(1), orbits.values, seed=0, first=0))["energy"]
    assert float(energy.min()) >= 1 / 12 - 1e-12
    assert float(energy.max()) <= 1 / 6 + 1e-12
    momentum = problems.get("toda").sample(5, 0)[0][:, 5:].sum(-1)
    assert torch.allclose(momentum, torch.zeros_like(momentum), atol=1e-14)


def test_domains_sites_and_initial_values_can_be_changed():
    problem = problems.get("lorenz_96", sites=12, F=6.0, span=2.0, frames=5)
    assert problem.dimension == 12
    assert problem.components[-1] == "x_12"
    assert problem.times.tolist() == [0.0, 0.5, 1.0, 1.5, 2.0]
    moved = problems.get("lotka_volterra").with_initial(1.0, "alpha/beta")
    assert moved.initial_value.tolist() == pytest.approx([1.0, 1.3 / 0.9])
    with pytest.raises(InvalidArgument, match="sites must be a whole number >= 4"):
        problems.get("lorenz_96", sites=2)
    with pytest.raises(InvalidArgument, match="sites"):
        problems.get("lorenz", sites=3)
    with pytest.raises(InvalidArgument, match="one value for each of x, y"):
        problems.get("lotka_volterra").with_initial(1.0)


def test_what_is_not_known_is_said():
    with pytest.raises(InvalidArgument, match="no exact solution of lorenz"):
        problems.get("lorenz").exact()
    with pytest.raises(InvalidArgument, match="no invariant of lorenz"):
        problems.get("lorenz").conserved(problems.get("lorenz", span=0.1, frames=2).simulate(1))


@pytest.mark.parametrize("name", [problem.name for problem in ODES])
def test_every_system_has_latex_with_one_row_a_state(name):
    problem = problems.get(name)
    latex = problem.latex()
    assert latex.startswith(r"\begin{array}{rcl}")
    assert latex.endswith(r"\end{array}")
    assert latex.count(r"\\") == len(problem.states) - 1
    assert latex.count("{") == latex.count("}")


def test_latex_of_known_systems():
    assert problems.get("lorenz").latex() == (
        r"\begin{array}{rcl}\dot{x} &=& \displaystyle \sigma \left(y - x\right) \\ "
        r"\dot{y} &=& \displaystyle x \left(\rho - z\right) - y \\ "
        r"\dot{z} &=& \displaystyle x y - \beta z\end{array}"
    )
    assert r"\frac{1}{N} \sum_{j=1}^{N} \sin{\left(\theta_{i} - \theta_{j} \right)}" in problems.get("kuramoto").latex()
