"""Students get the course without its answers, teachers as it is; nothing is written over, nor anywhere else."""

import json

import nbformat
import pytest

from limitlab.errors import InvalidArgument
from limitlab.reports import notebooks, student_copy, write_course

code, prose = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
PIXEL = bytes.fromhex("89504e470d0a1a0a")


def lesson():
    stdout = nbformat.v4.new_output("stream", text="not answered yet\n")
    return nbformat.v4.new_notebook(
        cells=[
            prose("# Waves\n\n![a wave](../images/wave.png) [next](02-more.ipynb) ![](https://example.org/x.png)"),
            code("1 + 1", outputs=[nbformat.v4.new_output("execute_result", {"text/plain": "2"}, execution_count=3)]),
            prose(
                "**1.** What is it?\n\n<details><summary>A hint</summary>\n\nLess than 43.\n\n</details>\n"
                "<details><summary>The answer</summary>\n\nForty-two.\n\n</details>\nGo on."
            ),
            code("it = None", metadata={"limitlab": {"answer": "it = 42", "other": 1}}, execution_count=4),
            code('print("not answered yet" if it is None else it == 42)', outputs=[stdout], execution_count=5),
        ],
        metadata={"limitlab": {"smoke": {"seed": 1}}},
    )


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course with one lesson, a picture that it shows, and a file that it does not."""
    folder = tmp_path / "course"
    for place in ("operators", "images"):
        (folder / place).mkdir(parents=True)
    nbformat.write(lesson(), folder / "operators/01-waves.ipynb")
    (folder / "images/wave.png").write_bytes(PIXEL)
    (folder / "images/private.png").write_bytes(PIXEL)
    monkeypatch.setenv("LIMITLAB_NOTEBOOKS", str(folder))
    return folder


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_both_copies_have_every_lesson_and_what_it_shows(course, tmp_path):
    before = files(tmp_path)
    made = write_course(tmp_path / "class")
    copy = ["images/wave.png", "operators/01-waves.ipynb"]
    assert files(tmp_path / "class") == [f"{kind}/{file}" for kind in ("student", "teacher") for file in copy]
    assert files(tmp_path) == sorted([*before, *(f"class/{file}" for file in files(tmp_path / "class"))])
    teacher, original = made["teacher"] / copy[1], course / copy[1]
    assert teacher.read_bytes() == original.read_bytes()


def test_a_student_has_hints_and_no_answers(course, tmp_path):
    path = write_course(tmp_path / "class")["student"] / "operators/01-waves.ipynb"
    text = path.read_text()
    for answer in ("Forty-two", "it = 42", "The answer", "not answered yet\\n"):
        assert answer not in text
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    assert "<details><summary>A hint</summary>\n\nLess than 43.\n\n</details>\nGo on." in book.cells[2].source
    assert book.cells[3].metadata == {"limitlab": {"other": 1}}
    assert [cell.get("outputs") for cell in book.cells[3:]] == [[], []]
    # what is no exercise is as it was
    assert book.cells[1].outputs[0].data == {"text/plain": "2"}
    assert book.metadata == {"limitlab": {"smoke": {"seed": 1}}}


@pytest.mark.parametrize("there", ["class/a.txt", "class"])
def test_nothing_is_written_over(there, course, tmp_path):
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).write_text("mine")
    before = files(tmp_path)
    with pytest.raises(InvalidArgument, match="nothing is written over"):
        write_course(tmp_path / "class")
    assert files(tmp_path) == before
    assert (tmp_path / there).read_text() == "mine"


def test_a_copy_is_not_written_into_the_course_itself(course, tmp_path):
    (tmp_path / "link").symlink_to(course)
    for folder in (course / "class", course, tmp_path / "link" / "class"):
        with pytest.raises(InvalidArgument, match="lies in the course"):
            write_course(folder)


@pytest.mark.parametrize(
    "fold",
    [
        "<details><summary>Answer</summary>Forty-two.",
        "<details>Forty-two.</details>",
        "<details><summary>Hint</summary>a<details><summary>Answer</summary>42</details></details>",
        "<details><summary>Hint</summary>not closed<details><summary>Answer</summary>42</details>",
    ],
)
def test_a_lesson_whose_folds_are_broken_is_refused_before_anything_is_written(fold, course, tmp_path):
    nbformat.write(nbformat.v4.new_notebook(cells=[prose(fold)]), course / "broken.ipynb")
    with pytest.raises(InvalidArgument, match=r"broken: (the|a) fold"):
        write_course(tmp_path / "class")
    assert not (tmp_path / "class").exists()


def test_a_file_that_is_no_notebook_is_refused_before_anything_is_written(course, tmp_path):
    (course / "broken.ipynb").write_text("{")
    with pytest.raises(InvalidArgument, match="not a notebook"):
        write_course(tmp_path / "class")
    assert not (tmp_path / "class").exists()


def test_a_picture_outside_of_the_course_stays_there(course, tmp_path):
    (tmp_path / "secret.png").write_bytes(PIXEL)
    (course / "images/out.png").symlink_to(tmp_path / "secret.png")
    nbformat.write(
        nbformat.v4.new_notebook(cells=[prose("![](../secret.png) ![](images/out.png)")]), course / "leaky.ipynb"
    )
    write_course(tmp_path / "class")
    assert not list((tmp_path / "class").rglob("secret.png")) + list((tmp_path / "class").rglob("out.png"))


@pytest.mark.parametrize("name", notebooks.catalogue())
def test_no_answer_of_a_lesson_is_left_in_the_copy_of_a_student(name):
    book = notebooks.read(notebooks.catalogue()[name])
    copy = student_copy(book, name)
    text = json.dumps(copy)
    assert not any("answer" in notebooks.own_metadata(cell) for cell in copy["cells"])
    prosaic = "".join(notebooks.source(cell) for cell in copy["cells"] if cell["cell_type"] == "markdown")
    assert prosaic.lower().count("<summary>") == prosaic.lower().count("hint</summary>")
    assert 'not answered yet\\n"' not in text
    assert len(notebooks.checks(copy)) == len(notebooks.checks(book))
