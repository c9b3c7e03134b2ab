"""A report runs in a kernel of this interpreter with the given parameters, and is written whole or not at all."""

import json
import sys

import nbformat
import pytest

from limitlab import reports
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.reports import notebooks

HOSTILE_TEXT = '"); raise SystemExit #\\'


def write_notebook(path, cells):
    book = nbformat.v4.new_notebook(cells=cells)
    book.metadata["kernelspec"] = {"name": "kernel-of-another-machine", "display_name": "gone", "language": "python"}
    nbformat.write(book, path)
    return path


@pytest.fixture
def demo(tmp_path):
    code = nbformat.v4.new_code_cell
    return write_notebook(
        tmp_path / "01-demo.ipynb",
        [
            nbformat.v4.new_markdown_cell("# A demo"),
            code("modes = 4  # [1, 9]\nlabel = 'plain'\nfail = False", metadata={"tags": ["parameters"]}),
            code("import os, sys\nfrom limitlab import reports"),
            code("if fail:\n    raise ValueError('boom\\nmore')"),
            code("reports.publish(square=modes**2, label=label, python=sys.executable, folder=os.getcwd())"),
            code("reports.publish(gap=float('inf'))"),
        ],
    )


def test_report_runs_given_parameters_in_this_interpreter_and_collects_results(demo, tmp_path):
    made = reports.report(demo, {"modes": 7, "label": HOSTILE_TEXT}, folder=tmp_path / "reports", progress=False)
    assert made.results == {
        "square": 49,
        "label": HOSTILE_TEXT,
        "python": sys.executable,
        "folder": str(demo.parent),
        "gap": float("inf"),
    }
    assert made.parameters == {"modes": 7, "label": HOSTILE_TEXT, "fail": False}
    assert made.page is not None
    assert "A demo" in made.page.read_text()
    assert sorted(file.name for file in made.notebook.parent.iterdir()) == ["01-demo.html", "01-demo.ipynb"]


def test_failing_cell_is_named_and_what_ran_is_kept(demo, tmp_path):
    with pytest.raises(reports.ReportFailed, match=r"cell 4 failed with ValueError: boom \(what ran is in") as failure:
        reports.report(demo, {"fail": True}, folder=tmp_path / "reports", progress=False)
    assert "\n" not in str(failure.value)
    (kept,) = (tmp_path / "reports").rglob("*.ipynb")
    assert kept.name == "01-demo.failed.ipynb"
    cells = nbformat.read(kept, as_version=4).cells
    assert [cell.outputs[0].ename for cell in cells if cell.get("outputs")] == ["ValueError"]


@pytest.mark.parametrize(
    ("values", "error"),
    [({"mods": 3}, UnknownName), ({"modes": 10}, InvalidArgument)],
)
def test_bad_parameter_is_refused_before_anything_is_written(values, error, demo, tmp_path):
    with pytest.raises(error):
        reports.report(demo, values, folder=tmp_path / "reports")
    assert not (tmp_path / "reports").exists()


def test_format_that_there_is_not_is_refused(demo):
    with pytest.raises(UnknownName, match="did you mean 'html'"):
        reports.report(demo, to=("htm",))


def test_notebook_is_found_by_path_name_or_name_without_number(tmp_path, monkeypatch):
    course = tmp_path / "course"
    for name in ("operators/01-fourier-neural-operator", "discovery/18-pinn", "operators/18-pinn"):
        (course / name).parent.mkdir(parents=True, exist_ok=True)
        write_notebook(course / f"{name}.ipynb", [])
    monkeypatch.setenv("LIMITLAB_NOTEBOOKS", str(course))
    expected = (course / "operators/01-fourier-neural-operator.ipynb").resolve()
    names = ["operators/01-fourier-neural-operator", "01-fourier-neural-operator", "fourier-neural-operator", expected]
    assert [notebooks.find(name) for name in names] == [expected] * 4
    with pytest.raises(UnknownName, match="did you mean 'fourier-neural-operator'"):
        notebooks.find("fourier-neural-operatr")
    with pytest.raises(InvalidArgument, match="could be any of discovery/18-pinn, operators/18-pinn"):
        notebooks.find("pinn")
    for hostile in ("", "a\x00b", "x" * 10**6, "../" * 300 + "etc/passwd"):
        with pytest.raises(InvalidArgument):
            notebooks.find(hostile)


def test_published_values_are_scalars_of_any_array_library(capsys):
    import numpy as np
    import torch

    reports.publish(a=np.float32(0.5), b=torch.tensor([2.0]), c=np.array(3), d=True)
    assert capsys.readouterr().out.splitlines() == ["a = 0.5", "b = 2", "c = 3", "d = True"]
    for value in (np.zeros(2), torch.zeros(2), [1, 2], None):
        with pytest.raises(InvalidArgument, match="'bad'"):
            reports.publish(bad=value)


def test_of_a_name_published_twice_the_last_value_counts():
    kind = "application/vnd.limitlab.result+json"
    outputs = [{"output_type": "display_data", "data": {kind: {"error": value}}} for value in (0.5, "nan", 0.25)]
    book = {"cells": [{"cell_type": "code", "outputs": [output]} for output in outputs]}
    assert reports.collect(json.loads(json.dumps(book))) == {"error": 0.25}
