"""A law is recognised whatever its constants and however it is written, and one term too many is seen."""

import pytest

from limitlab.discovery.symbolic import Expr, same_structure

BOX = [(0.2, 3.0), (0.1, 2.0)]
LAW = Expr.parse("-a*x*y/(b + x) - c*y", ("x", "y"), parameters={"a": 2.5, "b": 0.6, "c": 0.4})


def read(text, **constants):
    return Expr.parse(text, ("x", "y"), parameters=constants)


@pytest.mark.parametrize(
    "other",
    [
        read("-p*x*y/(q + x) - r*y", p=2.3, q=0.5, r=0.5),
        # over one denominator, and with another set of constants
        read("-y*(p*x + q)/(x + r)", p=3.0, q=0.2, r=0.5),
    ],
)
def test_constants_and_the_way_of_writing_do_not_matter(other):
    assert same_structure(other, LAW, BOX)


@pytest.mark.parametrize(
    "other",
    [
        read("-p*x*y/(q + x) - r*y + s*x", p=2.5, q=0.6, r=0.4, s=0.01),
        read("-p*x*y/(q + x) - r*y + s", p=2.5, q=0.6, r=0.4, s=0.0),
        read("-p*x*y/(q + x)", p=2.9, q=0.6),
        read("-p*y*tanh(q*x) - r*y", p=2.0, q=1.0, r=0.4),
        read("-p*log(x - 1)", p=2.0),
    ],
)
def test_a_term_too_many_or_another_function_is_another_structure(other):
    assert not same_structure(other, LAW, BOX)


def test_a_law_without_constants_is_itself_and_a_multiple_is_not():
    law = read("sin(x)*y")
    assert same_structure(law, law, BOX)
    assert same_structure(read("a*sin(x)*y", a=0.7), law, BOX)
    assert not same_structure(read("0.7*sin(x)*y"), law, BOX)
