"""The transport of Burgers' equation from a hundred scattered values, whatever its network said."""

import dataclasses
import math
import sys
import warnings

import numpy as np
import pytest
import torch

from limitlab import problems
from limitlab.discovery.symbolic import Expr, UnsettledField, refit_field
from limitlab.discovery.terms import known_part
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.problems.pde.periodic import cole_hopf

NU = 0.05
# steps twice as long as those of generated data: their error is far below what is asked here
BURGERS = dataclasses.replace(problems.get("burgers", nu=NU, span=0.25), dt=5e-3)
KNOWN = known_part(BURGERS, (("u", "-u*u_x"),))
INPUTS = ("u", "u_x", "u_xx")


def candidate(text, **constants):
    return Expr.parse(text, INPUTS, parameters=constants)


CANDIDATES = [
    candidate("a*u", a=-1.0),
    candidate("a*u*u_x", a=-0.8),
    candidate("a*u*u_x + b*u_xx + c*u^2", a=-0.9, b=0.01, c=0.02),
    candidate("a*log(-u^2)", a=1.0),
]


def start(points=256):
    x = 2 * math.pi * torch.arange(points, dtype=torch.float64) / points
    return torch.sin(x) + 0.5 * torch.cos(2 * x)


@pytest.fixture(scope="module")
def seen():
    """Points (t, x) on the grid of the exact solution of Cole and Hopf, which is another method, and its values."""
    random = np.random.default_rng(3)
    times = np.linspace(0, BURGERS.span, 9)
    u = cole_hopf(start()[None], BURGERS.grid(256), torch.from_numpy(times), NU)[0].numpy()
    moments, places = random.integers(1, 9, 100), random.integers(0, 256, 100)
    return np.stack([times[moments], places / 256], 1), u[moments, places]


def test_the_hidden_term_from_clean_values_and_in_silence_where_the_field_is_resolved(seen):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refits = refit_field(CANDIDATES[1:], KNOWN, *seen, initial=start())
    best = refits.best
    assert str(best.formulas[0].sympy) == "a*u*u_x"
    assert best.formulas[0].values == pytest.approx((-1.0,), abs=1e-5)
    assert best.equation.endswith("*u*u_x + 0.05*u_xx")
    # what has no value anywhere is there, and last
    assert math.isinf(refits[len(refits) - 1].bic)


def test_an_unknown_start_is_fitted_with_the_constants(seen):
    guess = 0.8 * start() + 0.1
    best = refit_field(CANDIDATES[1:2], KNOWN, *seen, initial=guess, waves=4).best
    assert best.formulas[0].values == pytest.approx((-1.0,), abs=1e-4)
    wrong = refit_field(CANDIDATES[1:2], KNOWN, *seen, initial=guess).best
    assert wrong.loss > 1e3 * best.loss


@pytest.mark.parametrize("sigma", [0.03])
def test_noise_is_in_the_standard_error_and_superfluous_constants_go(seen, sigma):
    points, values = seen
    random = np.random.default_rng(1)
    noisy = values + 0.03 * random.normal(size=len(values))
    noisy[:5] = np.nan
    best = refit_field(CANDIDATES, KNOWN, points, noisy, initial=start(), sigma=sigma).best
    assert str(best.formulas[0].sympy) == "a*u*u_x"
    assert best.n == 95
    assert abs(best.formulas[0].values[0] + 1) < 4 * best.errors[0][0]
    assert 0.005 < best.errors[0][0] < 0.1


def test_a_formula_that_cannot_be_solved_begins_nearer_to_what_is_known(seen):
    backward = candidate("a*u*u_x + b*u_xx", a=-0.7, b=-0.2)
    best = refit_field([backward], KNOWN, *seen, initial=start()).best
    assert str(best.formulas[0].sympy) == "a*u*u_x"
    assert best.formulas[0].values == pytest.approx((-1.0,), abs=1e-5)


def test_a_problem_of_higher_order_is_fitted_too():
    wave = problems.get("korteweg_de_vries", span=0.5, frames=6, length=32.0)
    x = wave.grid(256).points()[:, 0]
    soliton = [2 / torch.cosh(x - 4 * t - 12) ** 2 for t in (0.0, 0.1, 0.2)]
    known = dataclasses.replace(wave, equation="u_t = -u_xxx")
    points = [(t, place) for t in (0.1, 0.2) for place in x[::8].tolist()]
    values = torch.cat([soliton[k][::8] for k in (1, 2)])
    best = refit_field([candidate("a*u*u_x", a=-5.0)], known, points, values, initial=soliton[0]).best
    assert best.formulas[0].values == pytest.approx((-6.0,), rel=1e-3)


def test_a_field_that_no_grid_resolves_is_said(monkeypatch):
    monkeypatch.setattr(sys.modules["limitlab.discovery.symbolic.refit.refit_field"], "FINEST", 64)
    steep = dataclasses.replace(KNOWN, equation="u_t = 0.001*u_xx")
    points = np.stack([np.full(32, 0.2), np.arange(32) / 32], 1)
    values = torch.sin(torch.from_numpy(2 * math.pi * points[:, 1]))
    with pytest.warns(UnsettledField, match="changes on a grid of more than 64"):
        refit_field([candidate("-u*u_x + a", a=0.0)], steep, points, values, initial=start(), most=1)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"candidates": []}, InvalidArgument, "one formula or more"),
        ({"candidates": [Expr.parse("v", ("v",))]}, UnknownName, "'v'"),
        ({"points": np.zeros((3, 2))}, InvalidArgument, "points must be"),
        ({"points": -np.ones((100, 2))}, InvalidArgument, "times of 0"),
        ({"values": np.full(100, np.nan)}, InvalidArgument, "somewhere measured"),
        ({"initial": np.zeros(1)}, InvalidArgument, "initial must be"),
        ({"sigma": -1.0}, InvalidArgument, "sigma"),
    ],
)
def test_what_cannot_be_fitted_is_refused(seen, changes, error, message):
    given = {"candidates": CANDIDATES, "points": seen[0], "values": seen[1], "initial": start(), "sigma": None}
    given |= changes
    candidates = given.pop("candidates")
    points, values = given.pop("points"), given.pop("values")
    with pytest.raises(error, match=message):
        refit_field(candidates, KNOWN, points, values, **given)
