"""The figure of a front: a point a formula, its text under the pointer."""

from limitlab.discovery.symbolic import Candidate, Expr, ParetoFront
from limitlab.figures import pareto_front


def front(held_out=None):
    rows = (("x", 1, 0.5), ("x^2", 3, 0.1), ("x^2 + x", 5, 0.0))
    return ParetoFront(
        [Candidate(Expr.parse(text, ("x",)), c, loss, 20, "toy", held_out) for text, c, loss in rows], floor=1e-13
    )


def test_every_formula_is_a_point_and_zero_is_drawn_at_the_floor():
    (trace,) = front().figure().data
    assert list(trace.text) == ["x", "x^2", "x^2 + x"]
    assert list(trace.x) == [1, 3, 5]
    assert min(trace.y) > 0


def test_held_out_points_have_a_line_where_there_are_some():
    assert [trace.name for trace in front(0.2).figure().data] == ["fitted points", "held-out points"]


def test_long_formulas_are_cut_and_rules_are_marked():
    figure = pareto_front(front().table, truncate=4, chosen={"bic": 2, "best": 1})
    assert figure.data[0].text[2] == "x^2…"
    assert [trace.name for trace in figure.data[1:]] == ["bic", "best"]


def test_a_front_of_nothing_is_drawn():
    assert ParetoFront().figure().layout.yaxis.type == "log"
