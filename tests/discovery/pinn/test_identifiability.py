"""What the visited set can tell: condition numbers, and terms that a hidden one can take the place of."""

import warnings

import numpy as np
import pytest
import torch

from limitlab.discovery import pinn
from limitlab.discovery.pinn.identifiability import Unidentifiable, condition_number, identifiability, library


def model(predators, seen, small, terms, inputs, unknown):
    hidden = pinn.HiddenTerms(terms, inputs=inputs, architecture=small)
    forms = pinn.initial_value(predators, seen.scale.tolist())
    return pinn.UPINN(pinn.equations_of(predators), hidden, seen, forms, architecture=small, unknown=unknown, seed=0)


def test_condition_number_is_that_of_numpy_on_columns_of_length_one():
    matrix = torch.randn(20, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    scaled = (matrix / matrix.norm(dim=0)).numpy()
    assert condition_number(matrix) == pytest.approx(np.linalg.cond(scaled))
    assert condition_number(matrix * torch.tensor([1.0, 1e6, 1e-6, 3.0])) == pytest.approx(np.linalg.cond(scaled))


def test_dependent_candidates_have_no_condition_number():
    x = torch.linspace(1, 2, 9, dtype=torch.float64)
    assert condition_number(torch.stack([x, 2 * x], -1)) == float("inf")
    assert condition_number(torch.stack([x, 0 * x], -1)) == float("inf")
    # fewer points than candidates
    assert condition_number(library(x[:3, None], ["x"], 5)[0]) == float("inf")


def test_library_holds_all_monomials():
    features = torch.tensor([[2.0, 3.0]])
    values, names = library(features, ["x", "y"], 3)
    assert dict(zip(names, values[0].tolist(), strict=True)) == {
        "1": 1, "x": 2, "y": 3, "x^2": 4, "x*y": 6, "y^2": 9, "x^3": 8, "x^2*y": 12, "x*y^2": 18, "y^3": 27,
    }  # fmt: skip


def test_known_term_of_the_same_inputs_is_warned_of_at_once(predators, seen, small):
    with pytest.warns(Unidentifiable, match="alpha"):
        model(predators, seen, small, {"x": "-beta*x*y"}, ("x", "y"), {"alpha": 1.0})
    # gamma stands in another equation
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model(predators, seen, small, {"x": "-beta*x*y"}, ("x", "y"), {"gamma": 1.0})
        model(predators, seen, small, {"x": "-beta*x*y"}, ("y",), {"alpha": 1.0})


def test_left_over_share_is_nothing_for_a_function_of_the_inputs(predators, seen, small):
    points = pinn.collocation(predators, 64)
    with pytest.warns(Unidentifiable):
        same = model(predators, seen, small, {"x": "-beta*x*y"}, ("x", "y"), {"alpha": 1.0, "gamma": 2.0})
    with pytest.warns(Unidentifiable, match="points that were visited"):
        shares = identifiability(same, points)["left_over"]
    assert shares.sel(parameter="alpha") < 1e-10
    assert shares.sel(parameter="gamma") == 1


def test_longer_orbits_have_smaller_condition_numbers(predators, seen, small):
    visited = model(predators, seen, small, {"x": "-beta*x*y"}, ("x", "y"), {})
    short = identifiability(visited, pinn.collocation(predators, 64)[:16])["condition"].item()
    long = identifiability(visited, pinn.collocation(predators, 64))["condition"].item()
    assert 1 < long < short
