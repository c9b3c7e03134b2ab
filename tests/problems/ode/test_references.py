"""States known to nine digits: the stiff problems by rodas5, the others by dopri8, to ten times the tolerance."""

import numpy as np
import pytest
import torch

from limitlab import problems

CASES = [(problem.name, place) for problem in problems.catalogue("ode") for place in range(len(problem.references))]


def deviation(found, reference):
    given = np.array(reference.state)
    known = ~np.isnan(given)
    return np.abs(found.numpy()[known] / given[known] - 1).max()


@pytest.mark.parametrize(("name", "place"), CASES)
def test_reference_values_are_reproduced(name, place):
    problem = problems.get(name)
    reference = problem.references[place]
    rtol = 1e-7 if problem.stiff else 1e-10
    end = problem.solve(times=[0.0, reference.time], rtol=rtol, atol=problem.atol * 1e-2, max_steps=50_000).y[0, -1]
    assert deviation(end, reference) < max(10 * rtol, reference.error)


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
