"""Systems taken apart: unknowns, coefficients, and waves that would grow at any rate."""

import pytest

from limitlab.errors import InvalidArgument
from limitlab.problems.compiled.system_terms import equations_of, require_no_growth, system_terms, unknowns_of

TEXT = "u_t = D*(u_xx + u_yy) + 2*v_x - u*v^2; v_t = -dy(u^2) + v\n"


def test_a_system_is_read_equation_by_equation():
    assert len(equations_of(TEXT)) == 2
    assert unknowns_of(TEXT) == ("u", "v")
    terms = system_terms(TEXT, ("u", "v"), ("D",), 2)
    assert terms.numbers({"D": 0.5}) == [
        {(0, (2, 0)): 0.5, (0, (0, 2)): 0.5, (1, (1, 0)): 2.0},
        {(1, (0, 0)): 1.0},
    ]
    assert [set(row) for row in terms.fluxes] == [{(0, 0)}, {(0, 1)}]
    # the product u v^2 has three factors
    assert terms.keep == 1 / 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("u = 1", "reads 'u_t"),
        ("u_tt = u", "as two equations"),
        ("u_t = 1; u_t = u", "two equations of 'u'"),
        ("u_t", "reads 'u_t"),
    ],
)
def test_other_left_sides_are_refused(text, message):
    with pytest.raises(InvalidArgument, match=message):
        unknowns_of(text)


def test_time_has_no_place_on_the_right():
    for text in ("u_t = t*u", "u_t = u_xt"):
        with pytest.raises(InvalidArgument, match="no t"):
            system_terms(text, ("u",), (), 2)


WELL_POSED = [
    "u_t = u",
    "u_t = -u_xx - 1e-8*u_xxxx",
    "u_t = u_xxx + u_xyy",
    "u_t = v; v_t = u_xx + u_yy",
    "u_t = -v_xx; v_t = u_xx",
]
ILL_POSED = ["u_t = u_xx - u_yy", "u_t = u_xxxx", "u_t = v_x; v_t = -u_x", "u_t = v; v_t = -u_xx", "u_t = u_xy"]


@pytest.mark.parametrize("text", WELL_POSED)
def test_waves_whose_growth_is_bounded_may_be_short(text):
    names = unknowns_of(text)
    require_no_growth(system_terms(text, names, (), 2).numbers({}), 2)


@pytest.mark.parametrize("text", ILL_POSED)
def test_waves_that_grow_without_bound_are_refused(text):
    names = unknowns_of(text)
    with pytest.raises(InvalidArgument, match="ill-posed"):
        require_no_growth(system_terms(text, names, (), 2).numbers({}), 2)
