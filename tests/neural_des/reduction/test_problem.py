"""Equations on many sites, made small: exact where the subspace is, and better with every mode elsewhere."""

import dataclasses

import pytest
import torch

from limitlab import problems
from limitlab.errors import InvalidArgument
from limitlab.neural_des.reduction import reduce_problem


def line(sites=60):
    """A ladder of resistors and diodes with two inputs, grounded at both ends."""
    return problems.parse(
        "v[i]' = v[i-1] - 2*v[i] + v[i+1] + exp(3*(v[i-1] - v[i])) - exp(3*(v[i] - v[i+1]))"
        " + A*exp(-(i - 8)^2)*sin(w*t) + B*exp(-(i - 40)^2)*cos(w*t)",
        {"A": 1.0, "B": 0.5, "w": 0.7},
        sites=sites,
        ends="zero",
        span=8.0,
        frames=41,
        initial={"v": 0.0},
    )


def test_the_heat_equation_on_its_own_modes_is_exact():
    problem = problems.get("heat_lines", sites=32)
    trajectories = problem.dataset(4, seed=0)
    small = reduce_problem(problem, trajectories, 3, centred=False)
    y = torch.tensor(trajectories["y"].values)
    solution = small.solve(y[:, 0], trajectories["time"].values, method="kvaerno5", rtol=1e-9, atol=1e-11)
    assert torch.allclose(small.lift(solution.y), y, atol=1e-7)
    assert len(small.components.needed) <= 9


def test_an_unseen_input_is_answered_better_with_more_modes():
    problem = dataclasses.replace(line(), spread=0.3)
    seen, unseen = problem.simulate(8, seed=0), problem.simulate(1, seed=0, first=50)
    truth, times = torch.tensor(unseen["y"].values), unseen["time"].values
    values = {name: float(unseen[name][0]) for name in problem.values}
    errors = []
    for size in (4, 10, 20):
        small = reduce_problem(problem, seen, size, rows=size).with_parameters(**values)
        path = small.lift(small.solve(truth[:, 0], times).y)
        errors.append(float((path - truth).norm() / truth.norm()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-2


def test_all_but_a_nonlinearity_at_one_site_is_exact_far_from_the_snapshots():
    problem = problems.parse(
        "v[i]' = v[i-1] - 2*v[i] + v[i+1] + exp(-50*(i - 9)^2)*sin(v[i])",
        {},
        sites=24,
        ends="zero",
        span=2.0,
        frames=21,
        initial={"v": "sin(pi*i/25)"},
    )
    small = reduce_problem(problem, problem.simulate(1, rtol=1e-8, atol=1e-10), 4, rows=4)
    far = 5 * torch.randn(3, 4, generator=torch.Generator().manual_seed(0)).double()
    whole = problem.field()(torch.zeros(3, 1), small.lift(far))
    # the derivative of the sine elsewhere is below 1e-20
    assert torch.allclose(small.field(torch.zeros(3, 1), far), whole @ small.states.modes, atol=1e-9)


def test_coordinates_of_what_lies_in_the_subspace_come_back():
    problem = line(20)
    small = reduce_problem(problem, dataclasses.replace(problem, spread=0.2).simulate(3, seed=1), 5)
    coordinates = torch.randn(4, 5).double()
    assert torch.allclose(small.project(small.lift(coordinates)), coordinates, atol=1e-12)


def test_what_has_no_cheap_slope_is_refused():
    lorenz, crowd = problems.get("lorenz"), problems.get("kuramoto", sites=8)
    with pytest.raises(InvalidArgument, match="problem with sites"):
        reduce_problem(lorenz, lorenz.simulate(2), 2)
    with pytest.raises(InvalidArgument, match="needs every site"):
        reduce_problem(crowd, crowd.simulate(2), 2)
    with pytest.raises(InvalidArgument, match="too many"):
        reduce_problem(problems.get("heat_lines", sites=16), problems.get("heat_lines", sites=16).dataset(2), 9)
    with pytest.raises(InvalidArgument, match="with y"):
        reduce_problem(line(), lorenz.simulate(2).drop_vars("y"), 2)
