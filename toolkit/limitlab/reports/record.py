"""What a report says of its own making, so that it can be made again: the notebook, the parameters, the versions.

An executed notebook has it in its metadata, a page in a script that no browser runs, a page of a sweep with the axes.
`Record.command` is the command line that makes the same again, and is checked by reading it back.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from limitlab.errors import InvalidArgument
from limitlab.reports import notebooks
from limitlab.reports.parameters import NotebookParameter, Value, parse_sweep, parse_values

RECORDED_PACKAGES = ("limitlab", "torch", "numpy", "xarray", "plotly")
LARGEST_PAGE = notebooks.LARGEST_NOTEBOOK
PLACE = "limitlab-record"
FIELDS = ("notebook", "source", "parameters", "overrides", "versions", "date")
"""What the metadata of an executed notebook say of its making."""


@dataclass(frozen=True)
class Record:
    """How a report or a sweep was made. parameters: all of them; changed: those that are not the notebook's defaults.

    axes: of a sweep, the values of each, and then there are no parameters. source: a digest of the notebook's cells.

    >>> record = ll.reports.Record("02-decay", "0f", {"modes": 8, "rate": 0.5}, ("modes",))
    >>> record.command()
    'limitlab report 02-decay -p modes=8'
    """

    notebook: str
    source: str
    parameters: Mapping[str, Value] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    axes: Mapping[str, Sequence[Value]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    date: str = ""

    def command(self, notebook: str | None = None, *, folder: Path | None = None) -> str:
        """The command line that makes it again, from another copy of the notebook where one is named.

        Raises InvalidArgument where a value cannot be typed.
        """
        given = {name: [self.parameters[name]] for name in self.changed} if not self.axes else self.axes
        assignments = [f"{name}={_typed(name, values, bool(self.axes))}" for name, values in given.items()]
        words = ["limitlab", "sweep" if self.axes else "report", notebook or self.notebook]
        words += [word for assignment in assignments for word in ("-p", assignment)]
        if folder is not None and folder.resolve() != Path("reports").resolve():
            words += ["--folder", str(folder)]
        return shlex.join(words)

    def as_dict(self) -> dict[str, Any]:
        """For JSON; `read_record` reads it back."""
        shown = {"notebook": self.notebook, "source": self.source, "versions": self.versions, "date": self.date}
        return shown | (
            {"axes": self.axes} if self.axes else {"parameters": self.parameters, "overrides": self.changed}
        )


def origin(path: Path, source: Mapping[str, Any]) -> dict[str, str]:
    """What a record says of the notebook: the name that a person types for it, and a digest of its cells.

    The copy in a report's folder keeps the name of what it is of.
    """
    held, cells = notebooks.own_metadata(source), digest(source)
    name = held.get("notebook") if held.get("source") == cells else None
    return {"notebook": name if isinstance(name, str) else notebooks.name_of(path), "source": cells}


def digest(notebook: Mapping[str, Any]) -> str:
    """Sixteen hexadecimal digits of what a notebook's cells say, but for the one of given parameters."""
    cells = [
        (cell.get("cell_type"), notebooks.source(cell))
        for cell in notebook["cells"]
        if "injected-parameters" not in cell.get("metadata", {}).get("tags", [])
    ]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()[:16]


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a report depends on most, as far as they are installed."""
    found = {"Python": platform.python_version()}
    for package in RECORDED_PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def of_notebook(notebook: Mapping[str, Any], name: str) -> Record:
    """The record of an executed notebook. Raises InvalidArgument where it has none."""
    return _checked(notebook.get("metadata", {}).get("limitlab"), name)


def read_record(path: Path) -> Record:
    """The record in a page, or in an executed notebook. Raises InvalidArgument where there is none.

    >>> from pathlib import Path
    >>> ll.reports.read_record(Path("lost.html"))
    Traceback (most recent call last):
    limitlab.errors.InvalidArgument: lost.html is not a file; name a report's page or its notebook
    """
    if not path.is_file():
        raise InvalidArgument(f"{path} is not a file; name a report's page or its notebook")
    if path.suffix == ".ipynb":
        return of_notebook(notebooks.read(path), str(path))
    if path.stat().st_size > LARGEST_PAGE:
        raise InvalidArgument(f"{path} is larger than {LARGEST_PAGE // 10**6} MB: not read")
    finder = _Finder()
    try:
        finder.feed(path.read_text(encoding="utf-8"))
        record = json.loads(finder.text)
    except (ValueError, RecursionError):
        raise InvalidArgument(f"{path} is not a page of limitlab, or was made before pages said how") from None
    return _checked(record, str(path))


def _typed(name: str, values: Sequence[Value], many: bool) -> str:
    """The values as a person types them. Raises InvalidArgument where they would be read as others."""
    texts = [_text(value) for value in values]
    separator = ";" if any(isinstance(value, list) for value in values) else ","
    text = separator.join(texts)
    items = [item for value in values for item in (value if isinstance(value, list) else [value])]
    kinds = {type(item) for item in items}
    kind = next(iter(kinds), str) if len(kinds) < 2 else float
    parameter = NotebookParameter(name, kind, values[0], is_list=isinstance(values[0], list))
    try:
        read: Any = parse_sweep if many else parse_values
        held = read([f"{name}={text}"], [parameter])[name]
    except InvalidArgument:
        held = None
    if held != (list(values) if many else values[0]):
        raise InvalidArgument(f"the value of {name} cannot be typed; in Python it is {values!r:.200}")
    return text


def _text(value: Value) -> str:
    if isinstance(value, list):
        # brackets: an empty list is one too
        return f"[{','.join(_quoted(item) if isinstance(item, str) else _text(item) for item in value)}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _quoted(item: str) -> str:
    return f'"{item}"' if '"' not in item else f"'{item}'"


def _checked(record: Any, name: str) -> Record:
    """A record read from a file. Raises InvalidArgument where it is none, or holds what no record has."""
    if not isinstance(record, Mapping) or not isinstance(record.get("notebook"), str) or "source" not in record:
        raise InvalidArgument(f"{name} does not say how it was made")
    notebook, parameters = record["notebook"], record.get("parameters", {})
    changed, axes, made = record.get("overrides", []), record.get("axes", {}), record.get("versions", {})
    # what is printed is pasted into a shell
    fine = (
        notebook.isprintable()
        and notebook[:1] not in ("", "-")
        and all(isinstance(part, Mapping) for part in (parameters, axes, made))
        and all(str(key).isidentifier() for key in (*parameters, *axes))
        and isinstance(changed, list | tuple)
        and all(key in parameters for key in changed)
        and all(isinstance(values, list) and values for values in axes.values())
        and all(map(_is_value, (*parameters.values(), *(item for values in axes.values() for item in values))))
    )
    if not fine:
        raise InvalidArgument(f"{name} holds a damaged record of its making")
    words = {str(key): str(version) for key, version in made.items()}
    return Record(notebook, str(record["source"]), parameters, tuple(changed), axes, words, str(record.get("date", "")))


def _is_value(value: Any) -> bool:
    return all(isinstance(item, int | float | str) for item in (value if isinstance(value, list) else [value]))


class _Finder(HTMLParser):
    """The text of the script that holds the record."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.inside = "", False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.inside = tag == "script" and ("id", PLACE) in attributes
        # an output of a cell may look like a record; the page's own comes last
        self.text = "" if self.inside else self.text

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        self.inside = False
