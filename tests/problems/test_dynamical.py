"""What ordinary and stochastic problems share: one way to trajectories, their labels, texts and domains."""

import numpy as np
import pytest
import torch

from limitlab import problems
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.problems.dynamical import LABELS

BOTH = ["logistic", "geometric_brownian"]


@pytest.mark.parametrize("name", BOTH)
def test_solved_and_known_trajectories_carry_the_same_labels(name):
    problem = problems.get(name).with_domain(frames=3)
    solved, known = problem.simulate(2, seed=5, first=4), problem.exact(2, seed=5, first=4)
    assert solved.drop_vars("y").equals(known.drop_vars("y"))
    assert list(solved.attrs) == list(known.attrs)
    assert {key for key in solved.attrs if solved.attrs[key] != known.attrs[key]} <= {"solver", "rtol", "atol", "dt"}
    assert known.attrs["solver"] == "exact"
    assert solved["sample"].values.tolist() == [4, 5]


@pytest.mark.parametrize("name", BOTH)
def test_without_a_number_of_samples_the_known_trajectory_is_that_of_the_default_start(name):
    problem = problems.get(name).with_domain(frames=3)
    known = problem.exact()
    assert known.sizes["sample"] == 1
    assert known["y"].values[0, 0] == pytest.approx(problem.initial_value.numpy())


@pytest.mark.parametrize(
    ("name", "option", "nearest"), [("lorenz", "rtoll", "rtol"), ("kubo", "stepsize", "step_size")]
)
def test_an_option_that_the_solver_lacks_is_refused(name, option, nearest):
    with pytest.raises(UnknownName, match=f"did you mean '{nearest}'"):
        problems.get(name).simulate(1, **{option: 1e-3})


@pytest.mark.parametrize("arguments", [{"samples": 0}, {"samples": 1.5}, {"samples": 1, "first": -1}])
def test_numbers_of_samples_are_whole_and_positive(arguments):
    with pytest.raises(InvalidArgument, match=r"samples|first"):
        problems.get("lorenz").simulate(**arguments)


def test_stored_times_may_be_any():
    times = [0.0, 0.5, 0.75]
    data = problems.get("logistic").simulate(1, times=times)
    assert data["time"].values.tolist() == times


def test_components_are_states_or_sites_of_states():
    assert problems.get("lorenz").components == ("x", "y", "z")
    assert problems.get("toda", sites=3).components == ("q_1", "q_2", "q_3", "p_1", "p_2", "p_3")


@pytest.mark.parametrize("label", LABELS)
def test_a_parameter_cannot_take_the_name_of_a_label(label):
    with pytest.raises(InvalidArgument, match=f"{label}.*labels of datasets"):
        problems.parse(f"q' = {label}*q", {label: 1.0})


def test_parameters_vary_with_the_spread_and_reach_the_data():
    problem = problems.prose_family("lorenz").with_domain(span=0.1, frames=2)
    data = problem.simulate(40, seed=1)
    ratio = data["rho"].values / problem.values["rho"]
    assert np.all((ratio > 0.9) & (ratio < 1.1))
    assert len(np.unique(ratio)) == 40
    one = problem.solve(
        torch.from_numpy(data["y"].values[7:8, 0]), values={n: float(data[n][7]) for n in problem.values}
    )
    assert np.allclose(one.y[0, -1], data["y"].values[7, -1], rtol=1e-6)
