"""Trees as machine code, against torch's operations and against all trees at once."""

import math
import sys

import numpy as np
import pytest
import torch

from limitlab.discovery.machine_code import code_of
from limitlab.discovery.symbolic.trees.evaluation import fits, plan_of, roots_of, scaled, values_of
from limitlab.discovery.symbolic.trees.mutations import random_trees
from limitlab.discovery.symbolic.trees.population import CODES, OPERATOR_NAMES, OPS, Population

QUARTERS = np.arange(-2000, 2001) * (math.pi / 2)
ENDS = [0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, -5e-324, 1.7e308, 709.7, 709.8, -745.0, -746.0]
ORDINARY = [np.linspace(-50, 50, 5001), QUARTERS, np.linspace(-708, 709, 2001), np.geomspace(1e-12, 1e5, 1001)]
EXTREME = [*ORDINARY, np.geomspace(1e-320, 1e300, 1001), -np.geomspace(1e-320, 1e300, 1001), ENDS]


@pytest.mark.parametrize("numbers", [ORDINARY, EXTREME], ids=["ordinary", "extreme"])
@pytest.mark.parametrize("name", OPERATOR_NAMES)
def test_every_operation_is_torchs_to_four_units_in_the_last_place(name, numbers):
    x = torch.from_numpy(np.concatenate(numbers))
    points = torch.stack([x, x.flip(0)])
    row = OPS[CODES[name]]
    leaves = [("x", index) for index in range(row.arity)]
    (value,) = roots_of(Population.of([[*leaves, name]]), points)
    expected = row.value(*points[: row.arity])
    assert torch.equal(value.isnan(), expected.isnan())
    usual = expected.isfinite()
    assert torch.equal(value[~usual].nan_to_num(), expected[~usual].nan_to_num())
    spacing = torch.from_numpy(np.spacing(expected[usual].abs().numpy()))
    assert ((value - expected)[usual].abs() <= 4 * spacing).all()


@pytest.mark.parametrize("values", [roots_of, lambda t, x: values_of(t, x, plan_of(t, 3)).roots], ids=["code", "rows"])
def test_values_of_ten_thousand_trees_are_right_to_twelve_digits_or_to_their_condition(
    values, alphabet, points, bounded
):
    generator = torch.Generator().manual_seed(9)
    trees = random_trees(generator, torch.randint(1, 22, (10_000,), generator=generator), 30, alphabet)
    points = points[:, :8].contiguous()
    values, (expected, error) = values(trees, points), bounded(trees, points)
    conditioned = error.isfinite()
    assert ((values - expected).abs() <= error)[conditioned].all()
    tame = conditioned & (error <= 1e-12 * expected.abs())
    assert ((values - expected).abs() <= 1e-12 * expected.abs())[tame].all()
    # of all values, without those that are none
    assert tame.sum() > 0.95 * expected.isfinite().sum() > 40_000


def agree(one, other):
    # a tree of many functions enlarges the last place of what is within it
    return torch.isclose(one, other, rtol=1e-6, atol=1e-9, equal_nan=True) | (one == other)


def test_fits_are_those_of_the_values(trees, points):
    y, weights = points[0] * points[1], torch.rand(50, dtype=torch.float64)
    weights /= weights.sum()
    code, expected = fits(trees, points, y, weights), scaled(roots_of(trees, points), y, weights)
    assert torch.equal(code.loss.isfinite(), expected.loss.isfinite())
    for one, other in zip(code, expected, strict=True):
        # a spread at the edge of rounding is none for one of them
        assert agree(one, other)[code.loss.isfinite()].double().mean() > 0.99


def test_a_tree_may_be_as_deep_as_it_is_wide(points):
    sum_of_all = [("x", 0), *[part for _ in range(20) for part in (("x", 1), "+")]]
    nested = [*[("x", k % 3) for k in range(21)], *["+"] * 20]
    values = roots_of(Population.of([sum_of_all, nested]), points)
    assert torch.allclose(values[0], points[0] + 20 * points[1])
    assert torch.allclose(values[1], 7 * points.sum(0))


def test_all_trees_at_once_take_its_place_without_numba(trees, points, monkeypatch):
    y, weights = points[0] * points[1], torch.full((50,), 1 / 50, dtype=torch.float64)
    monkeypatch.setitem(sys.modules, "limitlab.discovery.symbolic.trees.compiled", None)
    code_of.cache_clear()
    try:
        instead, values = fits(trees[:50], points, y, weights), roots_of(trees[:50], points)
    finally:
        code_of.cache_clear()
    at_once = values_of(trees[:50], points, plan_of(trees[:50], 3)).roots
    assert torch.equal(values.nan_to_num(), at_once.nan_to_num())
    assert torch.equal(instead.loss, scaled(at_once, y, weights).loss)
