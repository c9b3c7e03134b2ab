"""Systems as text: what they mean, what is refused with which message, and that refusing is cheap."""

import contextlib
import re

import numpy as np
import pytest
import scipy.special
import sympy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.problems.compiled.vector_field import Layout, vector_field
from limitlab.problems.text.notation import equation_text
from limitlab.problems.text.systems import LONGEST_SYSTEM, kind_of, parse_dynamics, parse_scalar

t, x, y, a = sympy.symbols("t x y a", real=True)


@pytest.mark.parametrize(
    "text",
    ["x' = y; y' = -a*x", "dx/dt = y\ndy/dt = -a*x", "d x / dt = y;; y ' = -a*x ;", "b = -a*x; x' = y; y' = b"],
)
def test_a_system_is_read_in_every_notation(text):
    found = parse_dynamics(text, ("a",))
    assert found.states == ("x", "y")
    assert found.drift == (y, -a * x)


def test_stochastic_text_splits_into_drift_and_columns_of_noise():
    found = parse_dynamics("dx = (a*dt + 2*dW2)*x; dy = x*dt - dW1", ("a",))
    assert found.drift == (a * x, x)
    assert found.noises == ("dW1", "dW2")
    assert found.diffusion == ((0, 2 * x), (-1, 0))


def test_sites_and_means_are_symbols_of_neighbours():
    found = parse_dynamics("x[i]' = x[i+1] - x[i-2] + mean(sin(x[j]))")
    names = {symbol.name for symbol in found.drift[0].free_symbols}
    assert found.indexed
    assert names == {"x[i+1]", "x[i-2]", "x[j]"}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("x' = 1", "ode"),
        ("dx/dt = x", "ode"),
        ("delta = 2; x' = delta", "ode"),
        ("dX = X*dt + dW", "sde"),
        ("d = 2; dX = d*dW3", "sde"),
        ("u_t = u_xx", None),
        ("delta = 3", None),
        ("", None),
        (b"x' = 1", None),
        ("x' = 1" * 10_000, None),
    ],
)
def test_the_left_side_says_the_kind(text, kind):
    assert kind_of(text) == kind


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x'' = -x", "second derivatives as two equations"),
        ("x' = y", "unknown name 'y'"),
        ("x' = x; x' = 2", "two equations of 'x'"),
        ("x' = x; 2*y = 3", "begins with x' = ..."),
        ("x' = x; y", "left = right"),
        ("a = 2; x' = a", "'a' is taken already"),
        ("x = 2; x' = x", "'x' is taken already"),
        ("t' = 1", "'t' is taken already"),
        ("sin' = 1", "'sin' is taken already"),
        ("dX = X*dt; y' = dW", "all equations like"),
        ("dX = X*dt", "no equation holds dW"),
        ("dX = X + dW", "a factor times dt or times one dW"),
        ("dX = dW^2", "a factor times dt or times one dW"),
        ("dX = X*dt*dW", "a factor times dt or times one dW"),
        ("x[i]' = x", "'x' has sites"),
        ("x[i]' = x[i+9]", "at most 8 sites away"),
        ("x[i]' = x[j]", "in mean"),
        ("x[i]' = x[k]", "in mean"),
        ("x[i]' = mean(mean(x[j]))", "may not stand inside another"),
        ("x[i]' = x[i]; y' = 1", r"\[i\] on all left sides"),
        ("x[i]' = q[i]", "unknown state with sites 'q'"),
        ("x' = x[i]", "expected an operator"),
        ("x[i]' = j*x[i]", "j stands only in brackets"),
        ("x' = mean(x)", "unknown function 'mean'"),
    ],
)
def test_mistakes_are_named(text, message):
    with pytest.raises(InvalidArgument, match=message):
        parse_dynamics(text, ("a",))


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'sigma'"):
        parse_dynamics("x' = sigm*x", ("sigma",))


def test_a_mean_that_mixes_two_sites_is_refused():
    found = parse_dynamics("x[i]' = mean(exp(sin(x[i] - x[j])))")
    layout = Layout(found.states, (), 4)
    with pytest.raises(InvalidArgument, match="does not split"):
        vector_field(found.drift, layout, {})


HOSTILE = {
    "import": "x' = __import__('os').system('ls')",
    "attribute": "x' = x.diff",
    "lambda": "x' = (lambda: 1)()",
    "class": "x' = ().__class__",
    "string": "x' = 'a'",
    "name on the left": "__x__' = 1",
    "tower": "x' = 9^9^9^9",
    "nested powers": "x' = ((x^9)^9)^9",
    "symbolic exponent": "x' = 2^x",
    "ten megabytes": "x' = " + "x+" * 5_000_000 + "x",
    "ten megabytes of lines": "x' = 1\n" * 1_500_000,
    "many equations": ";".join(f"x{k}' = 1" for k in range(41)),
    "named expressions that double": "a0 = x + 1;"
    + "".join(f"a{k + 1} = a{k}*sin(a{k});" for k in range(30))
    + "x' = a30",
    "named expressions that repeat": "a = " + "+".join(["sin(x)*t"] * 60) + "; x' = " + "*".join(["a"] * 300),
    "deep parentheses": "x' = " + "(" * 400 + "x" + ")" * 400,
    "site far away": "x[i]' = x[i+99999999999]",
    "index with a call": "x[i]' = x[sin(i)]",
    "index of an index": "x[i]' = x[x[i]]",
    "unclosed bracket": "x[i]' = x[i",
    "prime on the right": "x' = y'",
    "Cyrillic": "x' = \u0445",
    "Cyrillic left": "\u0445' = 1",
    "prime of another alphabet": "x\u2032 = 1",
    "null": "x' = x\x00",
    "semicolons alone": ";;;;",
    "noise by itself": "dX = dW*dW1",
    "noise of noise": "dX = sin(dW)",
    "many noises": "dX = dW999",
    "no text": None,
    "bytes": b"x' = x",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_refused_with_a_short_message(text):
    with pytest.raises(InvalidArgument) as refusal:
        parse_dynamics(text)
    assert len(str(refusal.value)) < 500


def test_a_system_of_the_greatest_length_is_read_and_a_longer_one_is_not():
    line = "x' = " + "*".join(["(x + t*a)"] * 16) + " + x*t/3" * 80
    text = line + ";" + " " * (LONGEST_SYSTEM - len(line) - 1)
    assert parse_dynamics(text, ("a",)).drift[0].is_Add
    with pytest.raises(InvalidArgument, match=f"at most {LONGEST_SYSTEM} characters"):
        parse_dynamics(text + " ", ("a",))


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="xyt'd/W=;+-*^()[]ij 012.5asinme\n", max_size=50) | st.text(max_size=50))
def test_random_text_is_read_or_refused_and_raises_nothing_else(text):
    with contextlib.suppress(InvalidArgument):
        parse_dynamics(text, ("a",))


MISTAKES = ["2x", "sin x", "x $ 1", "x^t", "(x", "e^x", "1/0", "x y", "x(2)", "1e31", "ln(x)"]


@settings(max_examples=100, deadline=None)
@given(
    good=st.lists(st.sampled_from(["x", "-y + t", "a*x*y", "sin(2*x)", "3"]), min_size=1, max_size=4),
    place=st.integers(0, 4),
    mistake=st.sampled_from(MISTAKES),
    between=st.sampled_from(["; ", ";", "\n", " ;\n  ", ";;"]),
    ahead=st.sampled_from(["", "  ", "\n"]),
)
def test_the_place_of_a_mistake_is_counted_in_the_whole_text(good, place, mistake, between, ahead):
    """The same words as for the lone equation, at a place that is as many characters further on."""
    others = [f"z{number}' = {side}" for number, side in enumerate(good)]
    lines = [*others[:place], f"x' = {mistake}", *others[place:], "y' = x"]
    with pytest.raises(InvalidArgument) as alone:
        parse_dynamics(f"x' = {mistake}; y' = 0", ("a",))
    with pytest.raises(InvalidArgument) as among:
        parse_dynamics(ahead + between.join(lines), ("a",))
    offset = len(ahead) + sum(len(line) + len(between) for line in others[:place])
    moved = re.sub(r"character (\d+)", lambda found: f"character {int(found[1]) + offset}", str(alone.value))
    assert str(among.value) == moved


@pytest.mark.parametrize("text", ["du/dt = u_xx", "u' = D*u_xx", "u' = v; v' = u_xx"])
def test_a_derivative_in_space_names_the_notation_of_partial_equations(text):
    place = text.index("u_xx") + 1
    with pytest.raises(InvalidArgument, match=rf"'u_xx' at character {place} is a derivative: write u_t = \.\.\."):
        parse_dynamics(text, ("D",))


@pytest.mark.parametrize("text", ["x[i]' = mean x[j]", "x[i]' = x[i]*sum"])
def test_a_reduction_without_parentheses_is_answered_by_how_to_write_it(text):
    with pytest.raises(InvalidArgument, match=r"is a function: write (mean|sum)\(\.\.\.\)"):
        parse_dynamics(text)


@st.composite
def expressions(draw, names, depth=3):
    """Texts of smooth expressions that are finite for arguments of moderate size."""
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from([*names, "2", "0.5", "7/3", "pi"]))
    inner = draw(expressions(names, depth=depth - 1))
    form = draw(st.sampled_from(["operator", "quotient", "power", "function"]))
    if form == "operator":
        return f"({inner}){draw(st.sampled_from('+-*'))}({draw(expressions(names, depth=depth - 1))})"
    if form == "quotient":
        return f"({inner})/(2 + sin({draw(expressions(names, depth=depth - 1))}))"
    if form == "power":
        return f"({inner})^{draw(st.sampled_from(['2', '3', '5']))}"
    return f"{draw(st.sampled_from(['sin', 'cos', 'tanh', 'erf', 'exprel', 'pos', 'abs']))}(tanh({inner}))"


NAMES = ("x", "y", "z", "t", "a", "b")
NUMPY = {
    "exprel": lambda v: np.where(v == 0, 1.0, np.expm1(v) / np.where(v == 0, 1.0, v)),
    "pos": lambda v: np.maximum(v, 0),
    "erf": scipy.special.erf,
}


@settings(max_examples=80, deadline=None)
@given(st.tuples(*[expressions(NAMES)] * 3))
def test_a_random_system_computes_what_sympy_says(texts):
    """Against sympy's own code generator for numpy; equal up to round-off of a differently ordered sum."""
    text = "; ".join(f"{state}' = {side}" for state, side in zip("xyz", texts, strict=True))
    try:
        system = parse_dynamics(text, ("a", "b"))
    except InvalidArgument:
        return
    values = {"a": 0.7, "b": -1.3}
    field = vector_field(system.drift, Layout(system.states, ("a", "b")), values)
    y = torch.linspace(-1.1, 1.3, 12, dtype=torch.float64).reshape(4, 3)
    time = torch.linspace(0.1, 0.9, 4, dtype=torch.float64)[:, None]
    reference = sympy.lambdify([sympy.Symbol(n, real=True) for n in NAMES], system.drift, modules=[NUMPY, "numpy"])
    expected = reference(*y.numpy().T, time.numpy()[:, 0], *values.values())
    expected = np.stack([np.broadcast_to(np.asarray(side, dtype=float), 4) for side in expected], -1)
    size = np.abs(expected).max() + 1
    assert np.allclose(field(time, y).numpy(), expected, rtol=1e-9, atol=1e-10 * size, equal_nan=True)


@settings(max_examples=80, deadline=None)
@given(expressions(("x", "t", "a")))
def test_printed_expressions_are_read_back(text):
    try:
        tree = parse_scalar(text, ("x", "a"))
    except InvalidArgument:
        return
    again = parse_scalar(equation_text(tree), ("x", "a"))
    fields = [vector_field((side,), Layout(("x",), ("a",)), {"a": -1.2}) for side in (tree, again)]
    moment, place = torch.tensor([[0.3]], dtype=torch.float64), torch.tensor([[0.8]], dtype=torch.float64)
    first, second = (float(field(moment, place)) for field in fields)
    assert second == pytest.approx(first, rel=1e-9, nan_ok=True)


def test_printed_sites_are_read_back():
    tree = parse_dynamics("x[i]' = a*mean(sin(x[j] - x[i])) + x[i-1]^2*i/N", ("a",)).drift[0]
    assert parse_dynamics(f"x[i]' = {equation_text(tree)}", ("a",)).drift[0] == tree
