"""The parameters cell is read and never run; typed text becomes a value of the right type and range, or one error."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.reports import notebooks
from limitlab.reports.execution import parameter_hash
from limitlab.reports.parameters import complete, parse_sweep, parse_values, read_axes, read_parameters

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


LISTS = 'words = ["p"]\nsizes: list[int] = []\nrate = 0.5  # (0, 1]\nfast = False\n'


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('words=["a","b"]', ["a", "b"]),
        ("words=['a', 'b']", ["a", "b"]),
        ('words=["a,b"]', ["a,b"]),
        ("words=a, b", ["a", "b"]),
        ("words=it's,fine", ["it's", "fine"]),
        ('words=["it\'s", " b "]', ["it's", " b "]),
        ('words=[""]', [""]),
        ("words=[]", []),
        ("words=[ ]", []),
        ("sizes=[]", []),
        ("sizes=[1, 2]", [1, 2]),
    ],
)
def test_lists_are_typed_with_quotes_or_without_and_may_be_empty(text, value):
    assert list(parse_values([text], read_parameters(cell(LISTS))).values()) == [value]


@pytest.mark.parametrize(
    "text", ['words=["a]', 'words=["a"b]', "words='a", "words=", "sizes=", 'sizes=["1"', "sizes=[1,]"]
)
def test_quotes_that_are_not_closed_and_lists_of_nothing_are_refused(text):
    with pytest.raises(InvalidArgument):
        parse_values([text], read_parameters(cell(LISTS)))


@given(st.lists(st.text(alphabet="ab ,;[]'= ", max_size=6), max_size=5))
def test_a_list_of_texts_in_double_quotes_reads_back(words):
    parameters = read_parameters(cell(LISTS))
    text = "[" + ", ".join(f'"{word}"' for word in words) + "]"
    assert parse_values([f"words={text}"], parameters) == {"words": words}
    assert parse_sweep([f"words={text};[];{text}"], parameters)["words"] == ([words, []] if words else [[]])


WRONG = {
    "modes": ["seven", 2.5, 8.0, None, [1, 2], True, np.float64(8), np.array([8]), np.int64(99), 65],
    "viscosity": ["0.5", None, True, [0.5], math.nan, math.inf, 0.0, np.float32(2.0), 0.5j],
    "verbose": [1, 0.0, "true", None, np.int64(1)],
    "problem": [1, None, ["darcy"], "drcy"],
    "label": [1, None, b"plain", ["plain"]],
    "resolutions": [32, "32,64", [32.5], [True], ["32"], [4], {32: 64}, None, np.ones((2, 2), int), [[32]]],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_value_of_another_type_is_refused_before_anything_runs(name, value, parameters):
    with pytest.raises(InvalidArgument, match=f"parameter '{name}' must be"):
        complete({name: value}, parameters)


RIGHT = [
    ("modes", np.int64(8), 8),
    ("modes", torch.tensor(8), 8),
    ("viscosity", np.float64(0.5), 0.5),
    ("viscosity", 1, 1.0),
    ("viscosity", np.int32(1), 1.0),
    ("verbose", np.True_, True),
    ("label", np.str_("a"), "a"),
    ("resolutions", np.array([32, 64]), [32, 64]),
    ("resolutions", (32, np.int64(64)), [32, 64]),
    ("resolutions", range(8, 10), [8, 9]),
    ("resolutions", [], []),
    ("rates", torch.tensor([1.0, 0.5]), [1.0, 0.5]),
]


@pytest.mark.parametrize(("name", "value", "read"), RIGHT)
def test_values_of_numpy_and_torch_are_written_as_those_of_python(name, value, read, parameters):
    values = complete({name: value}, parameters)
    assert json.loads(json.dumps(values))[name] == read
    assert type(values[name]) is type(read)
    assert parameter_hash(values) == parameter_hash(complete({name: read}, parameters))


def test_python_and_the_command_line_make_one_report(parameters):
    typed = parse_values(["viscosity=1", "shift=2", "resolutions=[]"], parameters)
    assert complete({"viscosity": 1, "shift": np.int8(2), "resolutions": ()}, parameters) == complete(typed, parameters)


def test_arrays_are_axes_of_a_sweep_without_repetitions(parameters):
    lists = np.array([[16, 32], [64, 8]])
    axes = {"modes": np.arange(8, 10).repeat(2), "resolutions": lists, "shift": (x for x in (1, 2))}
    assert read_axes(axes, parameters) == {"modes": [8, 9], "resolutions": [[16, 32], [64, 8]], "shift": [1.0, 2.0]}


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"modes": 8}, "axis 'modes' of a sweep must be a list of values; got 8"),
        ({"modes": np.array(8)}, "axis 'modes' of a sweep must be a list"),
        ({"problem": "darcy"}, "axis 'problem' of a sweep must be a list"),
        ({"modes": [8, 99]}, "parameter 'modes' must be a whole number"),
        ({"mods": [8]}, "did you mean 'modes'"),
        ({"shift": range(20), "viscosity": np.linspace(0.1, 1, 20)}, "at most 256 points"),
    ],
)
def test_axes_that_are_none_are_refused_by_name(axes, message, parameters):
    with pytest.raises(InvalidArgument, match=message):
        read_axes(axes, parameters)
