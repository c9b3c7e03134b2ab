"""Truths of inputs of one's own are those of the data, where the input is one of the data."""

import pytest
import torch
from torch import nn

from limitlab import problems
from limitlab.errors import InvalidArgument
from limitlab_widgets.operator.truths import answers_of, as_sample, pairs, solver_grid

SIZE = 16


def in_data(name, **values):
    """A problem, and one of its test functions: input and target (1, *grid)."""
    problem = problems.get(name, **values)
    view = problem.operator_view(problem.simulate(1, seed=3, resolution=SIZE))
    return problem, *(torch.from_numpy(view[role].values[:, 0]).double() for role in ("input", "target"))


@pytest.mark.parametrize("name", ["heat", "burgers", "reaction_diffusion", "allen_cahn_2d"])
def test_an_equation_takes_the_input_of_its_data_to_their_target(name):
    problem, start, target = in_data(name)
    inputs, truth = pairs(problem, start, SIZE)
    assert torch.equal(inputs, start)
    # the data come from a finer grid, of which the start at 16 points is the low part
    assert float((truth - target).norm() / target.norm()) < 2e-2


def test_a_flow_takes_what_has_a_mean_without_it():
    problem, start, _ = in_data("navier_stokes", frames=2, span=0.05)
    for part, shifted in zip(pairs(problem, start, SIZE), pairs(problem, start + 3.0, SIZE), strict=True):
        torch.testing.assert_close(part, shifted)


@pytest.mark.parametrize("name", ["darcy", "darcy_lognormal", "poisson"])
def test_a_steady_problem_is_solved_where_its_data_are_and_averaged(name):
    problem, start, target = in_data(name)
    fine = solver_grid(problem, SIZE)
    assert fine.shape == (64, 64)
    inputs, truth = pairs(problem, problem.sample_input(fine, 1, 3, 0), SIZE)
    torch.testing.assert_close(inputs, start, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(truth, target, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["wave", "gray_scott", "shallow_water"])
def test_what_starts_from_several_fields_or_has_no_solver_is_refused_by_name(name):
    problem = problems.get(name)
    with pytest.raises(InvalidArgument, match=name):
        pairs(problem, torch.zeros(1, SIZE), SIZE)


def test_an_operator_is_asked_in_its_own_precision_and_as_a_test_set_holds_it():
    problem, start, target = in_data("heat")
    half = nn.Conv1d(1, 1, 1)
    nn.init.constant_(half.weight, 0.5)
    nn.init.zeros_(half.bias)
    said = answers_of(half, start)
    torch.testing.assert_close(said, start / 2, rtol=1e-6, atol=1e-6)
    test = problem.operator_view(problem.simulate(4, resolution=SIZE))
    sample = as_sample(test, input=start[0], target=target[0], prediction=said[0])
    assert dict(sample.sizes) == {"sample": 1, "channel": 1, "x": SIZE}
    assert sample["prediction"].attrs == test["target"].attrs
