"""The course for a class: a copy for students, whose answers are not in the files, and one for teachers, as it is.

In the students' copy the folded answers and the answers' code are gone, and the outputs of what a student fills in and
of the cells that judge it; hints stay, folded. What a notebook shows from a file beside it comes along.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from limitlab.errors import InvalidArgument
from limitlab.reports import notebooks

_FOLD = re.compile(r"<details[^>]*>\s*<summary[^>]*>(.*?)</summary>(.*?)</details>[ \t]*\n?", re.DOTALL | re.IGNORECASE)
_HINT = "hint"


def write_course(folder: str | Path) -> dict[str, Path]:
    """Write `folder`/student and `folder`/teacher, each with all notebooks of the course; gives their paths by name.

    Raises InvalidArgument for a folder that is not empty or lies within the course, and for a lesson whose folds are
    not well-formed; nothing is written then.

    >>> sorted(ll.reports.write_course("class-of-2027"))
    ['student', 'teacher']
    """
    root = notebooks.folder()
    if root is None:
        raise InvalidArgument("no folder of notebooks here; LIMITLAB_NOTEBOOKS can name one")
    root, target = root.resolve(), Path(folder).resolve()
    if target.is_relative_to(root):
        raise InvalidArgument(f"{folder} lies in the course that it would be a copy of")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InvalidArgument(f"{folder} is there already and not empty: nothing is written over")
    lessons = {name: path for name, path in notebooks.catalogue().items() if path.is_relative_to(root)}
    # all are made before the first is written
    student = {name: _as_text(student_copy(notebooks.read(path), name)) for name, path in lessons.items()}
    teacher = {name: path.read_text(encoding="utf-8") for name, path in lessons.items()}
    shown = {file for path in lessons.values() for file in notebooks.files_of(path, root)}
    copies = {"student": student, "teacher": teacher}
    return {kind: _write(target / kind, texts, shown, root) for kind, texts in copies.items()}


def student_copy(notebook: Mapping[str, Any], name: str = "notebook") -> dict[str, Any]:
    """A copy of the notebook without its answers. Raises InvalidArgument where its folds are not well-formed.

    >>> fold = "What is it? <details><summary>Answer</summary>42</details>"
    >>> notebook = {"cells": [{"cell_type": "markdown", "metadata": {}, "source": fold}]}
    >>> ll.reports.student_copy(notebook)["cells"][0]["source"]
    'What is it? '
    """
    judges = notebooks.checks(notebook)
    cells = []
    for cell in notebook["cells"]:
        if cell.get("cell_type") == "markdown":
            cell = {**cell, "source": _without_answers(notebooks.source(cell), name)}
        elif "answer" in notebooks.own_metadata(cell) or any(cell is judge for judge in judges):
            own = {key: value for key, value in notebooks.own_metadata(cell).items() if key != "answer"}
            others = {key: value for key, value in cell["metadata"].items() if key != "limitlab"}
            metadata = {**others, **({"limitlab": own} if own else {})}
            cell = {**cell, "metadata": metadata, "outputs": [], "execution_count": None}
        cells.append(cell)
    return {**notebook, "cells": cells}


def _without_answers(text: str, name: str) -> str:
    """The text of a cell with its hints alone."""
    for summary, inner in _FOLD.findall(text):
        if "<details" in inner.lower() or "<summary" in inner.lower():
            raise InvalidArgument(f"{name}: the fold {summary!r} holds another one or is not closed")
    without = _FOLD.sub(lambda fold: fold[0] if _HINT in fold[1].lower() else "", text)
    if len(re.findall("<details", without, re.IGNORECASE)) != len(_FOLD.findall(without)):
        raise InvalidArgument(f"{name}: a fold is not closed, or has no summary")
    return without


def _write(target: Path, texts: Mapping[str, str], shown: set[Path], root: Path) -> Path:
    """The folder with these notebooks and files, seen whole or not at all."""
    unfinished = target.with_name(f".{target.name}.part")
    try:
        for name, text in texts.items():
            path = unfinished / f"{name}.ipynb"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for file in shown:
            path = unfinished / file.relative_to(root)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, path)
        return unfinished.rename(target)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _as_text(notebook: Mapping[str, Any]) -> str:
    """As nbformat writes it, but that texts may be one string."""
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
