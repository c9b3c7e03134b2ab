"""A value has one text, and every row has it by the same rule."""

import re

import numpy as np
import pytest
import torch
import xarray as xr
from nbconvert.filters.markdown_mistune import markdown2html_mistune

from limitlab.errors import InvalidArgument
from limitlab.reports import Table, formatted


def test_spread_over_seeds_is_mean_and_standard_deviation():
    errors = xr.DataArray([[0.1, 0.3], [1.0, 1.0]], dims=("resolution", "seed"))
    assert formatted(errors.isel(resolution=0), ".2f") == "0.20 ± 0.10"
    assert formatted(errors, ".1f") == "0.2 ± 0.1, 1.0 ± 0.0"
    assert formatted(errors.T, ".1f") == "0.2 ± 0.1, 1.0 ± 0.0"


def test_spread_along_two_more_dims_is_refused():
    with pytest.raises(InvalidArgument, match="at most one dim"):
        formatted(xr.DataArray(np.zeros((2, 2, 2)), dims=("a", "b", "seed")))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("as it is", "as it is"),
        (True, "yes"),
        (np.bool_(False), "no"),
        (12_345_678, "12345678"),
        (np.int64(3), "3"),
        (0.012345, "0.0123"),
        (torch.tensor(0.5), "0.5"),
        (xr.DataArray(2.0), "2"),
        ([0.5, 1], "0.5, 1"),
        (np.array([0.25, 0.5]), "0.25, 0.5"),
        (np.linspace(0, 1, 100), "0 to 1"),
        ({"U-Net": 0.25, "mean": [1.0, 2.0]}, "U-Net 0.25, mean 1, 2"),
    ],
)
def test_text_of_a_value(value, text):
    assert formatted(value) == text


def test_a_bar_or_a_new_line_does_not_break_the_table():
    rendered = repr(Table(["|h|"], [["a\nb"]]))
    assert rendered.splitlines() == ["| \\|h\\| |", "| --- |", "| a b |"]


def test_a_row_of_another_length_is_refused():
    with pytest.raises(InvalidArgument, match="2 values; got 1"):
        Table(["method", "order"], [["euler"]])


def rendered_cells(*texts):
    """HTML of the cells of a row, by the renderer of the reports."""
    markdown = Table([str(k) for k in range(len(texts))], [texts])._repr_markdown_()
    page = markdown2html_mistune(markdown)
    return re.findall(r"<td>(.*?)</td>", page)


def test_stars_of_a_formula_are_stars_in_markdown():
    formulas = ("-0.9*x*y", "2*x*sin(y)*z**2", "*x*")
    assert rendered_cells(*formulas) == list(formulas)
    assert repr(Table(["formula"], [[formulas[0]]])).splitlines()[-1] == "| -0.9*x*y |"


def test_stars_in_code_and_in_escapes_stay_as_they_are():
    assert rendered_cells("`x*y*z`", r"x\*y*z", "``a`*b`` c*d*e") == [
        "<code>x*y*z</code>",
        "x*y*z",
        "<code>a`*b</code> c*d*e",
    ]


def test_words_can_be_bold():
    assert rendered_cells("**no**", "0.3 **fails**") == ["<strong>no</strong>", "0.3 <strong>fails</strong>"]


def test_formulas_in_tex_keep_their_stars():
    markdown = Table(["law"], [["$u^* = v*w$, 2*3*4"]])._repr_markdown_()
    assert markdown.splitlines()[-1] == r"| $u^* = v*w$, 2\*3\*4 |"
