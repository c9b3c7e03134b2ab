"""Lessons lead from the door through the whole course, and link their neighbours."""

import posixpath
import re
import shutil
from pathlib import Path

import pytest

from limitlab import systems
from limitlab.errors import UnknownName
from limitlab.reports import notebooks
from limitlab.systems import reading_order

ROOT = Path(__file__).resolve().parents[2]


def test_a_lesson_of_two_systems_stands_once_in_the_course_under_both_names():
    shared, again = "neural_des/12-cheap-to-solve.ipynb", "neural_des/14-cheap-digits-and-densities.ipynb"
    assert systems.get("ernode").notebooks == systems.get("local-regularization").notebooks == (shared, again)
    assert [row for row in systems.course().rows if shared in row[1]] == [
        [
            "Neural differential equations (depth)",
            f"[Cheap to solve: the solver's errors as a loss]({shared})",
            "ERNODE; Local ERNODE",
        ]
    ]


def test_the_course_has_every_notebook_but_its_door_in_the_order_of_the_files():
    files = sorted(path.relative_to(ROOT / "notebooks").as_posix() for path in ROOT.glob("notebooks/*/*.ipynb"))
    lessons = re.findall(r"\]\((.*?)\)", repr(systems.course()))
    assert sorted(lessons) == files
    for family in systems.FAMILIES:
        assert [name for name in lessons if name.startswith(family)] == [n for n in files if n.startswith(family)]


def test_the_course_names_a_lesson_by_its_heading():
    text = repr(systems.course())
    assert "| [The neural tangent kernel](infinite_width/02-neural-tangent-kernel.ipynb) |" in text
    lesson = "[Variational problems and Barron functions](discovery/05-variational-problems-and-barron-functions.ipynb)"
    assert f"| Discovery (laws in data) | {lesson} |" in text


def test_a_part_without_a_lesson_is_in_preparation(monkeypatch):
    monkeypatch.setattr(reading_order, "SYSTEMS", tuple(s for s in systems.SYSTEMS if s.family != "discovery"))
    assert "| Discovery (laws in data) | in preparation |" in repr(systems.course())


LESSONS = sorted(path.relative_to(ROOT / "notebooks").as_posix() for path in ROOT.glob("notebooks/**/*.ipynb"))


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_head_of_a_lesson_says_what_it_takes_and_links_its_neighbours(lesson):
    head = notebooks.source(notebooks.read(ROOT / "notebooks" / lesson)["cells"][0])
    assert head.endswith(f"\n\n{systems.neighbours(lesson)}"), "run: limitlab list lessons --into notebooks"
    assert re.search(r"\*Assumes\*.*\*About \d+ minutes\.\*.*(Afterwards|After it)\*? you can", head, re.DOTALL)


def test_the_chain_of_lessons_leads_from_the_door_through_the_whole_course():
    walked = [systems.DOOR]
    while following := re.search(r"Next: \[.*?\]\((.*?)\)", systems.neighbours(walked[-1])):
        walked.append(posixpath.normpath(posixpath.join(posixpath.dirname(walked[-1]), following[1])))
    assert walked == [systems.DOOR, *re.findall(r"\]\((.*?)\)", repr(systems.course()))]
    assert sorted(walked) == LESSONS


def test_links_are_written_once_however_often(tmp_path):
    folder = shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    systems.write_neighbours(folder)
    assert all((folder / lesson).read_bytes() == (ROOT / "notebooks" / lesson).read_bytes() for lesson in LESSONS)


def test_unknown_lesson_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'neural_des/02-stiffness"):
        systems.neighbours("neural_des/02-stifness.ipynb")
