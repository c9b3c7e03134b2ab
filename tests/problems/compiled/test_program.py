"""Programs of torch operations: shared work, fused sums, real numbers alone."""

import math

import pytest
import torch

from limitlab.errors import InvalidArgument
from limitlab.problems.compiled.program import Program
from limitlab.problems.text.systems import parse_dynamics, parse_scalar


def test_common_subexpressions_are_computed_once_and_terms_are_fused():
    """Lorenz in seven operations between taking the state apart and stacking the slopes."""
    system = parse_dynamics("x' = s*(y - x); y' = x*(r - z) - y; z' = x*y - b*z", ("s", "r", "b"))
    program = Program(system.drift, ("t", *system.states), ("s", "r", "b"))
    assert len(program._body) <= 7
    repeated = parse_dynamics("x' = sin(x*y); y' = x*sin(x*y)^2")
    assert len(Program(repeated.drift, ("t", "x", "y"), ())._body) == 4


@pytest.mark.parametrize("text", ["x*a^0.5", "x + (1 - 1/b)^(1/3)", "x/b", "x*log(a)"])
def test_parameters_that_make_no_real_number_are_refused(text):
    program = Program((parse_scalar(text, ("x", "a", "b")),), ("x",), ("a", "b"))
    assert torch.isfinite(program.bind({"a": 2.0, "b": 3.0})(torch.ones(1))[0]).all()
    with pytest.raises(InvalidArgument, match="not a finite number at a=-2"):
        program.bind({"a": -2.0, "b": 0.0})


def test_what_depends_on_parameters_alone_is_computed_once():
    program = Program((parse_scalar("sin(a)*exp(a)*x", ("x", "a")),), ("x",), ("a",))
    x = torch.linspace(-1, 1, 5, dtype=torch.float64)
    expected = math.sin(0.7) * math.exp(0.7) * x
    assert torch.allclose(program.bind({"a": 0.7})(x)[0], expected, rtol=1e-14)
    assert len(program._body) == 1


def test_a_word_without_a_value_is_refused():
    with pytest.raises(InvalidArgument, match="no value is given for 'a'"):
        Program((parse_scalar("a*x", ("x", "a")),), ("x",), ())
