"""The choice among candidates by what was measured: hidden terms of Lotka and Volterra from 30 points."""

import math

import numpy as np
import pytest

from limitlab import problems
from limitlab.discovery.symbolic import Expr, Holed, ParetoFront, refit
from limitlab.discovery.symbolic.front import Candidate
from limitlab.errors import InvalidArgument, UnknownName

TIMES = np.linspace(0, 3, 30)
HOLED = Holed("x' = 1.3*x + F; y' = G - 1.8*y", ("F", "G"))


def candidate(text, **constants):
    return Expr.parse(text, ("x", "y"), parameters=constants)


CANDIDATES = {
    "F": [
        candidate("a*x", a=-1.0),
        candidate("a*x*y", a=-0.8),
        candidate("a*x*y + b*x^2 + c", a=-0.93, b=0.02, c=0.01),
    ],
    "G": [
        candidate("a*y^3/b", a=5.0, b=0.01),
        candidate("a*x*y + b*x", a=0.75, b=0.1),
        candidate("a*x^2 + b", a=0.5, b=0.1),
    ],
}
"""Wrong ones, superfluous terms, the true one for F alone, and one that blows up."""


@pytest.fixture(scope="module")
def clean():
    return problems.get("lotka_volterra").solve(times=TIMES.tolist(), rtol=1e-10, atol=1e-12).y[0].numpy()


def test_hidden_terms_from_clean_points(clean):
    refits = refit(CANDIDATES, HOLED, TIMES, clean, sigma=0.0)
    best = refits.best
    assert [str(formula.sympy) for formula in best.formulas] == ["a*x*y", "a*x*y"]
    assert best.formulas[0].values == pytest.approx((-0.9,), rel=1e-5)
    assert best.formulas[1].values == pytest.approx((0.8,), rel=1e-5)
    # what blows up is there, and last
    assert math.isinf(refits[len(refits) - 1].bic)
    assert len(refits) > 9


@pytest.mark.parametrize("sigma", [None, 0.01])
def test_hidden_terms_at_one_percent_of_noise(clean, sigma):
    spread = clean.std(0)
    noisy = clean + 0.01 * spread * np.random.default_rng(0).normal(size=clean.shape)
    near = {hole: formulas[1:] for hole, formulas in CANDIDATES.items()}
    best = refit(near, HOLED, TIMES, noisy, sigma=None if sigma is None else sigma * spread).best
    assert [str(formula.sympy) for formula in best.formulas] == ["a*x*y", "a*x*y"]
    assert best.formulas[0].values == pytest.approx((-0.9,), rel=0.03)
    assert best.formulas[1].values == pytest.approx((0.8,), rel=0.03)
    for formula, errors, truth in zip(best.formulas, best.errors, (-0.9, 0.8), strict=True):
        assert abs(formula.values[0] - truth) < 4 * errors[0]
    if sigma is not None:
        # sixty numbers, four starts and two constants: the mean of squares of one
        assert 0.5 < best.loss < 1.5


def test_a_parameter_of_the_known_part_is_fitted_with_the_rest(clean):
    holed = Holed("x' = a*x + F; y' = 0.8*x*y - 1.8*y", ("F",), {"a": 1.0}, free=("a",))
    best = refit({"F": [candidate("b*x*y", b=-0.7)]}, holed, TIMES, clean, sigma=0.0).best
    assert best.free["a"] == pytest.approx(1.3, rel=1e-6)
    assert best.formulas[0].values == pytest.approx((-0.9,), rel=1e-6)
    assert best.free_errors["a"] > 0


def test_long_fronts_give_the_candidates_at_their_corners(clean):
    texts = {"a": 1.0, "a*x": 0.9, "a*x*y": 0.01, "a*x*y + b*x": 0.009, "a*x*y + b*x + c*y": 0.0089}
    rows = [
        Candidate(e, e.complexity(), loss, 30)
        for text, loss in texts.items()
        for e in [candidate(text, **dict.fromkeys(sorted(set(text) & set("abc")), 0.5))]
    ]
    refits = refit({"F": ParetoFront(rows), "G": [candidate("0.8*x*y")]}, HOLED, TIMES, clean, sigma=0.0, most=1)
    assert [str(row.formulas[0].sympy) for row in refits.rows] == ["a*x*y"]


def test_time_may_stand_in_a_candidate():
    times = np.linspace(0, 2, 21)
    y = np.exp(np.sin(times))[:, None]
    wave = Expr.parse("a*x*cos(t)", ("t", "x"), parameters={"a": 0.8})
    assert refit({"F": [wave]}, Holed("x' = F", ("F",)), times, y, sigma=0.0).best.formulas[0].values == pytest.approx(
        (1.0,), rel=1e-6
    )


@pytest.mark.parametrize("bad", ["a*x^3", "a*log(-x)", "a/(y - 4.6280594)", "a*exp(a*y^3)"])
def test_where_nothing_can_be_solved_there_is_no_choice_and_no_exception(clean, bad):
    refits = refit({"F": [candidate(bad, a=50.0)], "G": [candidate("0.8*x*y")]}, HOLED, TIMES, clean, sigma=0.0)
    assert math.isinf(refits[0].loss)
    with pytest.raises(InvalidArgument, match="no candidate"):
        _ = refits.best


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"candidates": {"F": CANDIDATES["F"]}}, InvalidArgument, "'G' has none"),
        ({"candidates": {**CANDIDATES, "H": []}}, UnknownName, "'H'"),
        ({"candidates": {**CANDIDATES, "G": []}}, InvalidArgument, "one formula or more"),
        ({"candidates": {**CANDIDATES, "G": [Expr.parse("u", ("u",))]}}, UnknownName, "'u'"),
        ({"states": np.zeros((30, 3))}, InvalidArgument, "states must be"),
        ({"times": TIMES[:4]}, InvalidArgument, "times must be"),
        ({"sigma": -1.0}, InvalidArgument, "sigma"),
        ({"sigma": (0.0, 1.0)}, InvalidArgument, "sigma"),
    ],
)
def test_what_cannot_be_fitted_is_refused(clean, changes, error, message):
    arguments = {"candidates": CANDIDATES, "times": TIMES, "states": clean, "sigma": None, **changes}
    with pytest.raises(error, match=message):
        refit(arguments["candidates"], HOLED, arguments["times"], arguments["states"], sigma=arguments["sigma"])


def test_a_state_that_is_known_at_the_start_alone_may_go_anywhere():
    times, holed = np.linspace(0, 3, 20), Holed("x' = v; v' = F", ("F",))
    damped = problems.parse("x' = v; v' = -4*x - 0.5*v", initial=(1.0, 0.0))
    truth = damped.solve(times=times.tolist(), rtol=1e-10).y[0].numpy()
    truth[1:, 1] = np.nan
    spring = [Expr.parse(text, ("x", "v"), parameters={"a": 3.0, "b": 0.1}) for text in ("-a*x - b*v", "-a*x - b*v^3")]
    best = refit({"F": spring}, holed, times, truth, starts=[[1.0, 0.0]]).best
    assert best.formulas[0].structure == "-a*x - b*v"
    assert best.formulas[0].values == pytest.approx((4.0, 0.5), rel=1e-5)
