"""`limitlab list`: the catalogues, as text that fits the terminal, as Markdown, or as JSON."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from limitlab.cli.variables import VARIABLES
from limitlab.errors import InvalidArgument, unknown_name

Table = tuple[Sequence[str], list[Sequence[Any]]]
"""Heads, and rows of texts, numbers, and lists of names or of parameters {"name", "default", perhaps "low", "high"}."""
NARROWEST = 8
GAP = "  "


def show(options: argparse.Namespace) -> int:
    """Print one catalogue."""
    if options.table not in TABLES:
        raise unknown_name("table", options.table, TABLES)
    from limitlab import systems

    if options.into is not None:
        writers = {"systems": systems.write_table, "lessons": systems.write_neighbours}
        if options.table not in writers:
            raise InvalidArgument(f"--into writes the tables {' and '.join(writers)}; got {options.table!r}")
        writers[options.table](Path(options.into))
        return 0
    if options.table == "systems" and options.markdown:
        print(systems.markdown_table())
        return 0
    header, rows = TABLES[options.table]()
    if options.json:
        print(json.dumps([dict(zip(header, row, strict=True)) for row in rows], indent=2))
        return 0
    texts = [[_shown(cell) for cell in row] for row in rows]
    # a pipe has no edge
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() and not options.wide else sys.maxsize
    print("\n".join(_markdown(header, texts) if options.markdown else _text(header, texts, room)))
    return 0


def problems() -> Table:
    """Problems: name, kind, equation, parameters with their ranges."""
    from limitlab import problems

    rows: list[Sequence[Any]] = []
    for problem in problems.catalogue():
        ranges = [{"name": p.name, "default": p.default, "low": p.low, "high": p.high} for p in problem.parameters]
        rows.append((problem.name, problem.kind, problem.title, problem.equation, ranges))
    return ("name", "kind", "title", "equation", "parameters"), rows


def operators() -> Table:
    """Operators: name, what it is, the settings of an experiment that change it."""
    from limitlab.operators import OPERATORS

    rows: list[Sequence[Any]] = [(row.name, row.title, list(row.settings)) for row in OPERATORS.values()]
    return ("name", "what it is", "settings"), rows


def experiments() -> Table:
    """Experiments: name, title, settings of the course size."""
    from limitlab import experiments

    rows: list[Sequence[Any]] = []
    for name in experiments.names():
        experiment = experiments.get(name)
        settings = [{"name": option.name, "default": option.default} for option in experiment.options()]
        rows.append((name, experiment.title, settings))
    return ("name", "title", "settings at course size"), rows


def notebooks() -> Table:
    """Notebooks: name, title, parameters with their defaults."""
    from limitlab.reports import notebooks
    from limitlab.reports.parameters import read_parameters

    rows: list[Sequence[Any]] = []
    for name, path in notebooks.catalogue().items():
        notebook = notebooks.read(path)
        parameters = [{"name": p.name, "default": p.default} for p in read_parameters(notebook, path.name)]
        rows.append((name, notebooks.title(notebook) or "", parameters))
    return ("name", "title", "parameters"), rows


def lessons() -> Table:
    """Lessons in the order in which they are read: path, part of the course, the systems that it is about."""
    from limitlab import systems

    rows: list[Sequence[Any]] = [
        (lesson, family, about) for family in systems.FAMILIES for lesson, about in systems.lessons(family).items()
    ]
    return ("lesson", "family", "about"), rows


def systems() -> Table:
    """Systems: name, number, family, state, experiments."""
    from limitlab import systems

    rows: list[Sequence[Any]] = [
        (system.name, system.number, system.title, system.family, system.state, list(system.experiments))
        for system in map(systems.get, systems.names())
    ]
    return ("name", "number", "title", "family", "state", "experiments"), rows


def variables() -> Table:
    """Variables of the environment: name, what it decides, what holds where it is not set."""
    return ("name", "what it decides", "otherwise"), [*VARIABLES]


TABLES: dict[str, Callable[[], Table]] = {
    "problems": problems,
    "operators": operators,
    "experiments": experiments,
    "notebooks": notebooks,
    "lessons": lessons,
    "systems": systems,
    "variables": variables,
}


def _shown(cell: Any) -> str:
    """A cell as text."""
    if isinstance(cell, list):
        return ", ".join(map(_shown, cell))
    if isinstance(cell, dict):
        if "low" in cell:
            return f"{cell['name']}={cell['default']:g} [{cell['low']:g}, {cell['high']:g}]"
        return f"{cell['name']}={cell['default']}"
    return str(cell)


def _text(header: Sequence[str], rows: list[list[str]], room: int) -> list[str]:
    """Aligned columns that fit into the room, an ellipsis where a cell was cut; names, the first column, never are."""
    widths = _widths([max(map(len, column)) for column in zip(header, *rows, strict=True)], room)
    lines = []
    for row in [header, *rows]:
        cells = [
            cell if len(cell) <= width else cell[: width - 1] + "…" for cell, width in zip(row, widths, strict=False)
        ]
        lines.append(GAP.join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip())
    return lines


def _widths(wanted: list[int], room: int) -> list[int]:
    """Widths of as many columns as there is room for: the widest give way first, down to NARROWEST."""
    names, rest = wanted[0], list(wanted[1:])
    left = room - names
    while rest and sum(min(width, NARROWEST) + len(GAP) for width in rest) > left:
        rest.pop()
    while sum(rest) + len(GAP) * len(rest) > left:
        rest[rest.index(max(rest))] -= 1
    return [names, *rest]


def _markdown(header: Sequence[str], rows: list[list[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
