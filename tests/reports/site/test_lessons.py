"""A lesson's page holds its outputs as stored, and its figures in files that a page on a disk can load."""

import json

import pytest

from limitlab.reports.site.lessons import Picture, figure_block, stage_lesson


@pytest.fixture
def staged(tmp_path, lesson):
    path = tmp_path / "01-a.ipynb"
    path.write_text(json.dumps(lesson))
    pictures = stage_lesson(path, "part/01-a", tmp_path / "source")
    return tmp_path / "source", pictures


def test_a_figure_is_named_by_its_title_and_lies_in_a_script(staged):
    source, (picture,) = staged
    assert picture == Picture("part-01-a-1", "lessons/part/01-a", "figure-1", "A line", 450.0)
    begin, _, rest = (source / "_static/figures/part-01-a-1.js").read_text().partition("=")
    assert begin == 'limitlab.figures["part-01-a-1"]'
    # JSON has no NaN
    assert json.loads(rest.rstrip(";\n"))["data"][0]["y"] == [0, None]


def test_an_untitled_figure_is_named_by_the_heading_above_it(tmp_path, lesson):
    del lesson["cells"][1]["outputs"][0]["data"]["application/vnd.plotly.v1+json"]["layout"]["title"]
    path = tmp_path / "01-a.ipynb"
    path.write_text(json.dumps(lesson))
    assert stage_lesson(path, "01-a", tmp_path / "source")[0].label == "A lesson"


def test_folds_are_read_as_markdown_and_an_exercise_gets_its_answer(staged):
    source, _ = staged
    cells = json.loads((source / "lessons/part/01-a.ipynb").read_text())["cells"]
    assert "<summary>Answer</summary>\n\nA `step`" in cells[0]["source"]
    assert cells[-1]["cell_type"] == "markdown"
    assert "```python\nstep = 0.1\n```" in cells[-1]["source"]


def test_a_label_is_escaped():
    block = figure_block(Picture("k", "lessons/a", "figure-1", 'a < "b"', 450.0), small=True)
    assert 'aria-label="a &lt; &quot;b&quot;"' in block
    assert "id=" not in block
