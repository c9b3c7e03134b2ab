"""What a search leaves in its formulas is taken out, and nothing that the data need."""

import numpy as np
import pytest

from limitlab.discovery.symbolic import Data, Expr, ParetoFront, scored, simplified
from limitlab.discovery.symbolic.rewriting.least_squares import Fitted
from limitlab.discovery.symbolic.rewriting.simplify import same, simplify_front, snapped
from limitlab.discovery.symbolic.testbed import CASES


def box(case):
    return list(case.ranges.values())


@pytest.mark.parametrize(
    ("name", "text", "structure", "values"),
    [
        ("pendulum", "9.81*(-sin(theta) - sin(0.0306*omega))", "c0*omega + c1*sin(theta)", (-0.3, -9.81)),
        ("van der pol", "-863*v + 864*v*cos(0.0316*x) - x", "v*(c0 + c1*x^2) - x", (0.43, -0.43)),
        ("pendulum", "4.9*sin(0.061*omega - 65.97) - 9.81*sin(theta)", "c0*omega + c1*sin(theta)", (-0.3, -9.81)),
        ("lorenz", "-0.05932*x*(16.86*z - 472.0) - 1.0*y - 4e-16", "x*(c0 - z) - y", (28.0,)),
    ],
)  # fmt: skip
def test_a_good_fit_becomes_the_right_formula(name, text, structure, values):
    case = CASES[name]
    result = simplified(Expr.parse(text, tuple(case.ranges)), case.data())
    assert result.expr.structure == structure
    assert np.allclose(result.expr.values, values, atol=1e-3)
    assert same(result.expr, case.truth, box(case))


def test_what_the_data_need_stays():
    case = CASES["van der pol"]
    truth = Expr.of(case.truth.numeric, tuple(case.ranges))
    for noise in (0.0, 0.05):
        result = simplified(truth, case.data(noise=noise))
        assert same(result.expr, case.truth, box(case), within_nrmse=0.05)
        assert len(result.expr.values) <= 3


def test_a_small_term_that_the_data_resolve_stays():
    x = np.linspace(-2, 2, 50)
    result = simplified(Expr.parse("x + 0.02*sin(3*x)", ("x",)), Data.of(x, x + 0.01 * np.sin(3 * x)))
    assert "sin(3.0*x)" in str(result.expr)


def test_a_superfluous_term_goes_under_noise():
    case = CASES["pendulum"]
    text = "-9.8*sin(theta) - 0.3*omega + 0.02*theta*omega + 0.01*cos(theta)"
    result = simplified(Expr.parse(text, tuple(case.ranges)), case.data(noise=0.05))
    assert same(result.expr, case.truth, box(case), within_nrmse=0.05)
    assert len(result.expr.values) == 2
    assert result.expr.complexity() == case.truth.complexity()


def test_factors_that_may_be_one_are_left_out_beside_those_that_were_fitted():
    case = CASES["nguyen1"]
    data = case.data(noise=0.05)
    fitted_form = Expr.parse("a*x^3 + b*x^2 + c*x", ("x",), parameters={"a": 1.0, "b": 1.0, "c": 1.0})
    front = simplify_front(ParetoFront([scored(fitted_form, data)], sigma=data.sigma), data)
    assert str(front.select("mdl").expr) == "x*(x^2 + x + 1)"
    assert front[-1].loss < front.select("mdl").loss
    # of twice the law no factor is one
    double = Data.of(data.X, 2 * data.y, names=data.names, sigma=2 * data.sigma)
    front = simplify_front(ParetoFront([scored(fitted_form, double)], sigma=double.sigma), double)
    assert all(candidate.n_params for candidate in front)


def test_a_phase_of_a_quarter_turn_goes():
    x = np.linspace(-3, 3, 50)
    result = simplified(Expr.parse("2*cos(x - 1.5707)", ("x",)), Data.of(x, 2 * np.sin(x)))
    assert str(result.expr) == "2.0*sin(x)"


def test_the_front_gets_what_becomes_of_its_candidates():
    case = CASES["pendulum"]
    data = case.data()
    long = scored(Expr.parse("9.81*(-sin(theta) - sin(0.0306*omega))", tuple(case.ranges)), data)
    front = simplify_front(ParetoFront([long]), data)
    assert [str(candidate.expr) for candidate in front] == ["-0.3*omega - 9.81*sin(theta)"]
    assert len(front[0].errors) == 2


def test_round_numbers_are_offered_within_two_errors_only():
    expr = Expr.parse("a*x + b + c*x^2 + d*x^3", ("x",), parameters={"a": 6.2833, "b": 0.3331, "c": 2.7183, "d": 0.01})
    offers = snapped(Fitted(expr, 0.1, (0.001, 0.0005, 0.0001, 0.02)))
    assert {offer.name: offer.text for offer in offers} == {"a": "2*pi", "b": "1/3"}


def test_same_knows_identities_and_sees_differences():
    x = ("x",)
    assert same(Expr.parse("(x + 1)^2", x), Expr.parse("x^2 + 2*x + 1", x), [(-1, 1)])
    assert same(Expr.parse("tanh(x)", x), Expr.parse("(exp(2*x) - 1)/(exp(2*x) + 1)", x), [(-1, 1)])
    assert not same(Expr.parse("sin(x)", x), Expr.parse("x", x), [(-0.1, 0.1)])
    assert not same(Expr.parse("log(x)", x), Expr.parse("x", x), [(-0.1, 0.1)])


def test_a_formula_without_values_is_left_as_it_is():
    expr = Expr.parse("log(-x^2 - 1)", ("x",))
    result = simplified(expr, Data.of(np.linspace(0, 1, 9), np.linspace(0, 1, 9)))
    assert result.loss == np.inf
    assert result.expr == expr
