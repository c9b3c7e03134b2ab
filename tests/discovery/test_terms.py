import pytest
import torch

from limitlab import problems
from limitlab.discovery.terms import answer_key, checked, first_hidden, hidden_terms, holed, require_suitable, terms_of
from limitlab.errors import InvalidArgument

LOTKA_VOLTERRA = problems.get("lotka_volterra")


def test_the_summands_of_every_right_side_are_terms():
    assert [(term.equation, term.text) for term in terms_of(LOTKA_VOLTERRA)] == [
        ("x", "alpha*x"),
        ("x", "-beta*x*y"),
        ("y", "-gamma*y"),
        ("y", "delta*x*y"),
    ]
    assert [term.nonlinear for term in terms_of(LOTKA_VOLTERRA)] == [False, True, False, True]
    assert terms_of(LOTKA_VOLTERRA)[1].latex == r"- \beta x y"


def test_a_product_of_a_sum_is_two_terms():
    assert [term.text for term in terms_of(problems.get("logistic"))] == ["r*u", "-r*u^2/K"]


def test_the_nonlinear_terms_are_hidden_at_first_and_the_last_where_there_are_none():
    assert first_hidden(LOTKA_VOLTERRA) == (("x", "-beta*x*y"), ("y", "delta*x*y"))
    assert first_hidden(problems.get("linear_decay")) == (("u", "rate*u"),)


def test_several_hidden_terms_of_an_equation_are_one_sum():
    hidden = (("x", "alpha*x"), ("x", "-beta*x*y"))
    assert hidden_terms(LOTKA_VOLTERRA, hidden) == {"x": "(alpha*x) + (-beta*x*y)"}
    assert hidden_terms(LOTKA_VOLTERRA, (("y", ""),)) == {"y": None}


@pytest.mark.parametrize("hidden", [first_hidden(LOTKA_VOLTERRA), (("x", "alpha*x"), ("x", "-beta*x*y"))])
def test_the_equation_with_its_hidden_terms_put_back_is_the_problem(hidden):
    from limitlab.discovery.symbolic import Expr

    system, texts = holed(LOTKA_VOLTERRA, hidden), hidden_terms(LOTKA_VOLTERRA, hidden)
    constants = dict(LOTKA_VOLTERRA.values)
    formulas = [Expr.parse(text, ("x", "y"), parameters=constants) for text in texts.values()]
    again = problems.parse(system.filled(formulas))
    y = torch.rand(5, 2, dtype=torch.float64)
    t = torch.zeros(5, 1, dtype=torch.float64)
    torch.testing.assert_close(again.field()(t, y), LOTKA_VOLTERRA.field()(t, y))


def test_the_key_is_the_text_of_the_problem_with_its_constants():
    hidden = (("x", "-beta*x*y"), ("y", "delta*x*y"))
    key = answer_key(LOTKA_VOLTERRA, hidden)
    assert [expr.structure for expr in key] == ["-beta*x*y", "delta*x*y"]
    assert [expr.parameters for expr in key] == [{"beta": 0.9}, {"delta": 0.8}]
    whole = problems.parse(holed(LOTKA_VOLTERRA, hidden).filled(key))
    y, t = torch.rand(5, 2, dtype=torch.float64), torch.zeros(5, 1, dtype=torch.float64)
    torch.testing.assert_close(whole.field()(t, y), LOTKA_VOLTERRA.field()(t, y))


def test_a_term_that_nobody_knows_has_no_key():
    with pytest.raises(InvalidArgument, match="nobody knows"):
        answer_key(LOTKA_VOLTERRA, (("x", ""), ("x", "-beta*x*y")))


def test_a_hole_takes_no_name_of_the_equation():
    system = holed(problems.parse("G1' = -k*G1^2", {"k": 2.0}), (("G1", "-k*G1^2"),))
    assert system.holes == ("H1",)


def test_a_term_that_holds_the_time_cannot_be_hidden():
    driven = problems.get("pushed_pendulum")
    (timed,) = [term for term in terms_of(driven) if term.timed]
    with pytest.raises(InvalidArgument, match="holds the time"):
        checked(driven, [(timed.equation, timed.text)], blanks=False)


def test_what_the_equations_do_not_hold_cannot_be_hidden():
    with pytest.raises(InvalidArgument, match="hidden must name summands"):
        checked(LOTKA_VOLTERRA, [("x", "x^2")], blanks=True)
    with pytest.raises(InvalidArgument, match="hidden must name summands"):
        checked(LOTKA_VOLTERRA, [("x", "")], blanks=False)


@pytest.mark.parametrize("name", ["lorenz_96", "geometric_brownian", "burgers"])
def test_a_system_of_another_kind_or_size_is_refused(name):
    with pytest.raises(InvalidArgument, match="one to 3 states"):
        require_suitable(problems.get(name))
