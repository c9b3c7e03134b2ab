"""Integral equations as texts: what they are made of, what they show, and that odd texts end in a named error."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limitlab import problems
from limitlab.errors import InvalidArgument
from limitlab.problems.text.functions import FUNCTIONS

NUMBERS = ("2", "0.5", "0", "-1", "7/3", "1e30", "pi", "a")


def equation(kernel="1", forcing="x", response="u", **options):
    parameters = (problems.Parameter("a", -0.7, -9.0, 9.0, "a number"),)
    options = {"type": "volterra", "parameters": parameters, **options}
    return problems.IntegralProblem(
        name="typed", title="Typed", kernel=kernel, forcing=forcing, response=response, **options
    )


@st.composite
def sides(draw, words, depth=3):
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from((*words, *NUMBERS)))
    inner = draw(sides(words, depth - 1))
    form = draw(st.sampled_from(("operator", "power", "function")))
    if form == "operator":
        return f"({inner}){draw(st.sampled_from('+-*/'))}({draw(sides(words, depth - 1))})"
    if form == "power":
        return f"({inner})^{draw(st.sampled_from(('2', '-1', '0.5', '(1/3)', 'a', 'pi')))}"
    return f"{draw(st.sampled_from(tuple(FUNCTIONS)))}({inner})"


WORDS = ("x", "t", "u", *FUNCTIONS, *NUMBERS, *"()+-*/^=;'")
SALAD = st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)


def evaluated(problem):
    x = torch.linspace(0.0, 1.0, 5, dtype=torch.float64)
    numbers = (problem.kernel_at(x[:, None], x), problem.forcing_at(x), problem.response_at(x))
    assert [part.shape for part in numbers] == [(5, 5), (5,), (5,)]
    assert all(part.dtype == torch.float64 for part in numbers)
    assert problem.latex().count("{") == problem.latex().count("}")


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    sides(("x", "t")) | SALAD, sides(("x",)) | SALAD, sides(("u",)) | SALAD, st.sampled_from((None, "1/2", "a", "x"))
)
def test_every_text_ends_in_numbers_or_in_a_named_error(kernel, forcing, response, abel):
    try:
        evaluated(equation(kernel, forcing, response, abel=abel))
    except InvalidArgument:
        return


@pytest.mark.parametrize(
    "part",
    [
        {"kernel": "y"},
        {"kernel": "__import__('os')"},
        {"kernel": "(-exp(x))^(1/3)"},
        {"kernel": "a^0.5*x"},
        {"forcing": "t1"},
        {"forcing": ""},
        {"forcing": "x = 1"},
        {"response": "x*u"},
        {"response": "9^9^9*u"},
    ],
)
def test_what_cannot_be_computed_is_refused(part):
    with pytest.raises(InvalidArgument):
        evaluated(equation(**part))


def test_the_response_alone_takes_the_variable_of_the_integral():
    problem = equation(kernel="x", response="u^2*mu", parameters=(problems.Parameter("mu", 1.0, 0.0, 2.0, "m"),))
    assert problem.equation == "u(x) = x + integral(0, x, (x)*u(t)^2*mu, dt)"


def test_without_a_solution_none_is_computed():
    with pytest.raises(InvalidArgument, match="no exact solution of typed"):
        equation().exact()


def test_the_order_of_abel_may_be_a_parameter():
    assert equation(abel="a + 1").abel_order() == pytest.approx(0.3)
    assert equation().abel_order() is None
