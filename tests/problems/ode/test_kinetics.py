"""Reactions and cells: where oscillations begin, and stiff problems against an independent solver."""

import numpy as np
import pytest
import torch

from limitlab import problems


def f64(*values):
    return torch.tensor(values, dtype=torch.float64)


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


@pytest.mark.parametrize("name", ["hires", "oregonator"])
def test_stiff_problems_agree_with_an_independent_solver(name):
    """Radau of SciPy on the same field and Jacobian, while transients are fast."""
    from scipy.integrate import solve_ivp

    problem = problems.get(name)
    field, jacobian = problem.field(), problem.jacobian()
    time = torch.zeros(1, dtype=torch.float64)
    peer = solve_ivp(
        lambda t, y: field(time, torch.from_numpy(y)).numpy(),
        (0.0, 0.5),
        problem.initial_value.numpy(),
        method="Radau",
        jac=lambda t, y: jacobian(time, torch.from_numpy(y)).numpy(),
        rtol=1e-9,
        atol=1e-12,
    )
    ours = problem.solve(times=[0.0, 0.5], rtol=1e-9, atol=1e-12).y[0, -1].numpy()
    assert np.allclose(ours, peer.y[:, -1], rtol=1e-6, atol=1e-9)
