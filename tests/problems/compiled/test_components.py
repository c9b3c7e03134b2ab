"""A few components of a field with sites: those of the whole field, from few states."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limitlab import problems
from limitlab.errors import InvalidArgument
from limitlab.problems.compiled.components import components

EQUATIONS = {
    "two states": "a[i]' = b[i+1]*a[i-2] - sin(t)*i/N\nb[i]' = k*a[i] - b[i]^3",
    "one state": "a[i]' = exp(a[i+1] - a[i]) - k",
    "no neighbour": "a[i]' = -k*a[i]^2 + t",
}


@settings(max_examples=30, deadline=None)
@given(
    name=st.sampled_from(sorted(EQUATIONS)),
    ends=st.sampled_from(["cyclic", "zero"]),
    seed=st.integers(0, 1000),
    count=st.integers(1, 9),
)
def test_they_are_those_of_the_whole_field(name, ends, seed, count):
    problem = problems.parse(EQUATIONS[name], {"k": 0.7} if "k" in EQUATIONS[name] else {}, sites=9, ends=ends)
    draws = torch.Generator().manual_seed(seed)
    rows = torch.randperm(problem.dimension, generator=draws)[:count]
    some = components(problem.dynamics().drift, problem.layout(), problem.merged(None), rows)
    y, t = torch.randn(5, problem.dimension, generator=draws).double(), torch.rand(5, 1, generator=draws).double()
    assert torch.allclose(some.slope(t, y[:, some.needed]), problem.field()(t, y)[:, rows], atol=1e-14)
    assert len(some.needed) <= 3 * count + 1


@pytest.mark.parametrize(
    ("name", "rows", "words"),
    [
        ("heat_lines", [64], "different numbers from 0 to 63"),
        ("heat_lines", [-1], "different numbers"),
        ("heat_lines", [3, 3], "different numbers"),
        ("heat_lines", [], "different numbers"),
        ("lorenz", [0], "with sites"),
        ("kuramoto", [0], "needs every site"),
    ],
)
def test_what_has_none_is_refused(name, rows, words):
    problem = problems.get(name)
    with pytest.raises(InvalidArgument, match=words):
        components(problem.dynamics().drift, problem.layout(), problem.merged(None), torch.tensor(rows).long())
