"""The face of the search: budgets, faults by name, and what was found is kept whatever ends it."""

from dataclasses import replace

import numpy as np
import pytest
import sympy
import torch

from limitlab.discovery.symbolic import Engine, Expr, ParetoFront, Progress, SearchInterrupted, Units, engines, search
from limitlab.discovery.symbolic.sparse.library import Library
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.interruption import interruptible
from limitlab.solvers import solve_ode

X = np.linspace(-1, 1, 30)
Y = X**2 + X
TEXTS = ("x", "x^2", "x^2 + x", "x^2 + x + 0.0001*sin(x)")


@pytest.fixture
def toy(monkeypatch):
    """An engine that says one formula after another, and may be hurt on the way; the steps that it took."""
    steps = []

    def install(hurt=None):
        def say(data, settings, seed):
            for count, text in enumerate(TEXTS, 1):
                steps.append(text)
                yield Progress([Expr.parse(text, data.names)], count)
                if count == 2 and hurt is not None:
                    raise hurt

        monkeypatch.setitem(engines(), "toy", Engine("toy", "Toy", say, ("+", "*", "sin")))
        return steps

    return install


def ask(**options):
    return search(X, Y, **{"engine": "toy", "ops": ("+", "*"), **options})


def texts(front):
    return [str(candidate.expr) for candidate in front]


@pytest.mark.parametrize(("side", "law"), [(0, "y/(y + 1)"), (1, "-x/(x + 1)")])
def test_both_right_sides_of_a_rational_equation_are_recovered(side, law):
    """x' = y/(1 + y), y' = -x/(1 + x) along its trajectories: with constants to a hundredth the difference is zero."""
    starts = torch.cartesian_prod(*(torch.linspace(0.5, 2.0, 4).double() for _ in range(2)))
    field = lambda t, y: torch.stack([y[:, 1] / (1 + y[:, 1]), -y[:, 0] / (1 + y[:, 0])], 1)  # noqa: E731
    points = solve_ode(field, starts, torch.linspace(0, 1, 9), rtol=1e-9, atol=1e-9).y.flatten(0, 1)
    points, slopes = points.numpy(), field(0.0, points)[:, side].numpy()
    front = search(points, slopes, names=("x", "y"), ops=("+", "-", "/"), engine="brute", evaluations=4000)
    found = sympy.nsimplify(sympy.parse_expr(str(front.select("bic").expr)), rational=True)
    rounded = found.replace(lambda e: e.is_Rational, lambda e: sympy.Rational(round(100 * e), 100))
    assert sympy.simplify(rounded - sympy.parse_expr(law)) == 0
    # no polynomial is the law
    columns = Library(("x", "y"), 3).columns(points)
    left = slopes - columns @ np.linalg.lstsq(columns, slopes, rcond=None)[0]
    assert left.std() > 1e-4 * slopes.std()


def test_the_front_is_scored_and_ordered(toy):
    toy()
    front = ask(simplify=False)
    assert texts(front) == ["x", "x^2 + x"]
    for candidate in front:
        assert np.isclose(candidate.loss, np.mean((Y - candidate.expr(X)) ** 2), rtol=1e-5)


def test_an_interrupt_keeps_what_was_found_and_says_so(toy, tmp_path):
    toy(KeyboardInterrupt())
    with pytest.warns(SearchInterrupted, match="what was found"):
        front = ask(run_file=tmp_path / "front.json")
    assert texts(front) == ["x"]
    assert list(ParetoFront.load(tmp_path / "front.json")) == list(front)


def test_a_crash_leaves_the_front_on_disk(toy, tmp_path):
    toy(MemoryError())
    with pytest.raises(MemoryError):
        ask(run_file=tmp_path / "front.json")
    assert texts(ParetoFront.load(tmp_path / "front.json")) == ["x"]


def test_an_engine_is_made_ready_before_its_search(toy, monkeypatch):
    steps = toy()
    monkeypatch.setitem(engines(), "toy", replace(engines()["toy"], ready=lambda: steps.append("ready")))
    ask(budget_s=0)
    assert steps == ["ready", "x"]


def test_a_budget_of_no_time_ends_after_a_step(toy):
    steps = toy()
    ask(budget_s=0)
    assert steps == ["x"]


def test_whoever_waits_sees_every_step_and_may_end_it(toy):
    steps, seen = toy(), []
    ask(watch=lambda front: seen.append(len(front)), simplify=False)
    assert seen == [1, 1, 2, 2]

    class Enough(Exception):
        pass

    def stop():
        raise Enough

    steps.clear()
    with interruptible(stop), pytest.raises(Enough):
        ask()
    assert steps == ["x"]


def test_formulas_that_are_too_long_or_of_a_wrong_unit_are_refused(toy):
    toy()
    assert texts(ask(max_complexity=3, simplify=False)) == ["x"]
    units = Units.of({"x": "m"}, "m^2", free=False)
    assert texts(ask(units=units, simplify=False)) == ["x^2"]


def test_no_formula_of_a_search_violates_the_units():
    m, a = np.random.default_rng(0).uniform(1, 3, (2, 40))
    options = {"names": ("m", "a"), "ops": ("+", "*"), "engine": "brute", "max_complexity": 5, "simplify": False}
    points, units = np.stack([m, a], 1), Units.of({"m": "kg", "a": "m/s^2"}, "kg*m/s^2", free=False)
    front = search(points, m * a, units=units, **options)
    assert texts(front) == ["a*m"]
    # m + a fits a sum, and is no force
    assert texts(search(points, m + a, **options)) == ["a + m"]
    assert len(search(points, m + a, units=units, **options)) == 0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"engine": "evolv"}, UnknownName, "did you mean 'evolve'"),
        ({"ops": ("+", "sine")}, UnknownName, "did you mean 'sin'"),
        ({"ops": ()}, InvalidArgument, "ops must be a list"),
        ({"ops": "+"}, InvalidArgument, "ops must be a list"),
        ({"budget_s": -1}, InvalidArgument, "budget_s"),
        ({"evaluations": 0}, InvalidArgument, "evaluations"),
        ({"max_complexity": 0}, InvalidArgument, "max_complexity"),
        ({"costs": {"sine": 1}}, UnknownName, "did you mean 'sin'"),
    ],
)
def test_faults_are_refused_by_name(toy, options, error, message):
    toy()
    with pytest.raises(error, match=message):
        ask(**options)


def test_the_same_seed_and_evaluations_give_the_same_front():
    fronts = [search(X, Y, ops=("+", "*", "sin"), evaluations=6000, seed=1) for _ in range(2)]
    assert [c.expr.text for c in fronts[0]] == [c.expr.text for c in fronts[1]]
    assert fronts[0].select("bic").loss < 1e-20
