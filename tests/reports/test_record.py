"""A report says how it was made, in words that make it again; a file that does not, or lies, is refused."""

import json
import shlex

import nbformat
import pytest

from limitlab.cli import _parser
from limitlab.errors import InvalidArgument
from limitlab.reports import Record, notebooks, read_record
from limitlab.reports.page import page
from limitlab.reports.parameters import parse_sweep, parse_values, read_parameters
from limitlab.reports.record import digest

CELL = """modes = 4
rate = 0.5
label = "plain"
quick = True
grids = [16, 32]
rates = [0.5, 1.0]
names = ["a", "b"]
"""
VALUES = {
    "modes": -7,
    "rate": 1e-05,
    "label": 'it\'s; a "b" $HOME `ls`, c',
    "quick": False,
    "grids": [8],
    "rates": [1e20, 0.1],
    "names": ["a, b", "it's", 'c"d'],
}


def parameters():
    cell = nbformat.v4.new_code_cell(CELL, metadata={"tags": ["parameters"]})
    return read_parameters(nbformat.v4.new_notebook(cells=[cell]))


def parsed(command):
    """The options of a command line, as the shell and the parser have them."""
    program, *words = shlex.split(command)
    assert program == "limitlab"
    return _parser().parse_args(words)


@pytest.mark.parametrize("name", VALUES)
def test_the_command_of_a_report_gives_every_value_back(name):
    record = Record("02-decay", "0f", VALUES, (name,))
    options = parsed(record.command())
    assert (options.command, options.notebook) == ("report", "02-decay")
    assert parse_values(options.parameters, parameters()) == {name: VALUES[name]}


def test_parameters_may_have_greek_names(tmp_path):
    record = Record("02-decay", "0f", {"Δ": 0.5}, ("Δ",))
    (tmp_path / "a.html").write_text(page("title", "", figures=False, record=record.as_dict()))
    assert parsed(read_record(tmp_path / "a.html").command()).parameters == ["Δ=0.5"]


def test_an_empty_list_is_given_back():
    options = parsed(Record("02-decay", "0f", {"names": []}, ("names",)).command())
    assert parse_values(options.parameters, parameters()) == {"names": []}


def test_the_command_of_a_sweep_gives_every_axis_back():
    axes = {"modes": [4, 8], "label": ["a", "b c"], "grids": [[1], [2, 3]], "names": [["a;b"], ["c"]]}
    options = parsed(Record("my lesson.ipynb", "0f", axes=axes).command())
    assert (options.command, options.notebook) == ("sweep", "my lesson.ipynb")
    assert parse_sweep(options.parameters, parameters()) == axes


@pytest.mark.parametrize(
    ("parameters", "axes"),
    [({"label": " led by a blank"}, {}), ({"label": "two\nlines"}, {}), ({}, {"label": ["a,b", "c"]})],
)
def test_a_value_that_cannot_be_typed_is_refused(parameters, axes):
    with pytest.raises(InvalidArgument, match="label cannot be typed"):
        Record("02-decay", "0f", parameters, tuple(parameters), axes).command()


def test_a_page_holds_its_record_whatever_its_texts_are(tmp_path):
    record = Record("02-decay", "0f", {"label": "</script><b>"}, ("label",), versions={"torch": "2"}, date="today")
    fake = '<script type="application/json" id="limitlab-record">{"notebook": "evil"}</script>'
    (tmp_path / "a.html").write_text(page("title", fake, figures=False, record=record.as_dict()))
    assert read_record(tmp_path / "a.html") == record


GOOD = Record("02-decay", "0f", {"modes": 4}, ("modes",)).as_dict()


@pytest.mark.parametrize(
    "change",
    [
        {"notebook": "--folder=/tmp"},
        {"notebook": "a\x1b[2J"},
        {"notebook": ""},
        {"notebook": 3},
        {"parameters": {"-x": 1}},
        {"parameters": {"modes": {"a": 1}}},
        {"parameters": [1]},
        {"overrides": ["width"]},
        {"overrides": "modes"},
        {"axes": {"modes": 3}},
        {"axes": {"modes": []}},
        {"axes": {"$(ls)": [1]}},
        {"versions": "2"},
    ],
)
def test_a_damaged_record_is_refused(change, tmp_path):
    (tmp_path / "a.html").write_text(page("title", "", figures=False, record={**GOOD, **change}))
    with pytest.raises(InvalidArgument, match=r"a\.html (holds a damaged record|does not say)"):
        read_record(tmp_path / "a.html")


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.html", "<p>no record</p>", "not a page of limitlab"),
        ("a.html", '<script id="limitlab-record">{"notebook": ', "not a page of limitlab"),
        ("a.html", '<script id="limitlab-record">' + "[" * 100_000, "not a page of limitlab"),
        ("a.html", "[]", "not a page of limitlab"),
        ("a.ipynb", "{}", "not a notebook"),
        ("a.ipynb", json.dumps({"nbformat": 4, "metadata": {}, "cells": []}), "does not say how"),
    ],
)
def test_a_file_without_a_record_is_refused(name, text, reason, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(InvalidArgument, match=reason):
        read_record(tmp_path / name)
    with pytest.raises(InvalidArgument, match="is not a file"):
        read_record(tmp_path / "none.html")
    (tmp_path / "bytes.html").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidArgument, match="not a page"):
        read_record(tmp_path / "bytes.html")


def test_a_digest_follows_the_cells_and_not_what_they_put_out():
    code = nbformat.v4.new_code_cell
    book = nbformat.v4.new_notebook(cells=[code("a = 1")])
    before = digest(book)
    book.cells[0].outputs = [nbformat.v4.new_output("stream", text="1")]
    book.cells.insert(0, code("modes = 8", metadata={"tags": ["injected-parameters"]}))
    assert digest(book) == before
    # a text may be stored as a list of lines
    assert digest({"cells": [{"cell_type": "code", "source": ["a =", " 1"]}]}) == before
    book.cells[1].source = "a = 2"
    assert digest(book) != before


def test_a_notebook_is_named_as_a_person_types_it(tmp_path, monkeypatch):
    course, here = tmp_path / "course", tmp_path / "here"
    for path in (course / "limits/01-kernels.ipynb", here / "own/mine.ipynb"):
        path.parent.mkdir(parents=True)
        nbformat.write(nbformat.v4.new_notebook(), path)
    monkeypatch.setenv("LIMITLAB_NOTEBOOKS", str(course))
    monkeypatch.chdir(here)
    nbformat.write(nbformat.v4.new_notebook(), here / "-x.ipynb")
    names = {
        "limits/01-kernels": course / "limits/01-kernels.ipynb",
        "own/mine.ipynb": here / "own/mine.ipynb",
        str(here / "-x.ipynb"): here / "-x.ipynb",
    }
    assert {notebooks.name_of(path): path for path in names.values()} == names
    assert {name: notebooks.find(name) for name in names} == names
