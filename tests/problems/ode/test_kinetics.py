"""Reactions and cells: where oscillations begin, and stiff problems against an independent solver."""

import numpy as np
import pytest
import torch

from limitlab import problems


def f64(*values):
    return torch.tensor(values, dtype=torch.float64)


def by_radau(problem, times):
    """States at the times by SciPy, on the same field and Jacobian."""
    from scipy.integrate import solve_ivp

    field, jacobian = problem.field(), problem.jacobian()
    time = torch.zeros(1, dtype=torch.float64)
    return solve_ivp(
        lambda t, y: field(time, torch.from_numpy(y)).numpy(),
        (times[0], times[-1]),
        problem.initial_value.numpy(),
        t_eval=times,
        method="Radau",
        jac=lambda t, y: jacobian(time, torch.from_numpy(y)).numpy(),
        rtol=1e-9,
        atol=1e-12,
    ).y.T


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


def test_robertson_keeps_its_mass_over_fifteen_orders_of_time():
    end = problems.get("robertson").solve(times=[0.0, 1e11], rtol=1e-6).y[0, -1]
    assert float(end.sum()) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(("inhibitor", "ending"), [(0.029, {1: 2.34, 3: 1.59534}), (0.29, {0: 0.01309, 1: 2.32691})])
def test_apoptosis_ends_in_death_or_survival_and_keeps_what_it_keeps(inhibitor, ending):
    """End states of the published model; SciPy's Radau agrees, and both totals stay."""
    problem = problems.get("apoptosis", inhibitor=inhibitor)
    times = [0.0, 2.0, 20.0, 60.0]
    y = problem.solve(times=times).y[0]
    assert {place: float(y[-1, place]) for place in ending} == pytest.approx(ending, abs=1e-5)
    assert float((y[:, 6] + y[:, 7] - inhibitor).abs().max()) < 1e-12
    assert float((y[:, [0, 1, 4, 5]].sum(1) - 2.34).abs().max()) < 1e-12
    assert np.abs(y.numpy() - by_radau(problem, times)).max() < 1e-6


def test_rates_of_apoptosis_are_the_published_ones_in_hours():
    published = {"k1": 2.67e-9, "k3": 6.8e-8, "k5": 7e-5, "kd1": 1e-2, "kd2": 8e-3, "kd3": 5e-2, "kd4": 1e-3}
    published |= {"kd5": 1.67e-5, "kd6": 1.67e-4}
    hourly = {name: rate * (3600 if name.startswith("kd") else 3.6e8) for name, rate in published.items()}
    values = problems.get("apoptosis").values
    assert {name: values[name] for name in hourly} == pytest.approx(hourly, rel=1e-12)


@pytest.mark.parametrize("name", ["hires", "oregonator", "apoptosis"])
def test_stiff_problems_agree_with_an_independent_solver(name):
    """Radau of SciPy on the same field and Jacobian, while transients are fast."""
    problem = problems.get(name)
    ours = problem.solve(times=[0.0, 0.5], rtol=1e-9, atol=1e-12).y[0, -1].numpy()
    assert np.allclose(ours, by_radau(problem, [0.0, 0.5])[-1], rtol=1e-6, atol=1e-9)
