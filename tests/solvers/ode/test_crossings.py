"""Crossings along a step: all of them for polynomials, in order, and what is looked at for other functions."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from solvers.toys import DOUBLE, double

from limitlab.solvers.ode.crossings import FINE, brackets, turning_points

ALL = torch.ones(1, 1, dtype=torch.bool)


def bracketed(function, degree=4, moved=ALL, **which):
    start = torch.zeros(len(moved), 1, dtype=DOUBLE)
    ends = function(start), function(start + 1)
    return brackets(function, ends, degree, moved=moved, **which)


def inside(found, sample=0):
    return [(float(each.low[sample]), float(each.high[sample])) for each in found if bool(each.here[sample])]


@given(roots=st.lists(st.floats(0.01, 0.99), min_size=1, max_size=7), scale=st.floats(0.1, 10.0))
@settings(max_examples=150, deadline=None)
def test_every_root_of_a_polynomial_of_the_methods_degree_is_bracketed(roots, scale):
    roots = sorted(roots)
    # closer roots of seven are the same to the rounding of the coefficients
    if min((b - a for a, b in pairwise(roots)), default=1.0) < 5e-3:
        return
    found = inside(bracketed(lambda theta: scale * torch.stack([theta - r for r in roots]).prod(0), degree=7))
    assert len(found) == len(roots)
    assert all(low < root <= high for (low, high), root in zip(found, roots, strict=True))


def test_the_polynomial_is_monotone_between_its_turning_points():
    powers = torch.randn(200, 6, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    points = turning_points(powers)
    edges = torch.cat([torch.zeros(200, 1), points, torch.ones(200, 1)], 1).double()
    theta = edges[:, :-1, None] + torch.linspace(0, 1, 40, dtype=DOUBLE) * edges.diff(dim=1)[..., None]
    steps = (powers[:, None, None] * theta[..., None] ** torch.arange(6)).sum(-1).diff(dim=-1)
    assert bool(((steps > -1e-9).all(-1) | (steps < 1e-9).all(-1)).all())


def test_a_zero_counts_where_it_is_arrived_at_and_not_where_it_is_left():
    assert inside(bracketed(lambda theta: theta)) == []
    assert len(inside(bracketed(lambda theta: theta * (0.5 - theta)))) == 1
    ((_, high),) = inside(bracketed(lambda theta: 1 - theta))
    assert high == 1.0


def test_directions_and_samples_that_do_not_move_are_respected():
    three = lambda theta: (theta - 0.2) * (theta - 0.5) * (theta - 0.9)  # noqa: E731
    assert len(inside(bracketed(three))) == 3
    assert len(inside(bracketed(three, down=False))) == 2
    assert len(inside(bracketed(three, up=False))) == 1
    assert bracketed(three, moved=~ALL) == []


@pytest.mark.parametrize("turns", [3, 9, 15])
def test_a_function_that_is_no_polynomial_is_looked_at_closely(turns):
    found = inside(bracketed(lambda theta: torch.sin(math.pi * (turns + 0.5) * theta + 0.3)))
    zeros = [(k - 0.3 / math.pi) / (turns + 0.5) for k in range(1, turns + 1)]
    assert turns < FINE
    assert all(low < zero <= high for (low, high), zero in zip(found, zeros, strict=True))


def test_a_kink_and_a_gap_hide_no_crossing():
    folded = inside(bracketed(lambda theta: (theta - 0.37).abs() - 0.07))
    assert [low < root < high for (low, high), root in zip(folded, (0.3, 0.44), strict=True)] == [True, True]
    gap = inside(bracketed(lambda theta: torch.where(theta < 0.3, torch.nan, theta - 0.7)))
    assert len(gap) == 1


def test_what_is_far_from_zero_costs_the_values_at_the_nodes_alone():
    asked = []
    assert bracketed(lambda theta: asked.append(theta.numel()) or 2 + theta**3, degree=4) == []
    assert sum(asked) == 2 + 3 + 1


def test_rounding_at_an_end_makes_no_crossings():
    """The end of a step and its continuous extension there differ by rounding."""
    ends = double([1.0]), double([1e-17])
    assert brackets(lambda theta: 1 - theta - 1e-16, ends, 4, moved=ALL) == []
    (once,) = brackets(lambda theta: 1 - theta + 1e-16, (ends[0], -ends[1]), 4, moved=ALL)
    assert float(once.high) == 1.0
