"""The course: which lesson comes after which, and the links between neighbours."""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path, PurePosixPath

from limitlab.atomic import write_atomically
from limitlab.errors import InvalidArgument, unknown_name
from limitlab.reports import notebooks
from limitlab.reports.tables import Table
from limitlab.systems.catalogue import SYSTEMS
from limitlab.systems.row import FAMILIES, Family

DOOR = "00-start-here.ipynb"
"""Where the course begins."""


def lessons(family: Family) -> dict[str, str]:
    """The lessons of a part (paths below notebooks/) in the order in which they are read, and what each is about.

    A lesson may be about two systems.

    >>> ll.systems.lessons("neural_des")["neural_des/12-cheap-to-solve.ipynb"]
    'ERNODE; Local ERNODE'
    """
    about: dict[str, list[str]] = {}
    for system in SYSTEMS:
        for lesson in system.notebooks if system.family == family else ():
            about.setdefault(lesson, []).append(system.title)
    return {lesson: "; ".join(titles) for lesson, titles in sorted(about.items())}


def course() -> Table:
    """The lessons that work, part by part in the order in which they are read, with the systems that they are about.

    Links are relative to the folder of the notebooks. A part without a lesson is in preparation.

    >>> ll.systems.course().header
    ['part', 'lesson', 'about']
    """
    rows = []
    for family, part in FAMILIES.items():
        read = lessons(family)
        rows += [[part, f"[{_title(notebook)}]({notebook})", about] for notebook, about in read.items()]
        rows += [] if read else [[part, "in preparation", ""]]
    return Table(["part", "lesson", "about"], rows)


def neighbours(notebook: str) -> str:
    """The lessons before and after one (a path below notebooks/), as the line of Markdown that ends a lesson's head.

    Links are relative to the notebook. Raises UnknownName.

    >>> ll.systems.neighbours("00-start-here.ipynb")
    'Next: [Steps and their control](neural_des/01-steps-and-their-control.ipynb).'
    """
    order = [DOOR, *(lesson for family in FAMILIES for lesson in lessons(family))]
    if notebook not in order:
        raise unknown_name("lesson", notebook, order)
    index = order.index(notebook)
    beside = {"Previous": order[index - 1] if index else None, "Next": (*order, None)[index + 1]}
    links = {name: _relative(lesson, notebook) for name, lesson in beside.items() if lesson}
    return " ".join(f"{name}: [{_title(beside[name] or '')}]({link})." for name, link in links.items())


def write_neighbours(folder: Path) -> None:
    """Put the line of `neighbours` at the end of the first cell of every lesson below a folder of notebooks.

    Raises InvalidArgument where there are none, and UnknownName for a notebook that no system names.

    >>> from pathlib import Path
    >>> lesson = Path("course/00-start-here.ipynb")
    >>> lesson.parent.mkdir()
    >>> size = lesson.write_text('{"nbformat": 4, "cells": [{"cell_type": "markdown", "source": ["# Start"]}]}')
    >>> ll.systems.write_neighbours(lesson.parent)
    >>> "Next: [Steps and their control]" in lesson.read_text()
    True
    """
    paths = sorted(folder.glob("*.ipynb")) + sorted(folder.glob("*/*.ipynb"))
    if not paths:
        raise InvalidArgument(f"no notebooks in {folder}")
    for path in paths:
        notebook = notebooks.read(path)
        head = notebook["cells"][0]
        before = re.sub(r"\s*^(Previous|Next): .*\Z", "", notebooks.source(head), flags=re.MULTILINE)
        text = f"{before.rstrip()}\n\n{neighbours(path.relative_to(folder).as_posix())}"
        if text != notebooks.source(head):
            head["source"] = text.splitlines(keepends=True)
            write_atomically(path, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


def _relative(lesson: str, notebook: str) -> str:
    """The path from one notebook's folder to another notebook."""
    return posixpath.relpath(lesson, posixpath.dirname(notebook) or ".")


def _title(notebook: str) -> str:
    """The heading of a notebook, or its file's name where the course is not at hand."""
    path = notebooks.catalogue().get(notebook.removesuffix(".ipynb"))
    return (notebooks.title(notebooks.read(path)) if path else None) or PurePosixPath(notebook).stem
