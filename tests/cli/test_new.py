"""`limitlab new`: the folder runs as it is, and nothing that stands there is touched."""

import json
import subprocess
import sys

import numpy as np
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


@pytest.fixture
def own_data(tmp_path, monkeypatch):
    h5py = pytest.importorskip("h5py")
    monkeypatch.setenv("LIMITLAB_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    x = np.linspace(0, 1, 32, endpoint=False)
    waves = np.sin(2 * np.pi * (x + np.random.default_rng(0).random((60, 1))))
    with h5py.File("waves.h5", "w") as file:
        file["x"], file["a"], file["u"] = x, waves, 0.5 * waves
    return tmp_path


ASKED = ["new", "own", "--data", "waves.h5", "-o", "inputs=a", "-o", "targets=u", "-o", "kind=periodic"]


@pytest.mark.slow
def test_a_file_is_learned_its_model_loaded_in_another_process_and_a_page_written(own_data):
    assert main(ASKED) == 0
    path = own_data / "own" / "first.ipynb"
    made = reports.report(path, {"width": 8, "epochs": 4}, folder=own_data / "reports", progress=False)
    assert 0 < made.results["fno"] < 1.2
    assert "Your functions" in made.page.read_text(encoding="utf-8")
    (model,) = own_data.rglob("fno.safetensors")
    code = "import limitlab as ll, sys, torch; print(ll.load(sys.argv[1])(torch.randn(2, 1, 32)).shape)"
    (own_data / "waves.h5").unlink()
    again = subprocess.run([sys.executable, "-c", code, model], capture_output=True, text=True, check=True, cwd="/")
    assert again.stdout.strip() == "torch.Size([2, 1, 32])"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "none.h5"], "none.h5"),
        (["--data", "waves.h5"], "inputs must be named, as no field has a time axis; there are a, u"),
        (["--data", "waves.h5", "-o", "target=u"], "unknown setting 'target'; did you mean 'targets'?"),
        (["--data", "waves.h5", "-o", "inputs=a", "-o", "targets=b"], "unknown field 'b'; known: a, u"),
        (["-o", "inputs=a"], "settings are those of a file: name it with --data"),
    ],
)
def test_what_cannot_be_learned_is_refused_and_nothing_is_written(own_data, capsys, words, message):
    assert main(["new", "own", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (own_data / "own").exists()


def test_a_hostile_path_stays_a_text(own_data):
    hostile = own_data / 'a"; import os  #.h5'
    (own_data / "waves.h5").rename(hostile)
    assert main(["new", "own", "--data", str(hostile), *ASKED[4:]]) == 0
    parameters = read_parameters(notebooks.read(own_data / "own" / "first.ipynb"))
    assert [each.default for each in parameters if each.name == "data"] == [str(hostile)]
