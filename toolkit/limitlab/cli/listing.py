"""`limitlab list`: the catalogues, as text or as Markdown."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from limitlab.errors import InvalidArgument, unknown_name

Table = tuple[Sequence[str], list[Sequence[str]]]


def show(options: argparse.Namespace) -> int:
    """Print one catalogue."""
    if options.table not in TABLES:
        raise unknown_name("table", options.table, TABLES)
    if options.into is not None and options.table != "systems":
        raise InvalidArgument(f"--into writes the table of systems; got {options.table!r}")
    if options.table == "systems" and (options.markdown or options.into):
        from limitlab import systems

        if options.into:
            systems.write_table(Path(options.into))
        else:
            print(systems.markdown_table())
        return 0
    header, rows = TABLES[options.table]()
    print("\n".join(_markdown(header, rows) if options.markdown else _text(header, rows)))
    return 0


def problems() -> Table:
    """Problems: name, kind, equation, parameters with their ranges."""
    from limitlab import problems

    rows: list[Sequence[str]] = []
    for problem in problems.catalogue():
        ranges = ", ".join(f"{p.name}={p.default:g} [{p.low:g}, {p.high:g}]" for p in problem.parameters)
        rows.append((problem.name, problem.kind, problem.title, problem.equation, ranges))
    return ("name", "kind", "title", "equation", "parameters"), rows


def operators() -> Table:
    """Operators: name, what it is, the settings of an experiment that change it."""
    from limitlab.operators import OPERATORS

    rows: list[Sequence[str]] = [(row.name, row.title, ", ".join(row.settings)) for row in OPERATORS.values()]
    return ("name", "what it is", "settings"), rows


def experiments() -> Table:
    """Experiments: name, title, settings of the course size."""
    from limitlab import experiments

    rows: list[Sequence[str]] = []
    for name in experiments.names():
        experiment = experiments.get(name)
        settings = ", ".join(f"{option.name}={option.default}" for option in experiment.options())
        rows.append((name, experiment.title, settings))
    return ("name", "title", "settings at course size"), rows


def notebooks() -> Table:
    """Notebooks: name, title, parameters with their defaults."""
    from limitlab.reports import notebooks
    from limitlab.reports.parameters import read_parameters

    rows: list[Sequence[str]] = []
    for name, path in notebooks.catalogue().items():
        notebook = notebooks.read(path)
        parameters = ", ".join(f"{p.name}={p.default}" for p in read_parameters(notebook, path.name))
        rows.append((name, notebooks.title(notebook) or "", parameters))
    return ("name", "title", "parameters"), rows


def systems() -> Table:
    """Systems: number, name, family, state, experiments."""
    from limitlab import systems

    rows: list[Sequence[str]] = [
        (str(system.number), system.name, system.title, system.family, system.state, ", ".join(system.experiments))
        for system in systems.SYSTEMS
    ]
    return ("", "name", "title", "family", "state", "experiments"), rows


TABLES: dict[str, Callable[[], Table]] = {
    "problems": problems,
    "operators": operators,
    "experiments": experiments,
    "notebooks": notebooks,
    "systems": systems,
}


def _text(header: Sequence[str], rows: list[Sequence[str]]) -> list[str]:
    """Aligned columns, cut at the terminal's edge where there is one."""
    widths = [max(len(row[index]) for row in [header, *rows]) for index in range(len(header))]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    lines = []
    for row in [header, *rows]:
        line = "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        lines.append(line if len(line) <= room else line[: room - 1] + "…")
    return lines


def _markdown(header: Sequence[str], rows: list[Sequence[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
