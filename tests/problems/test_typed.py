"""Systems that a person types: read as what they are, solved like the catalogue's, refused with the reason."""

import json

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limitlab import problems
from limitlab.errors import InvalidArgument, LimitlabError, UnknownName
from limitlab.problems.laws import Box
from limitlab.problems.pde.laws import GaussianLaw, TextLaw
from limitlab.problems.text.functions import FUNCTIONS


def test_the_kind_is_recognised_from_the_left_side():
    assert isinstance(problems.parse("x' = -x"), problems.ODEProblem)
    assert isinstance(problems.parse("dX = -X*dt + dW"), problems.SDEProblem)
    assert isinstance(problems.parse("u_t = u_xx"), problems.PDEProblem)


@pytest.mark.parametrize("text", ["x' = -x", "dX = dW", "u_t = u_xx"])
def test_a_typed_problem_takes_a_name(text):
    assert problems.parse(text, name="mine").spec()["name"] == "mine"


def test_a_typed_system_is_the_catalogues():
    text = "dx/dt = alpha*x - beta*x*y\ndy/dt = delta*x*y - gamma*y"
    known = problems.get("lotka_volterra")
    own = problems.parse(text, known.values, initial=known.initial, span=known.span, frames=known.frames)
    assert np.array_equal(own.solve().y, known.solve().y)
    assert own.latex() == known.latex().replace(r"\alpha", r"\alpha")


def test_typed_parameters_get_a_range_and_initial_values_may_be_texts():
    own = problems.parse("x' = a*x", {"a": -2.0}, initial={"x": "3*a"}, span=1.0)
    assert own.initial_value.tolist() == [-6.0]
    end = own.with_parameters(a=-1.0).solve(times=[0.0, 1.0]).y[0, -1]
    assert float(end) == pytest.approx(-3 * np.exp(-1), rel=1e-7)
    with pytest.raises(InvalidArgument):
        own.with_parameters(a=100.0)


def test_a_typed_lattice_needs_its_number_of_sites():
    text = "u[i]' = D*(u[i-1] - 2*u[i] + u[i+1])"
    own = problems.parse(text, {"D": 1.0}, sites=6, initial=["sin(2*pi*i/N)"], stiff=True)
    rate = 2 - 2 * np.cos(2 * np.pi / 6)
    end = own.solve(times=[0.0, 1.0]).y[0, -1]
    assert torch.allclose(end, own.initial_value * float(np.exp(-rate)), atol=1e-7)
    with pytest.raises(InvalidArgument, match="sites must be given"):
        problems.parse(text, {"D": 1.0})


def test_a_typed_stochastic_system_is_simulated_along_its_noise():
    own = problems.parse("dX = mu*X*dt + s*X*dW", {"mu": 0.1, "s": 0.3}, span=1.0, frames=3, step_size=1e-3)
    known = problems.get("geometric_brownian", mu=0.1, sigma=0.3).with_domain(span=1.0, frames=3)
    path = own.brownian(20, seed=3)
    times, start = torch.from_numpy(own.times), torch.ones(20, 1, dtype=torch.float64)
    w = torch.stack([torch.zeros(20, 1), *path.increments(own.times)[0].cumsum(0)], 1)
    exact = known.solution_at(times, w, start)
    found = own.solve(start, own.times, brownian=path).y
    assert torch.allclose(found, exact, atol=5e-3)


def test_stratonovich_text_is_taken_as_such():
    options = {"span": 1.0, "frames": 2, "step_size": 1e-2}
    ito = problems.parse("dX = 0.125*X*dt + 0.5*X*dW", **options)
    stratonovich = problems.parse("dX = 0*X*dt + 0.5*X*dW", calculus="stratonovich", **options)
    time, y = torch.zeros(1, 1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    assert torch.allclose(stratonovich.drift(calculus="ito")(time, y), ito.drift()(time, y))


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("x' = y", {}, "unknown name 'y'"),
        ("x' = mu*x", {"parameters": {"mv": 1.0}}, "did you mean 'mv'"),
        ("x' = -x", {"initial": {"z": 1.0}}, "unknown state 'z'"),
        ("x' = -x", {"initial": [1.0, 2.0]}, "a number or text for each of x"),
        ("x' = -x", {"initial": {"x": float("nan")}}, "initial value of x must be a number"),
        ("x' = -x", {"initial": {"x": "q"}}, "unknown name 'q'"),
        ("x' = log(x - 1)", {"initial": {"x": 0.5}}, "not finite"),
        ("dX = dt + sqrt(X - 2)*dW", {}, "not finite"),
        ("x' = -x", {"span": -1.0}, "span"),
        ("x' = -x", {"frames": 1}, "frames"),
        ("x' = -x", {"length": 2.0}, "unknown option of an ordinary differential equation 'length'"),
        ("dX = dW", {"stiff": True}, "unknown option of a stochastic differential equation 'stiff'"),
        ("u_t = u_xx", {"sites": 3}, "unknown option of a partial differential equation 'sites'"),
        ("x' = a*x", {"parameters": {"a": "1"}}, "parameter a must be a number"),
        ("x' = time*x", {"parameters": {"time": 1.0}}, "cannot be called 'time'"),
        ("x' = x*dt", {}, "unknown name 'dt'"),
        ("x' + 1 = 2", {}, "begins with|expected"),
        ("import os", {}, "unknown name 'import'"),
        (None, {}, "must be text"),
    ],
)
def test_mistakes_are_refused_with_their_reason(text, options, message):
    with pytest.raises(InvalidArgument, match=message):
        problems.parse(text, **options)


STARTS = [
    (2.0, [2.0]), (np.float32(2.0), [2.0]), (torch.tensor(2.0), [2.0]), ("1/4", [0.25]), ([2], [2.0]),
    (("a/2",), [0.5]), (np.array([2.0]), [2.0]), (torch.tensor([2.0]), [2.0]), ({"x": np.int64(2)}, [2.0]),
    (None, [1.0]),
]  # fmt: skip


@pytest.mark.parametrize(("initial", "value"), STARTS, ids=str)
def test_an_initial_value_is_a_number_or_a_text(initial, value):
    own = problems.parse("x' = -a*x", {"a": 1.0}, initial=initial)
    assert own.initial_value.tolist() == value
    assert json.loads(json.dumps(own.spec())) == own.spec()


@pytest.mark.parametrize(("text", "kind"), [("x' = -x; y' = -y", "system"), ("dX = -X*dt + dW", "noise")])
def test_an_initial_law_of_a_system_is_its_law(text, kind):
    law = Box(2.0, 3.0)
    own = problems.parse(text, initial=law)
    assert own.law == law
    start = own.sample(20, seed=1)[0]
    assert bool(((start >= 2) & (start <= 3)).all())
    with pytest.raises(InvalidArgument, match="two laws"):
        problems.parse(text, initial=law, law=law)


@pytest.mark.parametrize("number", [1, 0.25, np.float64(0.25), np.int64(2), 1e-7, -0.5])
def test_an_initial_number_of_a_partial_equation_is_a_constant(number):
    own = problems.parse("u_t = u_xx", initial=number)
    assert own.simulate(1)["u"].values == pytest.approx(float(number), rel=1e-6)


def test_an_initial_law_of_a_partial_equation_is_taken_as_it_is():
    law = TextLaw("cos(2*pi*x)")
    assert problems.parse("u_t = u_xx", initial=law).initial == law


def test_a_law_may_hold_numbers_of_numpy():
    laws = (Box(np.float32(2.0), np.int64(3)), Box(2.0, 3))
    specs = [problems.parse("x' = -x", initial=law).spec() for law in laws]
    assert json.dumps(specs[0]) == json.dumps(specs[1])


class PlainLaw:
    """A law that is no data."""

    def sample(self, grid, samples, seed, first, values):
        return torch.zeros(samples, *grid.shape, dtype=torch.float64)


@pytest.mark.parametrize(
    ("text", "initial", "accepted"),
    [
        ("x' = -x", lambda t: 1.0, "a number or text for each of x, or be a law; got <function"),
        ("x' = -x; y' = x", 2.0, "a number or text for each of x, y"),
        ("x' = -x", GaussianLaw(2.0, 1.0, 1.0), "initial value of x must be a number"),
        ("x' = -x", True, "initial value of x must be a number"),
        ("u_t = u_xx", torch.sin, 'initial must be "random", a number, text in x such as'),
        ("u_t = u_xx", Box(0.0, 1.0), "or a law of u"),
        ("u_t = u_xx", {"u": 1.0}, "a number, text in x"),
        ("u_t = u_xx", np.zeros(8), "a number, text in x"),
        ("u_t = u_xx", PlainLaw(), "a number, text in x"),
    ],
)
def test_other_initial_values_are_refused_with_what_is_accepted(text, initial, accepted):
    with pytest.raises(InvalidArgument, match=accepted):
        problems.parse(text, initial=initial)


def test_a_misspelt_option_suggests_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'calculus'"):
        problems.parse("dX = dW", calculs="ito")


def test_typed_problems_have_a_spec_and_can_be_cached(tmp_path, monkeypatch):
    monkeypatch.setenv("LIMITLAB_HOME", str(tmp_path))
    own = problems.parse("x' = -x; y' = x*y", span=1.0, frames=3)
    assert json.loads(json.dumps(own.spec())) == own.spec()
    assert own.dataset(3, seed=1).sizes == {"sample": 3, "time": 3, "state": 2}


# --- every text ends in data or in InvalidArgument

VALUES = {"a": 0.7, "b": -1.3}
NUMBERS = ("2", "0.5", "0", "-1", "7/3", "1e-3", "1e30", "pi", "a", "b")
EXPONENTS = ("2", "3", "-1", "-2", "0.5", "(1/3)", "pi", "16", "a")


@st.composite
def sides(draw, words, calls=(), depth=3):
    """Expressions of all functions of the language in these words; not all of them mean something."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from((*words, *NUMBERS)))
    inner = draw(sides(words, calls, depth - 1))
    form = draw(st.sampled_from(("operator", "operator", "power", "function", "minus")))
    if form == "operator":
        return f"({inner}){draw(st.sampled_from('+-*/'))}({draw(sides(words, calls, depth - 1))})"
    if form == "power":
        return f"({inner})^{draw(st.sampled_from(EXPONENTS))}"
    return f"-({inner})" if form == "minus" else f"{draw(st.sampled_from((*FUNCTIONS, *calls)))}({inner})"


def texts(form, words, calls=()):
    return st.tuples(*[sides(words, calls)] * form.count("{}")).map(lambda parts: form.format(*parts))


ORDINARY = texts("x' = {}; y' = {}", ("x", "y", "t")) | texts("c = {}; x' = c*{}", ("x", "t"))
LATTICE = texts("x[i]' = {}", ("x[i]", "x[i+1]", "t", "i", "N", "mean(x[j])", "sum(sin(x[j]-x[i]))"), ("mean", "sum"))
STOCHASTIC = texts("dX = {}*dt + {}*dW1; dY = {}*dW1 + {}*dW2", ("X", "Y", "t")) | texts(
    "dX = {} + dW", ("X", "dt", "dW")
)
PARTIAL = texts("u_t = {}", ("u", "u_x", "u_xx", "x", "t", "u_t"), ("dx",)) | texts(
    "u_t = u_xx/10 + {}", ("u", "u_x", "u_xx", "x"), ("dx",)
)
WORDS = ("x", "x'", "x[i]", "dX", "dW", "dt", "u", "u_t", "u_xx", "dx(", *FUNCTIONS, *NUMBERS, *"=;+-*/^()[]'_.,")
SALAD = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join) | st.text(max_size=30)
search = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def read_and_solved(text, **options):
    """One sample of the text over a short span, with its LaTeX and slopes; a solve that fails says so by its name."""
    try:
        problem = problems.parse(text, VALUES, **options)
        assert problem.latex().count("{") == problem.latex().count("}")
        if isinstance(problem, problems.ODEProblem):
            problem.jacobian()(torch.zeros(1, 1, dtype=torch.float64), problem.initial_value[None])
        if isinstance(problem, problems.SDEProblem):
            problem.drift(calculus="stratonovich")(torch.zeros(1, 1, dtype=torch.float64), problem.initial_value[None])
    except InvalidArgument:
        return
    try:
        # fifty steps are enough to fail, and a rate of 1e30 takes them all
        ordinary = isinstance(problem, problems.ODEProblem)
        data = problem.solve(problem.sample(1)[0], max_steps=50).y if ordinary else problem.simulate(1).to_array()
    except LimitlabError:
        return
    assert bool(np.isfinite(np.asarray(data)).all())


@search
@given(ORDINARY)
def test_every_ordinary_text_ends_in_data_or_in_a_named_error(text):
    read_and_solved(text, span=1e-3, frames=2, rtol=1e-2, atol=1e-2)


@search
@given(LATTICE)
def test_every_text_with_sites_ends_in_data_or_in_a_named_error(text):
    read_and_solved(text, span=1e-3, frames=2, sites=4, rtol=1e-2, atol=1e-2)


@search
@given(STOCHASTIC)
def test_every_stochastic_text_ends_in_data_or_in_a_named_error(text):
    read_and_solved(text, span=1e-3, frames=2, step_size=5e-4)


@search
@given(PARTIAL)
def test_every_partial_text_ends_in_data_or_in_a_named_error(text):
    read_and_solved(text, span=0.02, frames=2, resolution=8, dt=0.02)


@settings(search, max_examples=100)
@given(SALAD)
def test_words_of_the_language_in_any_order_end_in_data_or_in_a_named_error(text):
    read_and_solved(text, span=1e-3, frames=2)


@pytest.mark.parametrize(
    "text",
    [
        "u_t = (-exp(u))^(1/3)",
        "u_t = (-(u^2))^0.5 + u_xx",
        "dX = 0*dt + 0*dW",
        "x' = sin(b)^pi*x",
        "x' = abs(log(x)) + tan(x + pi/2)",
        "u_t = tan(u + 2 + pi/2)/50 + u_xx",
        "u_t = u_xx + abs(exp(sqrt(u)))",
        "x' = 1/(x - x)",
        "x' = log(0*x)",
        "u_t = u*dx(a) + u_xx",
        "x[i]' = sin(mean(2)^mean(1))*sum(3)",
        "__import__('os')",
        "x' = y' = z'",
        "dX = dW = dt",
        "u_t",
        "u_t = ",
        "= u",
        "",
        ";",
        "\x00",
        "x' = " + "-" * 900 + "x",
        "u_t = " + "sin(" * 30 + "u" + ")" * 30,
        b"x' = x",
        7,
        None,
    ],
)
def test_hostile_and_odd_texts_end_in_data_or_in_a_named_error(text):
    read_and_solved(text, span=1e-3, frames=2, **({"sites": 3} if "x[i]'" in str(text) else {}))


def test_functions_of_the_field_are_data_of_a_typed_equation():
    """u' = pos(u) grows like e^t where u > 0; u' = -erf(u) has no closed form, but decays like e^(-2t/sqrt(pi))."""
    growth = problems.parse("u_t = u_xx + pos(u)", initial="2", span=1.0, frames=3).simulate(1, resolution=8)
    assert np.allclose(growth["u"][0, :, 0], 2 * np.exp([0, 0.5, 1]), rtol=1e-5)
    decay = problems.parse("x' = -erf(x)", initial={"x": 1e-4}, span=1.0, frames=2).simulate(1)["y"].values[0, :, 0]
    assert decay[1] / decay[0] == pytest.approx(np.exp(-2 / np.sqrt(np.pi)), rel=1e-6)
