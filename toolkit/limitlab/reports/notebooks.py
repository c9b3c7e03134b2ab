"""Notebooks of the course by name: `operators/01-fourier-neural-operator`, any part that fits no other, or a path.

They are looked for in the folder named by LIMITLAB_NOTEBOOKS, else in `notebooks/` of the current directory or of one
above it, else in the checkout that this package runs from, and at last among those inside of the installed package,
which are only read: JupyterLab opens a copy of them, and their cells run elsewhere.

What a notebook says of itself stands in its metadata under `limitlab`: the parameters of a quick run (`smoke`, of the
notebook), and the code that answers an exercise (`answer`, of the cell that a reader fills in).
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from limitlab.errors import InvalidArgument, unknown_name

LONGEST_NAME = 1000
LARGEST_NOTEBOOK = 100_000_000
NOT_ANSWERED = "not answered yet"
INSTALLED = Path(__file__).resolve().parents[1] / "notebooks"
"""Where a wheel has the course; a checkout has it elsewhere."""
_LINK = re.compile(r"\]\(\s*<?([^)\s>#]+)|\bsrc=[\"']([^\"'#]+)")


def find(name: str | os.PathLike[str]) -> Path:
    """Absolute path of a notebook given by path, by name, or by any part of a name that fits no other.

    Raises UnknownName with the nearest name, InvalidArgument with the candidates where a part fits several.
    """
    text = os.fspath(name)
    if not text or len(text) > LONGEST_NAME or not text.isprintable():
        raise InvalidArgument(f"a notebook is a path or a name of at most {LONGEST_NAME} printable characters")
    if text.endswith(".ipynb") and Path(text).is_file():
        return Path(text).resolve()
    known = catalogue()
    if not known:
        raise InvalidArgument(f"no file {text!r} and no folder of notebooks here; LIMITLAB_NOTEBOOKS can name one")
    wanted = text.removesuffix(".ipynb").removeprefix("notebooks/")
    # a whole name first: it may be a part of a longer one
    fitting = [full for full in known if wanted in _names_of(full)]
    fitting = fitting or [full for full in known if wanted.lower() in full.lower()]
    if len(fitting) > 1:
        raise InvalidArgument(f"notebook {wanted!r} could be any of {', '.join(fitting)}")
    if not fitting:
        spoken = sorted({part for full in known for part in (*_names_of(full), *re.split(r"[-_/]", full))})
        nearest = difflib.get_close_matches(wanted[:60], spoken, n=1, cutoff=0.5)
        raise unknown_name("notebook", wanted, {*known, *nearest})
    return known[fitting[0]]


def catalogue() -> dict[str, Path]:
    """All notebooks: name below the notebooks' folder, without suffix -> absolute path; sorted."""
    found: dict[str, Path] = {}
    # the nearest folder last, so that a copy comes before what it is of
    for root in (folder.resolve() for folder in reversed(_folders())):
        paths = (path for path in root.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
        # the path below the folder, not what a link there leads to: an installer may link to its cache
        found |= {path.relative_to(root).with_suffix("").as_posix(): path for path in paths}
    return dict(sorted(found.items()))


def name_of(path: Path) -> str:
    """What a person types for this notebook: its name in the catalogue, or its path, from here where it is below."""
    known = {file.resolve(): name for name, file in catalogue().items()}
    if path.resolve() in known:
        return known[path.resolve()]
    here = Path.cwd()
    near = str(path.relative_to(here)) if path.is_relative_to(here) else ""
    # a name that begins with a dash would be an option
    return near if near and not near.startswith("-") else str(path)


def folder() -> Path | None:
    """The folder that holds the course's notebooks, or None where there is none."""
    return next(iter(_folders()), None)


def working_copy(path: Path) -> Path:
    """Where a reader may change the notebook: its own path, or one below `notebooks/` here if it is an installed one.

    The whole course is copied then; a file that is there stays as it is.
    """
    if not path.is_relative_to(INSTALLED):
        return path
    target = Path.cwd() / "notebooks"
    for original in sorted(file for file in INSTALLED.rglob("*") if file.is_file()):
        copy = target / original.relative_to(INSTALLED)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if not copy.exists():
            # without its mode: an installed file may be read-only
            shutil.copyfile(original, copy)
    return target / path.relative_to(INSTALLED)


def run_folder(path: Path) -> str | None:
    """Where the cells of a notebook run: beside it, for the files it reads; None (a scratch folder) if installed."""
    return None if path.is_relative_to(INSTALLED) else str(path.parent)


def read(path: Path) -> dict[str, Any]:
    """The notebook's JSON. Raises InvalidArgument where it is not a notebook of format 4."""
    if path.stat().st_size > LARGEST_NOTEBOOK:
        raise InvalidArgument(f"{path} is larger than {LARGEST_NOTEBOOK // 10**6} MB: not read")
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError) as cause:
        raise InvalidArgument(f"{path} is not a notebook: {cause}") from None
    if not isinstance(notebook, dict) or notebook.get("nbformat") != 4 or not isinstance(notebook.get("cells"), list):
        raise InvalidArgument(f"{path} is not a notebook of format 4")
    return notebook


def source(cell: Mapping[str, Any]) -> str:
    """A cell's text; the file format stores it as a string or as a list of lines."""
    text = cell.get("source", "")
    return text if isinstance(text, str) else "".join(text)


def title(notebook: Mapping[str, Any]) -> str | None:
    """The first level-one heading of a notebook, without its hash."""
    for cell in notebook["cells"]:
        if cell.get("cell_type") == "markdown":
            heading = re.search(r"^#\s+(.+?)\s*#*\s*$", source(cell), re.MULTILINE)
            if heading:
                return heading[1]
    return None


def smoke_parameters(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with which the notebook runs in seconds. Raises InvalidArgument where it names none."""
    parameters = own_metadata(notebook).get("smoke")
    if not isinstance(parameters, dict) or not parameters:
        raise InvalidArgument("this notebook has no parameters of a quick run in its metadata, limitlab.smoke")
    return dict(parameters)


def answered(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the notebook in which every exercise is answered: the stub's cell holds the answer's code instead."""
    cells = [{**cell, "source": own_metadata(cell).get("answer", source(cell))} for cell in notebook["cells"]]
    return {**notebook, "cells": cells}


def checks(notebook: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """The cells that judge a reader's answers: those whose code says NOT_ANSWERED while there is none."""
    code = (cell for cell in notebook["cells"] if cell.get("cell_type") == "code")
    return tuple(cell for cell in code if NOT_ANSWERED in source(cell))


def printed(cell: Mapping[str, Any]) -> str:
    """What a cell of an executed notebook has printed."""
    streams = (output["text"] for output in cell.get("outputs", []) if output.get("output_type") == "stream")
    return "".join(text if isinstance(text, str) else "".join(text) for text in streams)


def own_metadata(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a notebook or a cell says under `limitlab`."""
    return part.get("metadata", {}).get("limitlab", {})


def files_of(path: Path, root: Path) -> Iterator[Path]:
    """The files below `root`, notebooks apart, that a notebook's text shows or links to."""
    for cell in read(path)["cells"]:
        if cell.get("cell_type") != "markdown":
            continue
        for link, image in _LINK.findall(source(cell)):
            address = link or image
            # an address of the network, or a figure of the notebook itself
            if ":" in address:
                continue
            file = (path.parent / address).resolve()
            if file.is_relative_to(root) and file.suffix != ".ipynb" and file.is_file():
                yield file


def _folders() -> tuple[Path, ...]:
    """Where notebooks are, the nearest folder first."""
    named = os.environ.get("LIMITLAB_NOTEBOOKS")
    if named:
        if not Path(named).is_dir():
            raise InvalidArgument(f"LIMITLAB_NOTEBOOKS names {named!r}, which is not a folder")
        return (Path(named),)
    checkout = Path(__file__).resolve().parents[3]
    here = Path.cwd()
    candidates = (above / "notebooks" for above in (here, *here.parents, checkout))
    nearest = (candidate for candidate in candidates if candidate.is_dir() and any(candidate.rglob("*.ipynb")))
    return (*islice(nearest, 1), *([INSTALLED] if INSTALLED.is_dir() else []))


def _names_of(full: str) -> tuple[str, str, str]:
    """The names a person may type for a notebook: with its folder, without, and without its number."""
    stem = full.rpartition("/")[2]
    return full, stem, re.sub(r"^\d+-", "", stem)
