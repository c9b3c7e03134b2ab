"""Formulas in the hole of a periodic equation: how they are split, and where their fields are read."""

import math

import numpy as np
import pytest
import torch

from limitlab import problems
from limitlab.discovery.symbolic.expression import Expr
from limitlab.discovery.symbolic.refit.field import HoledField, Places, completion_of, sampled
from limitlab.discovery.symbolic.refit.forward import Fills
from limitlab.spaces import spectral_derivative

INPUTS = ("u", "u_x", "u_xx")
HEAT = problems.get("heat", nu=0.1)


@pytest.mark.parametrize("text", ["a*u*u_x + b*u_xx", "a", "a*u + b*u_x", "a*u*(1 - u)", "a*sin(u)*u_xx - b^2*u_xx"])
def test_the_linear_part_and_the_rest_are_the_formula(text):
    names = sorted(set(text) & {"a", "b"})
    formula = Expr.parse(text, INPUTS, parameters=dict.fromkeys(names, 1.0))
    fills = Fills(HoledField(HEAT), ((formula,),), np.array([[0]]))
    constants = np.array([[0.7, -1.3], [0.2, 0.4]])[:, : len(names)]
    completion = completion_of(fills, np.array([0, 0]), constants)
    grid = HEAT.grid(16)
    u = torch.sin(2 * math.pi * torch.arange(16, dtype=torch.float64) / 16).repeat(2, 1)
    features = {"u": u, "u_x": spectral_derivative(u, grid, 0), "u_xx": spectral_derivative(u, grid, 0, 2)}
    total = completion.part(torch.arange(2))(features)
    for order, coefficients in completion.linear.items():
        total = total + coefficients[:, None] * features[INPUTS[order]]
    columns = torch.stack([features[name] for name in INPUTS], -1)
    for row in range(2):
        expected = formula.with_parameters(constants[row])(columns[row].numpy())
        np.testing.assert_allclose(total[row], np.broadcast_to(expected, 16), atol=1e-12)


def test_a_constant_diffusion_is_linear_and_a_product_is_not():
    formula = Expr.parse("a*u_xx + b*u*u_xx", INPUTS, parameters={"a": 1.0, "b": 2.0})
    completion = completion_of(
        Fills(HoledField(HEAT), ((formula,),), np.array([[0]])), np.array([0]), np.array([[3.0, 4.0]])
    )
    assert {order: value.tolist() for order, value in completion.linear.items()} == {2: [3.0]}
    assert completion.inputs == ("u", "u_xx")


def test_fields_are_read_between_the_points_of_the_grid():
    places = Places.of(np.array([[0.2, 0.123], [0.1, 0.9], [0.2, 0.5]]))
    assert places.times.tolist() == [0.1, 0.2]
    grid = HEAT.grid(16)
    x = grid.points()[:, 0]
    u = torch.stack([torch.cos(6 * math.pi * x), torch.sin(2 * math.pi * x) + 3])[None]
    expected = [math.sin(2 * math.pi * 0.123) + 3, math.cos(6 * math.pi * 0.9), 3.0]
    assert sampled(u, places, places.waves(grid), grid)[0].tolist() == pytest.approx(expected)


def test_the_equation_with_a_formula_in_its_hole_is_a_problem():
    formula = Expr.parse("-0.5*u*u_x + 0.5*u_xx", INPUTS)
    text = HoledField(problems.get("heat", nu=0.25)).filled([formula])
    assert text == "u_t = -0.5*u*u_x + 0.75*u_xx"
    assert problems.parse(text, initial="sin(2*pi*x)").equation == text
