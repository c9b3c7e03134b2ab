"""A network of a reader's own learns a hidden term, and is read, searched and written as the perceptron is."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from limitlab.errors import InvalidArgument, UnknownName
from limitlab_widgets import DiscoveryState, DiscoveryStudio
from limitlab_widgets.discovery.code import discovery_code

TINY = {"adam": 15, "quasi_newton": 3, "width": 6, "collocation": 20, "points": 12}


def trained(state):
    state.learning.train()
    assert state.learning.wait(300)
    return state.learning


def bilinear(sizes):
    inputs, terms = sizes
    return nn.Sequential(nn.Linear(inputs, 5), nn.Tanh(), nn.Linear(5, terms))


@pytest.mark.parametrize("problem", ["logistic", "lotka_volterra", "burgers"])
def test_an_own_network_is_trained_searched_and_written(opened, problem):
    state = opened(problem, models={"mine": bilinear}, term="mine", seconds=0.5, points=12)
    learning = trained(state)
    assert learning.error == ""
    assert isinstance(learning.learned.model.term.network, nn.Sequential)
    namespace = {"mine": bilinear}
    exec(discovery_code(state), namespace)
    np.testing.assert_allclose(namespace["samples"]["values"], learning.learned.samples["values"], rtol=1e-5, atol=1e-7)
    learning.search()
    assert learning.wait(60)
    assert set(learning.fronts) == set(learning.learned.equations)


def test_a_network_that_is_right_in_its_form_learns_the_term(opened):
    """A hidden -r u^2/K is a polynomial of the second degree in u, which has three numbers to be found."""

    class Quadratic(nn.Module):
        def __init__(self):
            super().__init__()
            self.coefficients = nn.Parameter(torch.zeros(3, dtype=torch.float64))

        def forward(self, u):
            return torch.cat([u**0, u, u**2], 1) @ self.coefficients[:, None]

    errors = {}
    for term in ("", "quadratic"):
        options = {"points": 40, "adam": 100, "quasi_newton": 200, "width": 16, "collocation": 64}
        state = opened("logistic", models={"quadratic": Quadratic()}, term=term, **options)
        errors[term] = trained(state).learned.error
    # it knows the form, which the perceptron has to learn
    assert errors["quadratic"] < 0.02
    assert errors["quadratic"] < errors[""]


@pytest.mark.parametrize(
    ("term", "reason"),
    [
        (nn.Linear(1, 2), r"must map \(point, 1\) to \(point, 1\); got \(3, 2\)"),
        (nn.Linear(3, 1), r"must map \(point, 1\) to \(point, 1\): RuntimeError"),
        (lambda sizes: sizes, r"must make a torch.nn.Module"),
        (nn.Tanh(), "no parameters"),
    ],
    ids=["terms", "inputs", "no_module", "no_parameters"],
)
def test_what_is_no_network_of_the_term_is_refused_before_it_is_trained(opened, term, reason):
    learning = trained(opened("logistic", models={"mine": term}, term="mine", points=12))
    assert learning.learned is None
    assert re.search(reason, learning.error), learning.error


def test_what_is_no_module_and_a_name_that_there_is_not_are_refused_at_once():
    with pytest.raises(InvalidArgument, match="'mine' must name a torch module"):
        DiscoveryState("logistic", models={"mine": 3}, **TINY)
    with pytest.raises(UnknownName, match="term 'yours'"):
        DiscoveryState("logistic", models={"mine": nn.Linear(1, 1)}, term="yours", **TINY)


def test_the_network_is_picked_in_the_studio_where_there_is_one(closed_at_end):
    studio = closed_at_end(DiscoveryStudio("logistic", models={"mine": bilinear}, **TINY))
    control = studio.learning.controls["term"]
    assert [value for _, value in control.options] == ["", "mine"]
    control.value = "mine"
    assert studio.state.plan()[0].own is bilinear
    plain = closed_at_end(DiscoveryStudio("logistic", **TINY))
    assert plain.learning.controls["term"].layout.display == "none"
