"""Where notebooks are and what they are called by; their parameters of a quick run, and the answers of exercises."""

import json

import pytest

from limitlab.errors import InvalidArgument, UnknownName
from limitlab.reports import notebooks

STUB = {"cell_type": "code", "metadata": {"limitlab": {"answer": "x = 2"}}, "source": "x = None  # a number"}
CHECK = {
    "cell_type": "code",
    "metadata": {},
    "source": ["if x is None:\n", '    print("not answered yet")\n', "else:\n", "    print(x == 2)"],
    "outputs": [{"output_type": "stream", "text": ["not answered ", "yet\n"]}, {"output_type": "display_data"}],
}
NOTEBOOK = {"metadata": {"limitlab": {"smoke": {"seed": 1}}}, "cells": [STUB, CHECK], "nbformat": 4}


def test_smoke_parameters_are_those_of_the_metadata():
    assert notebooks.smoke_parameters(NOTEBOOK) == {"seed": 1}


@pytest.mark.parametrize("metadata", [{}, {"limitlab": {}}, {"limitlab": {"smoke": {}}}])
def test_a_notebook_without_smoke_parameters_is_refused(metadata):
    with pytest.raises(InvalidArgument, match=r"limitlab\.smoke"):
        notebooks.smoke_parameters({"metadata": metadata, "cells": []})


def test_an_answered_notebook_takes_the_other_branch_and_leaves_the_original_as_it_is():
    first, second = notebooks.answered(NOTEBOOK)["cells"]
    namespace = {}
    exec(first["source"], namespace)
    assert namespace["x"] == 2
    assert second["source"] == "".join(CHECK["source"])
    assert STUB["source"].startswith("x = None")


def test_checks_are_found_by_what_they_say():
    assert notebooks.checks(NOTEBOOK) == (CHECK,)
    assert notebooks.printed(CHECK) == "not answered yet\n"


def write(folder, *names):
    """Notebooks of these names below the folder."""
    for name in names:
        path = folder / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(NOTEBOOK))


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course in a folder of its own, and an empty current folder."""
    names = "00-start-here", "limits/01-kernels", "limits/02-kernels-in-time", "limits/06-maml-at-infinite-width"
    write(tmp_path / "course", *names)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("LIMITLAB_NOTEBOOKS", str(tmp_path / "course"))
    return tmp_path / "course"


@pytest.mark.parametrize("part", ["maml", "MAML", "06", "limits/06", "at-infinite", "06-maml-at-infinite-width.ipynb"])
def test_a_notebook_is_found_by_any_part_that_fits_no_other(part, course):
    assert notebooks.find(part) == (course / "limits/06-maml-at-infinite-width.ipynb").resolve()


def test_a_whole_name_comes_before_a_part_of_another(course):
    assert notebooks.find("kernels") == (course / "limits/01-kernels.ipynb").resolve()


def test_a_part_of_several_names_lists_them(course):
    with pytest.raises(InvalidArgument, match=r"'kernel' could be any of limits/01-kernels, limits/02-kernels-in-t"):
        notebooks.find("kernel")


@pytest.mark.parametrize(("mistaken", "nearest"), [("mamml", "maml"), ("kernel-in-time", "kernels-in-time")])
def test_an_unknown_name_is_answered_with_the_nearest_name_or_part(mistaken, nearest, course):
    with pytest.raises(UnknownName, match=f"did you mean '{nearest}'"):
        notebooks.find(mistaken)


@pytest.fixture
def installed(course, monkeypatch):
    """The same course, inside of an installed package and nowhere else."""
    monkeypatch.delenv("LIMITLAB_NOTEBOOKS")
    monkeypatch.setattr(notebooks, "INSTALLED", course.resolve())
    # a checkout is no installation: its notebooks lie beside its toolkit
    monkeypatch.setattr(notebooks, "__file__", str(course.parent / "a/b/c/notebooks.py"))
    return course


def test_installed_notebooks_are_known_by_name_and_run_in_a_scratch_folder(installed, tmp_path):
    assert list(notebooks.catalogue()) == sorted(
        ["00-start-here", "limits/01-kernels", "limits/02-kernels-in-time", "limits/06-maml-at-infinite-width"]
    )
    assert notebooks.run_folder(notebooks.find("maml")) is None
    write(tmp_path, "mine")
    assert notebooks.run_folder(tmp_path / "mine.ipynb") == str(tmp_path)


def test_a_reader_changes_copies_of_installed_notebooks_and_they_stay_as_changed(installed, tmp_path):
    (installed / "picture.png").write_bytes(b"pixels")
    original = notebooks.find("maml")
    copy = notebooks.working_copy(original)
    assert copy == tmp_path.resolve() / "here/notebooks/limits/06-maml-at-infinite-width.ipynb"
    assert (tmp_path / "here/notebooks/picture.png").read_bytes() == b"pixels"
    copy.write_text("changed")
    assert original.read_text() == json.dumps(NOTEBOOK)
    assert notebooks.working_copy(original).read_text() == "changed"
    assert notebooks.find("maml") == copy
    assert notebooks.working_copy(copy) == copy


def test_notebooks_of_a_reader_hide_none_of_the_installed_ones(installed, tmp_path):
    write(tmp_path / "here/notebooks", "mine")
    assert notebooks.find("mine") == (tmp_path / "here/notebooks/mine.ipynb").resolve()
    assert notebooks.find("maml").is_relative_to(installed.resolve())
