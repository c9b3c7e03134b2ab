"""`limitlab new`: the folder runs as it is, and nothing that stands there is touched."""

import json

import pytest

from limitlab import reports
from limitlab.cli import main
from limitlab.reports import notebooks
from limitlab.reports.parameters import read_parameters


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LIMITLAB_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert main(["new", "mine/first"]) == 0
    return tmp_path / "mine" / "first"


def test_a_new_folder_holds_three_files_and_says_where(capsys, folder):
    assert sorted(path.name for path in folder.iterdir()) == [".gitignore", "README.md", "first.ipynb"]
    assert len((folder / "README.md").read_text().split("\n\n", 1)[1].splitlines()) <= 5
    assert "limitlab report mine/first/first.ipynb" in capsys.readouterr().out


def test_its_parameters_say_what_they_mean_and_accept(folder):
    parameters = {parameter.name: parameter for parameter in read_parameters(notebooks.read(folder / "first.ipynb"))}
    assert list(parameters) == ["equation", "nu", "functions", "width", "epochs", "seed"]
    assert all(parameter.help for parameter in parameters.values())


@pytest.mark.slow
def test_its_report_runs_with_another_equation(folder):
    path = folder / "first.ipynb"
    smoke = notebooks.smoke_parameters(notebooks.read(path))
    made = reports.report(path, {**smoke, "equation": "u_t = nu*u_xx - u^3"}, folder=folder / "reports", progress=False)
    assert all(0 < made.results[name] < 1.5 for name in ("fno", "mine"))
    assert "A first experiment" in made.page.read_text(encoding="utf-8")


def test_it_is_a_notebook_whose_cells_have_names_of_their_own(folder):
    nbformat = pytest.importorskip("nbformat")
    text = (folder / "first.ipynb").read_text()
    nbformat.validate(nbformat.reads(text, as_version=4))
    assert len({cell["id"] for cell in json.loads(text)["cells"]}) == len(json.loads(text)["cells"])


def test_a_folder_that_holds_anything_is_refused_and_stays_as_it_is(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    for place in (tmp_path, tmp_path / "notes.txt"):
        assert main(["new", str(place)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"limitlab: FOLDER must be new or empty; {place} ")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_an_empty_folder_is_taken(tmp_path):
    assert main(["new", str(tmp_path)]) == 0
    assert (tmp_path / "first.ipynb").is_file()
