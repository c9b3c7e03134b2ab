"""Marks are filled with what is stored; what is not there is an error that names it."""

from pathlib import Path

import pytest

from limitlab import systems
from limitlab.errors import InvalidArgument, UnknownName
from limitlab.reports.site.lessons import Picture
from limitlab.reports.site.marks import MARK, MARKS, Stored

ROOT = Path(__file__).parents[3]
STORED = Stored(ROOT)


def test_a_table_is_the_one_that_begins_so(checkout):
    filled = Stored(checkout).fill("<!-- table: 00-start: meth | err -->")
    assert "| euler | 0.1 |" in filled
    assert "(lessons/00-start.ipynb)" in filled
    with pytest.raises(InvalidArgument, match=r"no table that begins with meth \| loss"):
        Stored(checkout).fill("<!-- table: 00-start: meth | loss -->")


def test_an_unknown_mark_is_refused_and_other_comments_stay():
    with pytest.raises(UnknownName, match="mark"):
        STORED.fill("<!-- tabel: all -->")
    assert STORED.fill("text <!-- a comment -->") == "text <!-- a comment -->"


def test_every_mark_of_every_page_that_runs_nothing_is_filled():
    for page in sorted((ROOT / "notebooks" / "site").glob("*.md")):
        for kind, what in MARK.findall(page.read_text(encoding="utf-8")):
            assert kind in MARKS
            if kind not in ("benchmarks", "reached"):
                assert STORED.fill(f"<!-- {kind}: {what} -->").strip() or kind == "gallery"


def test_benchmarks_are_those_that_are_stored(tmp_path):
    filled = STORED.fill("<!-- benchmarks: solvers -->")
    assert "### solvers" in filled
    assert "diffrax" in filled
    assert "### stochastic" not in filled
    with pytest.raises(UnknownName, match="suite"):
        STORED.fill("<!-- benchmarks: solver -->")


def test_the_course_lists_every_lesson_of_a_part():
    filled = STORED.course("operators")
    assert all(f"(lessons/{lesson})" in filled for lesson in systems.lessons("operators"))


def test_a_picture_of_the_gallery_leads_to_its_cell():
    pictures = [Picture("k", "lessons/operators/07-which-operator", "figure-2", "Errors", 450.0)]
    assert 'href="lessons/operators/07-which-operator.html#figure-2"' in Stored(ROOT, pictures).gallery("all")
