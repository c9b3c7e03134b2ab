"""The parameters cell is read and never run; typed text becomes a value of the right type and range, or one error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.reports import notebooks
from limitlab.reports.parameters import complete, parse_sweep, parse_values, read_parameters

CELL = """
from typing import Literal

modes = 12            # Fourier modes kept along each axis [2, 64]
viscosity: float = 1  # (0, 1]
problem: Literal["burgers", "darcy"] = "darcy"  # equation whose operator is learned
resolutions = [
    32,
    64,
]  # grids of the test [8, 512]
rates = [1, 0.5]
verbose = False
label = "plain"       # any text
shift = -0.5
"""

HOSTILE = [
    "modes=__import__('os').system('true')",
    "modes=9**9**9",
    "modes=" + "9" * 10**7,
    "modes=\uff11\uff12",  # full-width digits
    "modes=1_2",
    "modes=0x10",
    "modes=1e1",
    "modes=True",
    "modes=",
    "viscosity=nan",
    "viscosity=1e999",
    "viscosity=1e-9999999999",
    "viscosity=0",
    "problem=navier_stokes",
    "problem=d\u0430rcy",  # a Cyrillic letter
    "verbose=1",
    "resolutions=" + ",".join(["9"] * 400),
    "resolutions=16,4",
    "label=a\x00b",
    "label=a\nb = 1",
    "label=" + "x" * 10**7,
    "modes",
    "=3",
    "a.b=3",
]


def cell(text, tags=("parameters",)):
    return {"nbformat": 4, "cells": [{"cell_type": "code", "metadata": {"tags": list(tags)}, "source": text}]}


@pytest.fixture(scope="module")
def parameters():
    return read_parameters(cell(CELL))


def test_cell_gives_names_types_defaults_help_and_ranges(parameters):
    found = {p.name: (p.kind, p.default, p.is_list, p.accepts) for p in parameters}
    assert found == {
        "modes": (int, 12, False, "a whole number in [2, 64]"),
        "viscosity": (float, 1.0, False, "a number in (0, 1]"),
        "problem": (str, "darcy", False, "one of burgers, darcy"),
        "resolutions": (int, [32, 64], True, "a list, each item a whole number in [8, 512]"),
        "rates": (float, [1.0, 0.5], True, "a list, each item a number"),
        "verbose": (bool, False, False, "true or false"),
        "label": (str, "plain", False, "text"),
        "shift": (float, -0.5, False, "a number"),
    }
    assert parameters[0].help == "Fourier modes kept along each axis [2, 64]"


def test_text_becomes_values_of_the_parameters_types(parameters):
    typed = ["modes=8", "viscosity=1e-3", "problem=burgers", "resolutions=[16, 32]", "verbose=TRUE", "shift=2"]
    values = parse_values(typed, parameters)
    assert values == {
        "modes": 8,
        "viscosity": 0.001,
        "problem": "burgers",
        "resolutions": [16, 32],
        "verbose": True,
        "shift": 2.0,
    }
    assert isinstance(values["shift"], float)


def test_text_parameter_is_taken_literally(parameters):
    assert parse_values(['label="); import os #'], parameters) == {"label": '"); import os #'}


@pytest.mark.parametrize("assignment", HOSTILE, ids=lambda text: text[:24].encode("unicode_escape").decode())
def test_hostile_values_are_refused_in_one_short_line(assignment, parameters):
    with pytest.raises(InvalidArgument) as refusal:
        parse_values([assignment], parameters)
    assert len(str(refusal.value)) < 300
    assert "\n" not in str(refusal.value)


@given(st.text(max_size=60))
def test_any_text_is_a_number_of_the_range_or_an_invalid_argument(text):
    (modes, *_) = read_parameters(cell(CELL))
    try:
        value = modes.convert(text)
    except InvalidArgument:
        return
    assert type(value) is int
    assert 2 <= value <= 64


def test_unknown_name_is_answered_with_the_nearest(parameters):
    with pytest.raises(UnknownName, match="did you mean 'modes'"):
        parse_values(["mods=3"], parameters)


def test_parameter_given_twice_is_refused(parameters):
    with pytest.raises(InvalidArgument, match="given twice"):
        parse_values(["modes=3", "modes=4"], parameters)


def test_sweep_values_are_separated_by_commas_and_lists_by_semicolons(parameters):
    axes = parse_sweep(["modes=8,16,8", "resolutions=16,32;64", "problem=darcy"], parameters)
    assert axes == {"modes": [8, 16], "resolutions": [[16, 32], [64]], "problem": ["darcy"]}


def test_sweep_of_too_many_points_is_refused(parameters):
    with pytest.raises(InvalidArgument, match="at most 256 points"):
        parse_sweep(["shift=" + ",".join(map(str, range(20))), "label=" + ",".join("abcdefghijklmnop")], parameters)


def test_complete_puts_values_over_defaults_and_checks_them(parameters):
    assert complete({"modes": 20}, parameters)["modes"] == 20
    assert complete({}, parameters)["resolutions"] == [32, 64]
    with pytest.raises(InvalidArgument, match="modes"):
        complete({"modes": 65}, parameters)


@pytest.mark.parametrize(
    "text",
    [
        "modes = compute()",
        "import os\nos.system('true')",
        "modes = 1 if True else 2",
        "a = b = 3",
        "modes: str = 3",
        "modes = None",
        "mixed = [1, 'a']",
        "modes = 99  # [2, 64]",
        "modes = (",
        "x = " + "[" * 5000,
        "x = " + "-" * 20000 + "1",
    ],
)
def test_cell_that_is_not_plain_assignments_is_refused(text):
    with pytest.raises(InvalidArgument):
        read_parameters(cell(text), "some.ipynb")


def test_notebook_without_the_tag_has_no_parameters():
    assert read_parameters(cell("modes = 3", tags=())) == ()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"nbformat": 3, "cells": []}', "\x00", "[" * 100_000])
def test_file_that_is_no_notebook_is_refused(content, tmp_path):
    path = tmp_path / "broken.ipynb"
    path.write_text(content)
    with pytest.raises(InvalidArgument, match="not a notebook"):
        notebooks.read(path)
