"""A small checkout becomes a site; what Sphinx complains about is an error; answers to questions run as they stand."""

import doctest
import json
import re
from pathlib import Path

import pytest
import torch

import limitlab as ll
from limitlab.errors import InvalidArgument
from limitlab.reports.page import external_resources
from limitlab.reports.site import SiteFailed, build

QUESTIONS = Path(__file__).parents[3] / "notebooks" / "site" / "faq.md"


@pytest.fixture
def pages(checkout):
    """Path below the site -> what it holds."""
    first = build(checkout, checkout / "out")
    return {path.relative_to(first.parent).as_posix(): path.read_text() for path in first.parent.rglob("*.html")}


def test_formulas_are_mathml_tables_and_figures_are_stored_answers_are_folded(pages):
    lesson = pages["lessons/00-start.html"]
    assert re.search(r"<math .*?<msub>", lesson)
    assert 'data-figure="00-start-1"' in lesson
    assert "<td>euler</td>" in re.sub(r"\s*</?p>\s*", "", lesson)
    assert "0%|" not in lesson
    details = re.findall(r"<details>(.*?)</details>", lesson, re.DOTALL)
    assert len(details) == 2
    assert "<math " in details[0]
    assert "step" in details[1]


def test_pictures_that_a_lesson_shows_come_along(checkout):
    folder, path = checkout / "notebooks" / "images", checkout / "notebooks" / "00-start.ipynb"
    folder.mkdir()
    for name in ("line", "unseen"):
        (folder / f"{name}.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    lesson = json.loads(path.read_text())
    lesson["cells"][0]["source"].append("\n\n![a line](images/line.svg)")
    path.write_text(json.dumps(lesson))
    site = build(checkout, checkout / "out").parent
    (shown,) = re.findall(r'<img alt="a line" src="([^"]+)"', (site / "lessons/00-start.html").read_text())
    assert (site / "lessons" / shown).is_file()
    assert not list(site.rglob("unseen.svg"))


def test_names_are_described_with_their_shapes_and_lead_to_their_line(pages):
    page = re.sub(r"<[^>]*>", "", pages["api/limitlab.html"])
    for shown in ("*state", "*batch first*", "|y|_2", "euler(1.0)", "ORDER", "Of it."):
        assert shown in page
    assert "../source/limitlab/methods.html#L-4" in pages["api/limitlab.html"]
    assert 'id="L-4"' in pages["source/limitlab/methods.html"]


def test_pages_ask_no_other_host(pages):
    fetched = {address for page in pages.values() for address in external_resources(page)}
    assert not [address for address in fetched if re.match(r"(https?:)?//", address)]


def test_a_broken_link_is_an_error(checkout):
    (checkout / "notebooks" / "site" / "index.md").write_text("# Start\n\n[Lost](lost.md)\n")
    with pytest.raises(SiteFailed, match=r"lost\.md"):
        build(checkout, checkout / "out")


def test_a_folder_that_is_no_checkout_is_refused(tmp_path):
    with pytest.raises(InvalidArgument, match="no checkout"):
        build(tmp_path, tmp_path / "out")


def test_answers_to_questions_run_as_they_stand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIMITLAB_HOME", str(tmp_path / "home"))
    text = QUESTIONS.read_text(encoding="utf-8")
    code = "\n\n".join(re.findall(r"^```pycon\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    runner, said = doctest.DocTestRunner(), []
    runner.run(doctest.DocTestParser().get_doctest(code, {"ll": ll, "torch": torch}, "faq", None, 0), out=said.append)
    assert runner.tries > 40
    assert not runner.failures, "".join(said)


def test_what_a_page_shows_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("LIMITLAB_HOME", str(tmp_path / "home"))
    pages = sorted(QUESTIONS.parent.glob("*.md"))
    shown = [re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.M) for page in pages]
    assert any(shown)
    for block in (block for blocks in shown for block in blocks):
        exec(compile(block, "a page", "exec"), {})


def test_every_question_names_a_source_or_a_page():
    answers = re.split(r"^### ", QUESTIONS.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    assert len(answers) >= 20
    assert not [answer.partition("\n")[0] for answer in answers if "](" not in answer]
