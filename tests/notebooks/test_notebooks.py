"""Every notebook: its form, and a smoke report with every exercise answered (nbval holds the stored outputs)."""

import json
import re
from pathlib import Path

import pytest

from limitlab import reports
from limitlab.reports import notebooks
from limitlab.reports.parameters import read_parameters

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAMES = sorted(
    path.relative_to(NOTEBOOKS).as_posix()
    for path in NOTEBOOKS.rglob("*.ipynb")
    if ".ipynb_checkpoints" not in path.parts
)
LARGEST = 400_000
MOST_CELLS, MOST_CODE = 40, 300


def code_of(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture
def notebook(name):
    return notebooks.read(NOTEBOOKS / name)


def test_there_are_notebooks():
    assert "00-start-here.ipynb" in NAMES


def test_form(name, notebook):
    code = code_of(notebook)
    assert notebooks.title(notebook)
    assert code[0]["metadata"]["tags"] == ["parameters"]
    assert all(parameter.help for parameter in read_parameters(notebook))
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1)), "stored outputs of a clean run"
    assert any(notebooks.source(cell).startswith("# NBVAL_CHECK_OUTPUT") for cell in code)
    assert (NOTEBOOKS / name).stat().st_size < LARGEST
    # a live figure's state holds the whole of plotly's code; its picture is in the output
    assert "widgets" not in notebook["metadata"]


def test_a_lesson_is_short(notebook):
    assert len(notebook["cells"]) <= MOST_CELLS
    assert sum(notebooks.source(cell).count("\n") + 1 for cell in code_of(notebook)) <= MOST_CODE


def test_every_exercise_has_an_answer_that_is_not_its_stub(notebook):
    for cell in notebooks.checks(notebook):
        assert notebooks.source(cell).startswith("# NBVAL_CHECK_OUTPUT")
        assert notebooks.printed(cell).strip() == notebooks.NOT_ANSWERED
    stubs = [
        (notebooks.source(before), notebooks.source(after))
        for before, after in zip(notebook["cells"], notebooks.answered(notebook)["cells"], strict=True)
        if "answer" in before["metadata"].get("limitlab", {})
    ]
    assert len(stubs) == len(notebooks.checks(notebook))
    for stub, answer in stubs:
        assert re.findall(r"^(\w+).*= ", stub, re.MULTILINE)
        assert stub != answer


def test_stored_outputs_hold_no_errors_and_no_paths_of_a_machine(notebook):
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    assert all(output["output_type"] != "error" for output in outputs)
    text = json.dumps([output.get("text", output.get("data", {}).get("text/plain")) for output in outputs])
    assert not re.search(r"/(home|root|work|tmp|Users)/", text)


def test_report_at_smoke_size_with_every_exercise_answered(name, notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("LIMITLAB_HOME", str(tmp_path / "home"))
    source = tmp_path / Path(name).name
    source.write_text(json.dumps(notebooks.answered(notebook)), encoding="utf-8")
    report = reports.report(source, notebooks.smoke_parameters(notebook), folder=tmp_path / "reports", progress=False)
    assert report.page is not None
    assert "<html" in report.page.read_text(encoding="utf-8")[:200]
    for cell in notebooks.checks(notebooks.read(report.notebook)):
        verdicts = notebooks.printed(cell)
        assert "True" in verdicts, notebooks.source(cell)
        assert notebooks.NOT_ANSWERED not in verdicts
        assert "False" not in verdicts, notebooks.source(cell)
