"""A claim is stated once: its table, its checked line and its published number say the same."""

import json
import math

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.reports import Claims, Criterion, above, below, collect, near, within
from limitlab.reports.claims import VERDICTS
from limitlab.reports.publish import MEDIA_TYPE

numbers = st.floats(-1e6, 1e6)
CRITERIA = {
    "below": lambda value: below(value, 1.0),
    "above": lambda value: above(value, 1.0),
    "within": lambda value: within(value, 0.5, 1.5),
    "near": lambda value: near(value, 1.0, 0.5),
}


@given(value=numbers, expected=numbers, margin=st.floats(0, 1e6))
def test_near_is_the_distance_on_the_line(value, expected, margin):
    assert near(value, expected, margin).holds == (abs(value - expected) <= margin)


@given(value=numbers, ends=st.tuples(numbers, numbers).map(sorted))
def test_an_interval_is_closed_and_a_bound_is_not(value, ends):
    low, high = ends
    assert bool(within(value, low, high)) == (not bool(below(value, low)) and not bool(above(value, high)))


@pytest.mark.parametrize("name", CRITERIA)
def test_nothing_holds_of_nan(name):
    assert not CRITERIA[name](math.nan)
    assert not CRITERIA[name]([1.0, math.nan])


@pytest.mark.parametrize("several", [list, np.array, torch.tensor, xr.DataArray, lambda v: dict(enumerate(v))])
def test_of_several_numbers_each_must_hold(several):
    assert within(several([0.6, 1.4]), 0.5, 1.5)
    assert not within(several([0.6, 1.6]), 0.5, 1.5)


@pytest.mark.parametrize("nothing", [[], {}, np.zeros(0)])
def test_a_criterion_that_cannot_fail_is_refused(nothing):
    with pytest.raises(InvalidArgument, match="nothing holds of none"):
        below(nothing, 1.0)


@pytest.mark.parametrize("value", ["0.1", None, object(), xr.Dataset()])
def test_a_criterion_is_about_numbers(value):
    with pytest.raises(InvalidArgument, match="criterion"):
        below(value, 1.0)


def test_an_empty_interval_is_refused():
    with pytest.raises(InvalidArgument, match="low <= high"):
        within(1.0, 2.0, 1.0)
    with pytest.raises(InvalidArgument, match="margin"):
        near(1.0, 1.0, -0.1)


@pytest.fixture
def claims():
    claims = Claims(paper="Euler 1768")
    claims.add("exponent of the drift", theory="-1", holds=within(-0.74, -1.3, -0.7), publish="drift", form=".2f")
    claims.add("error at the end", paper="0.01", here=0.2, baseline={"U-Net": 0.3}, holds=below(0.2, 0.1))
    claims.add("evaluations", here=1610, publish={"evaluations": 1610, "steps": 268})
    return claims


def test_the_table_shows_each_number_and_threshold_and_marks_what_fails(claims):
    assert claims._repr_markdown_().splitlines() == [
        "| claim | theory | paper (Euler 1768) | criterion | here | baseline | holds |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| exponent of the drift | -1 |  | -1.3 to -0.7 | -0.74 |  | yes |",
        "| error at the end |  | 0.01 | below 0.1 | 0.2 | U-Net 0.3 | **no** |",
        "| evaluations |  |  |  | 1610 |  |  |",
    ]


def test_a_figure_of_a_paper_without_its_source_is_refused():
    with pytest.raises(InvalidArgument, match=r"'error' quotes a paper.*Claims\(paper="):
        Claims().add("error", paper=0.0, here=0.1)


def test_a_column_that_nothing_fills_is_left_out():
    claims = Claims()
    claims.add("the same bits", holds=True)
    assert claims.table.header == ["claim", "holds"]


def test_every_claim_with_a_criterion_is_a_checked_line(claims, capsys):
    claims.check()
    assert capsys.readouterr().out == "exponent of the drift: True\nerror at the end: False\n"
    assert claims.failures == ("error at the end",)


def test_a_sweep_collects_what_the_table_shows(claims):
    output = {"data": claims._repr_mimebundle_()}
    assert set(output["data"]) == {MEDIA_TYPE, VERDICTS}
    assert output["data"][VERDICTS]["error at the end"] == {"holds": False, "here": "0.2"}
    json.dumps(output, allow_nan=False)
    collected = collect({"cells": [{"outputs": [output]}]})
    assert collected == {"drift": -0.74, "evaluations": 1610, "steps": 268, "claims": 2, "claims_reached": 1}


def test_the_number_is_published_where_a_reader_sees_a_text():
    claims = Claims()
    claims.add("rejected", here="7 of 90", holds=below(7, 10), publish="rejected")
    assert claims["rejected"].cells["here"] == "7 of 90"
    assert claims.published["rejected"] == 7


def test_a_cell_that_runs_again_changes_its_claim_and_adds_none(claims):
    claims.add("error at the end", holds=below(0.05, 0.1))
    assert len(claims) == 3
    assert claims.failures == ()
    assert [row[0] for row in claims.table.rows][1] == "error at the end"


def test_a_claim_is_one_line_of_text(claims):
    for what in ("", " ", "two\nlines", None, 3):
        with pytest.raises(InvalidArgument, match="one line"):
            claims.add(what)


def test_what_is_published_is_a_number(claims):
    with pytest.raises(InvalidArgument, match="'all'"):
        claims.add("all widths", here=[0.1, 0.2], publish="all")


def test_an_unknown_claim_is_answered_with_the_nearest(claims):
    with pytest.raises(UnknownName, match="did you mean 'exponent of the drift'"):
        claims["exponent of drift"]


def test_a_criterion_is_its_verdict():
    assert bool(Criterion(1.0, True, "")) is True
    assert bool(Criterion(1.0, False, "")) is False
