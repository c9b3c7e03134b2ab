"""Populations and drugs: curves of the textbooks, and what solutions keep."""

import math

import pytest
import torch

from limitlab import problems


def f64(*values):
    return torch.tensor(values, dtype=torch.float64)


def at(name, t, *y0, **parameters):
    """The known solution of a problem at one time."""
    problem = problems.get(name, **parameters)
    return problem.solution_at(f64(t), f64(*y0)[None] if y0 else None)[0, 0].numpy()


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


def test_saturable_elimination_tells_the_time():
    problem = problems.get("saturable_elimination").with_domain(frames=5)
    clock = problem.conserved(problem.simulate(2, rtol=1e-11))["clock"]
    assert float(abs(clock - clock.isel(time=0)).max()) < 1e-6


def test_final_size_of_an_epidemic_solves_its_equation():
    problem = problems.get("sir", beta=0.4, gamma=0.1, span=400.0, frames=2)
    first, last = problem.simulate(1)["y"].values[0]
    assert last[0] == pytest.approx(first[0] * math.exp(-4 * (1 - last[0] - first[2])), rel=1e-5)
