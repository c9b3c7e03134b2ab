"""The language of equations: what it reads, what it refuses, and that refusing is cheap."""

import contextlib
import re

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.problems.text.grammar import LONGEST_TEXT, parse_equation, parse_expression

t, x, y, nu = sympy.symbols("t x y nu", real=True)
u = sympy.Function("u", real=True)(t, x)


def read(text):
    return parse_expression(text, fields=["u"], parameters=["nu"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("u_xx", sympy.Derivative(u, x, 2)),
        ("-u^2", -(u**2)),
        ("2^3^2", sympy.Integer(512)),
        ("8/4/2", sympy.Integer(1)),
        ("1 - 2 - 3", sympy.Integer(-4)),
        ("2*-u", -2 * u),
        ("u**-2", u**-2),
        ("nu*u_xxxx/2", nu * sympy.Derivative(u, x, 4) / 2),
        ("sin(2*pi*x)", sympy.sin(2 * sympy.pi * x)),
        ("abs(u)", sympy.Abs(u)),
        ("dx(u^2/2)", sympy.Derivative(u**2 / 2, x)),
        ("dx(dx(u*u_x))", sympy.Derivative(u * sympy.Derivative(u, x), x, 2)),
        ("dx(3*pi)", sympy.Integer(0)),
        ("dx(nu^2)", sympy.Integer(0)),
        (".5e1*u", sympy.Float(5.0) * u),
        ("exprel(0)", sympy.Float(1.0)),
        ("pos(-2) + pos(3)", sympy.Float(3.0)),
    ],
)
def test_text_means_what_mathematics_means(text, expected):
    assert read(text) == expected


def test_two_dimensional_equation_with_several_fields():
    equation = parse_equation(
        "w_t = dy(psi_x*w) - dx(psi_y*w) + nu*(w_xx + w_yy)", fields=["w", "psi"], parameters=["nu"], dimension=2
    )
    w, psi = (sympy.Function(name, real=True)(t, x, y) for name in ("w", "psi"))
    assert equation.lhs == sympy.Derivative(w, t)
    assert equation.rhs.has(sympy.Derivative(psi, y))


HOSTILE = {
    "import": "u_t = __import__('os').system('ls')",
    "attribute": "u_t = u.diff",
    "double attribute": "u_t = ().__class__.__bases__",
    "tower of powers": "u_t = 9^9^9^9",
    "large power": "u_t = u^1000",
    "nested powers": "u_t = ((u^9)^9)^9",
    "product of powers": "u_t = " + "*".join(["u^16"] * 100),
    "ten megabytes": "u_t = " + "u+" * 5_000_000 + "u",
    "ten megabytes of blanks": " " * 10_000_000,
    "deep parentheses": "u_t = " + "(" * 10_000 + "u" + ")" * 10_000,
    "parentheses within the length": "u_t = " + "(" * 450 + "u" + ")" * 450,
    "deep functions": "u_t = " + "exp(" * 200 + "u" + ")" * 190,
    "deep derivatives": "u_t = " + "dx(" * 20 + "u" + ")" * 20,
    "long derivative": "u_t = u_" + "x" * 500,
    "Cyrillic a": "u_t = \u0430*u",
    "full-width digit": "u_t = \uff11*u",
    "superscript two": "u_t = u\u00b2",
    "null character": "u_t = u\x00",
    "lambda": "u_t = lambda u: u",
    "string": "u_t = 'u'",
    "comparison": "u_t = u < 1",
    "assignment in a call": "u_t = sin(u=1)",
    "infinite literal": "u_t = 1e999",
    "long literal": "u_t = " + "9" * 500,
    "product overflows": "u_t = " + "*".join(["1e29"] * 20),
    "function overflows": "u_t = exp(exp(exp(9)))",
    "not real": "u_t = sqrt(-2)*u",
    "not real for any u": "u_t = sqrt(-u^2)",
    "pole": "u_t = log(0)",
    "division by zero": "u_t = u/(x - x)",
    "negative power of zero": "u_t = 0^-1",
    "two equalities": "u_t = u = u",
    "no equality": "u_t",
    "nothing": "",
    "open parenthesis": "u_t = (u",
    "two arguments": "u_t = sin(u, u)",
    "no argument": "u_t = sin()",
    "missing operator": "u_t = 2u",
    "symbolic exponent": "u_t = u^nu",
    "not text": b"u_t = u",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_refused_with_a_short_message(text):
    with pytest.raises(InvalidArgument) as refusal:
        parse_equation(text, parameters=["nu"])
    assert len(str(refusal.value)) < 400


@pytest.mark.parametrize("name", ["eval", "exec", "open", "E", "I", "oo", "Symbol", "diff", "u_y", "z", "__class__"])
def test_only_declared_names_exist(name):
    with pytest.raises(InvalidArgument):
        read(name)


@pytest.mark.parametrize(("text", "nearest"), [("nuu", "nu"), ("u_z", "u_x"), ("sine(u)", "sin"), ("coss(u)", "cos")])
def test_unknown_names_suggest_the_nearest(text, nearest):
    with pytest.raises(UnknownName, match=f"did you mean '{nearest}'"):
        read(text)


@pytest.mark.parametrize("name", ["x", "pi", "sin", "dx", "u", "2a", "a b", "", "\u03bd", "a" * 40, None])
def test_parameters_may_not_take_a_name_that_is_taken_or_no_name(name):
    with pytest.raises(InvalidArgument):
        parse_equation("u_t = u", parameters=[name])


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("sin u", "'sin' at character 1 is a function: write sin(...)"),
        ("nu*sin^2(u)", "'sin' at character 4 is a function: write sin(...)^2"),
        ("dx u", "'dx' at character 1 is a function: write dx(...)"),
        ("2u", "before 'u' at character 2: a product is written 2*u"),
        ("(2 nu)", "before 'nu' at character 4: a product is written 2*nu"),
        ("(u)(u)", "at character 4: a product is written (...)*(...)"),
        ("nu(1 - u)", "'nu' at character 1 is no function: write nu*(...) for a product"),
        ("e^u", "'e' at character 1 is written exp(1), and a power of it exp(...)"),
        ("1 + ln(u)", "'ln' at character 5 is written log(...)"),
        ("u +  $", "unexpected '$' in the equation at character 6"),
    ],
)
def test_other_notations_are_answered_by_how_to_write_them(text, answer):
    with pytest.raises(InvalidArgument, match=re.escape(answer)):
        read(text)


FACTORS = st.sampled_from(["2", "0.5", "u", "nu", "x", "(u + 1)", "sin(u)", "(nu)"])


@settings(max_examples=100, deadline=None)
@given(st.lists(FACTORS, min_size=2, max_size=5), st.integers(1, 4), st.sampled_from(["", " ", "  "]))
def test_a_product_without_its_sign_is_found_where_it_stands(factors, place, gap):
    place = min(place, len(factors) - 1)
    before, after = "*".join(factors[:place]), "*".join(factors[place:])
    text = f"{before}{gap or ' '}{after}"
    assert read(f"{before}*{after}") is not None
    with pytest.raises(InvalidArgument) as refusal:
        read(text)
    position = int(re.search(r"character (\d+)", str(refusal.value))[1])
    # a name before a parenthesis is read as a call, and shown itself
    call = re.fullmatch(r"[a-z]+", factors[place - 1]) and after.startswith("(")
    start = len(before) - len(factors[place - 1]) if call else text.index(after, len(before))
    assert position == start + 1
    assert "*" in str(refusal.value)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ux_t+-*/^()=.0123456789enupisqrt ,<'\u0430", max_size=60) | st.text(max_size=60))
def test_random_text_is_read_or_refused_and_raises_nothing_else(text):
    with contextlib.suppress(InvalidArgument):
        parse_equation(text, parameters=["nu"])


def test_a_text_of_the_greatest_length_is_read_and_one_more_character_is_not():
    text = "u_t = " + "*".join(["(u + x*nu)"] * 16) + " + u*x/3" * 100
    text += " " * (LONGEST_TEXT - len(text))
    assert parse_equation(text, parameters=["nu"]).rhs.is_Add
    with pytest.raises(InvalidArgument, match="at most 1000 characters; got 1001"):
        parse_equation(text + " ", parameters=["nu"])
