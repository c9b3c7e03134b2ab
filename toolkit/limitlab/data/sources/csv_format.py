"""Comma-separated text with a row of names: a column of times, and columns of what was measured.

    time, x, y, series, label      an empty cell, or `nan`, says that nothing was measured there; `series` tells series
    0.0, 0.44, 4.63, a, walking    apart (one without it), `label` is the class of each, where they have classes
    0.1, 0.31, , a, walking        times count from the first of each series

Semicolons and tabs separate too. Whatever is wrong with a file is said in one sentence that names its line.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.utils.rnn import pad_sequence

from limitlab.data.series import Series, series
from limitlab.errors import InvalidArgument

TIMES, LABELS = ("time", "t"), ("label", "class")
SERIES = ("series", "trajectory", "id")
MISSING = ("", "nan", "na", "none", "null")
FEWEST_ROWS, MOST_ROWS = 4, 50_000


@dataclass(frozen=True)
class CsvRow:
    """A row below the names: its line in the file, and its cells by column."""

    line: int
    cells: dict[str, str]


def read_csv(content: bytes, name: str = "the file") -> tuple[Series, tuple[str, ...]]:
    """The series of a file's bytes, and the names of their channels, in the order of the columns.

    Raises InvalidArgument that names the file, and the line where there is one.

    >>> text = "time,x,series,label\\n0,1,a,up\\n1,2,a,up\\n0,4,b,down\\n2,,b,down\\n"
    >>> ll.data.sources.csv_format.read_csv(text.encode())
    (Series(2 samples, 1 channels, 2 classes, 2 times on [0, 2]; 25 % missing), ('x',))
    """
    rows = csv_rows(content, name)
    column = {kind: _column(rows[0], names) for kind, names in (("t", TIMES), ("id", SERIES), ("label", LABELS))}
    if column["t"] is None:
        raise InvalidArgument(f"the first line of {name} must name a column time; got {list(rows[0].cells)}")
    channels = tuple(each for each in rows[0].cells if each not in column.values())
    if not channels:
        raise InvalidArgument(f"{name} must have a column of values beside {', '.join(rows[0].cells)}")
    groups: dict[str, list[CsvRow]] = {}
    for row in rows:
        groups.setdefault(row.cells[column["id"]].strip() if column["id"] else "", []).append(row)
    times = [_growing(group, column["t"], name) for group in groups.values()]
    values = [
        torch.tensor([[csv_number(row, each, name) for each in channels] for row in group]) for group in groups.values()
    ]
    _require_measured(groups, values, name)
    labels, classes = _labels(groups, column["label"], name)
    lengths = torch.tensor([len(part) for part in times])
    moments, measured = (pad_sequence(parts, batch_first=True) for parts in (times, values))
    return series(moments, measured, labels, lengths=lengths, classes=classes), channels


def csv_rows(content: bytes, name: str, *, most: int = MOST_ROWS) -> list[CsvRow]:
    """The rows below the names, at most so many, blank lines left out. Raises InvalidArgument."""
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InvalidArgument(f"{name} must be a text file of comma-separated values in UTF-8") from None
    rows = [(number, row) for number, line in enumerate(lines, 1) if (row := _cells(line, lines[0]))]
    if not rows:
        raise InvalidArgument(f"{name} is empty: its first line must name the columns, such as time, x, y")
    header = [cell.strip() for cell in rows[0][1]]
    if len(set(header)) < len(header) or not any(cell.lower() in TIMES for cell in header):
        raise InvalidArgument(f"the first line of {name} must name a column time and others, each once; got {header}")
    for line, row in rows[1:]:
        if len(row) != len(header):
            raise InvalidArgument(
                f"line {line} of {name} must have {len(header)} cells, as the first has; it has {len(row)}"
            )
    if not FEWEST_ROWS <= len(rows) - 1 <= most:
        raise InvalidArgument(f"{name} must have {FEWEST_ROWS} to {most} rows of numbers; it has {len(rows) - 1}")
    return [CsvRow(line, dict(zip(header, row, strict=True))) for line, row in rows[1:]]


def csv_number(row: CsvRow, column: str, name: str) -> float:
    """The number of a cell, NaN where it says that nothing was measured. Raises InvalidArgument."""
    cell = row.cells[column].strip()
    try:
        value = math.nan if cell.lower() in MISSING else float(cell)
    except ValueError:
        value = math.inf
    if math.isinf(value):
        raise InvalidArgument(f"line {row.line} of {name} must hold numbers; {column} is {cell!r:.40}")
    return value


def _cells(line: str, first: str) -> list[str]:
    """The cells of a line, by the separator of the first one; none for a blank line."""
    separator = max((",", ";", "\t"), key=first.count)
    cells = next(csv.reader([line], delimiter=separator), [])
    return cells if any(cell.strip() for cell in cells) else []


def _column(row: CsvRow, names: Sequence[str]) -> str | None:
    return next((column for column in row.cells if column.lower() in names), None)


def _growing(group: Sequence[CsvRow], column: str, name: str) -> torch.Tensor:
    """The times of a series, which must be there and grow."""
    times: list[float] = []
    for row in group:
        time = csv_number(row, column, name)
        # a NaN is not greater than anything
        if not (math.isfinite(time) and (not times or time > times[-1])):
            raise InvalidArgument(f"times of {name} must be there and grow; line {row.line} has {time:g}")
        times.append(time)
    if len(times) < 2:
        raise InvalidArgument(f"a series must have two times or more; that of line {group[0].line} of {name} has one")
    # from zero on: in single precision times of an epoch in seconds would all be one
    return torch.tensor(times, dtype=torch.float64).sub(times[0]).float()


def _require_measured(groups: dict[str, list[CsvRow]], values: Sequence[torch.Tensor], name: str) -> None:
    for group, part in zip(groups.values(), values, strict=True):
        if part.isnan().all():
            raise InvalidArgument(f"a series must hold a number; that of line {group[0].line} of {name} has none")


def _labels(
    groups: dict[str, list[CsvRow]], column: str | None, name: str
) -> tuple[torch.Tensor | None, tuple[str, ...]]:
    """The class of each series, in the order of their first lines."""
    if column is None:
        return None, ()
    chosen: list[str] = []
    for group in groups.values():
        label = group[0].cells[column].strip()
        wrong = next((row for row in group if row.cells[column].strip() != label), None)
        if wrong or not label:
            line = wrong.line if wrong else group[0].line
            raise InvalidArgument(f"a series has one {column}, on all of its rows; line {line} of {name} differs")
        chosen.append(label)
    classes = tuple(dict.fromkeys(chosen))
    return torch.tensor([classes.index(label) for label in chosen]), classes
