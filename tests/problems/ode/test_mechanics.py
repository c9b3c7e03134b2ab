"""Mechanical systems against closed forms, elliptic functions, periods and conserved spectra."""

import math

import numpy as np
import pytest
import torch
from scipy.special import ellipj, ellipk

from limitlab import problems


def f64(*values):
    return torch.tensor(values, dtype=torch.float64)


def at(name, t, *y0, **parameters):
    """The known solution of a problem at one time."""
    problem = problems.get(name, **parameters)
    return problem.solution_at(f64(t), f64(*y0)[None] if y0 else None)[0, 0].numpy()


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


def test_kuramoto_oscillators_lock_above_the_critical_coupling():
    """r = sqrt(1 - K_c/K) with K_c = 2 gamma for infinitely many; 200 at the law's quantiles come within 0.05."""
    problem = problems.get("kuramoto", sites=200, K=2.0, gamma=0.5).with_domain(span=40.0, frames=201)
    theta = problem.solve(method="tsit5", rtol=1e-4, atol=1e-6).y[0, 100:]
    order = torch.hypot(theta.cos().mean(-1), theta.sin().mean(-1)).mean()
    assert float(order) == pytest.approx(math.sqrt(1 - 0.5), abs=0.05)


def test_laws_of_mechanics_respect_their_constraints():
    orbits = problems.get("henon_heiles")
    y0 = orbits.sample(50, 0)[0]
    energy = orbits.conserved(orbits.label(y0[:, None], np.zeros(1), orbits.values, seed=0, first=0))["energy"]
    assert float(energy.min()) >= 1 / 12 - 1e-12
    assert float(energy.max()) <= 1 / 6 + 1e-12
    momentum = problems.get("toda").sample(5, 0)[0][:, 5:].sum(-1)
    assert torch.allclose(momentum, torch.zeros_like(momentum), atol=1e-14)
