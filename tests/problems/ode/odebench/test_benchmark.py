"""ODEBench: its counts, its two corrected labels, rows that agree with the catalogue, and all of it can be solved."""

import pytest
import torch

from limitlab import problems
from limitlab.errors import InvalidArgument
from limitlab.problems.ode.odebench.benchmark import ODEBENCH

NUMBERS = range(1, 64)
TWINS = {
    3: ("logistic", {"r": 0.79, "K": 74.3}),
    11: ("cubic_decay", {}),
    37: ("van_der_pol", {"mu": 0.43}),
    56: ("lorenz", {"sigma": 10.0, "rho": 28.0, "beta": 8 / 3}),
    63: ("seir", {"beta": 0.28, "sigma": 0.47, "gamma": 0.3}),
}
"""Systems that the catalogue has too."""


def test_the_list_has_63_systems_of_one_to_four_states():
    dimensions = [problems.odebench(number).dimension for number in NUMBERS]
    assert list(ODEBENCH) == list(NUMBERS)
    assert [dimensions.count(dimension) for dimension in (1, 2, 3, 4)] == [23, 28, 10, 2]
    assert dimensions == sorted(dimensions)


@pytest.mark.parametrize("number", NUMBERS)
def test_each_system_can_be_solved_from_both_initial_values(number):
    problem = problems.odebench(number)
    starts = torch.stack([problems.odebench(number, start).initial_value for start in (1, 2)])
    solution = problem.solve(starts, rtol=1e-6, atol=1e-9)
    assert solution.y.shape == (2, 150, problem.dimension)
    assert torch.isfinite(solution.y).all()
    assert not torch.equal(starts[0], starts[1])


@pytest.mark.parametrize("number", TWINS)
def test_a_system_of_the_catalogue_has_its_field(number):
    name, values = TWINS[number]
    twin, problem = problems.get(name, **values), problems.odebench(number)
    y = torch.rand(7, problem.dimension, dtype=torch.float64) + 0.1
    t = torch.zeros(7, 1, dtype=torch.float64)
    torch.testing.assert_close(problem.field()(t, y), twin.field()(t, y), rtol=1e-12, atol=1e-12)


def test_two_labels_of_the_list_are_put_right():
    assert "Van der Pol" in problems.odebench(40).title
    assert problems.odebench(61).values["c"] == -3.8


@pytest.mark.parametrize(("number", "start"), [(0, 1), (64, 1), (1, 0), (1, 3), (1.5, 1)])
def test_a_number_outside_the_list_is_refused(number, start):
    with pytest.raises(InvalidArgument, match="must be"):
        problems.odebench(number, start)
