import math

import pytest
import torch

from limitlab import problems
from limitlab.discovery.terms import (
    answer_key,
    checked,
    first_hidden,
    hidden_terms,
    holed,
    inputs_of,
    known_part,
    require_suitable,
    terms_of,
    unknowns_of,
)
from limitlab.errors import InvalidArgument
from limitlab.spaces import spectral_derivative

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


@pytest.mark.parametrize("name", ["lorenz_96", "geometric_brownian", "darcy"])
def test_a_system_of_another_kind_or_size_is_refused(name):
    with pytest.raises(InvalidArgument, match="one to 3 states"):
        require_suitable(problems.get(name))


def test_the_terms_of_a_periodic_equation_are_written_out():
    burgers = problems.get("burgers")
    assert [(term.text, term.nonlinear) for term in terms_of(burgers)] == [("nu*u_xx", False), ("-u*u_x", True)]
    assert (unknowns_of(burgers), inputs_of(burgers)) == (("u",), ("u", "u_x", "u_xx"))
    assert first_hidden(burgers) == (("u", "-u*u_x"),)
    assert str(answer_key(burgers, [("u", "nu*u_xx")])[0]) == "0.1*u_xx"


@pytest.mark.parametrize("name", ["advection", "heat", "burgers", "allen_cahn"])
def test_a_periodic_equation_is_what_is_known_of_it_and_what_is_hidden(name):
    problem = problems.get(name)
    grid, x = problem.grid(32), problem.grid(32).points()[:, 0]
    wave = 2 * math.pi / problem.lengths[0]
    u = torch.sin(wave * x) + 0.3 * torch.cos(2 * wave * x)
    moving = torch.stack([u] * 5)[None]
    time = torch.linspace(0, 1, 5, dtype=torch.float64)
    whole = -problem.residual_of(grid, time=time, u=moving)[0, 0]
    known = -known_part(problem, first_hidden(problem)).residual_of(grid, time=time, u=moving)[0, 0]
    features = [u, *(spectral_derivative(u, grid, 0, order) for order in (1, 2))]
    (key,) = answer_key(problem, first_hidden(problem))
    torch.testing.assert_close(known + torch.from_numpy(key(torch.stack(features, -1).numpy())), whole)


def test_a_summand_that_holds_the_position_cannot_be_hidden():
    driven = problems.parse("u_t = 0.1*u_xx + sin(2*pi*x)*u", initial="sin(2*pi*x)")
    (placed,) = [term for term in terms_of(driven) if term.timed]
    with pytest.raises(InvalidArgument, match="holds the position"):
        checked(driven, [("u", placed.text)], blanks=False)


@pytest.mark.parametrize(("name", "order"), [("korteweg_de_vries", 3), ("kuramoto_sivashinsky", 4)])
def test_derivatives_beyond_those_of_a_network_are_refused_by_name(name, order):
    with pytest.raises(InvalidArgument, match=f"{name} has no network .* has order {order}"):
        require_suitable(problems.get(name))
