"""A file of measurements: comma-separated text with a row of names, a column of times and one for each state.

    time, x, y                     several trajectories have a column `trajectory` too; an empty cell, or `nan`, says
    0.0, 0.44, 4.63                that nothing was measured there
    0.1, 0.31, 3.9

Whatever is wrong with a file is said in one sentence that names its line.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from limitlab.data.sources.csv_format import TIMES, csv_number, csv_rows
from limitlab.discovery.pinn import Measurements
from limitlab.errors import InvalidArgument

TRAJECTORY = "trajectory"
MOST_ROWS = 5000


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of a file, one list of rows a trajectory; times count from the first of each."""

    name: str
    times: tuple[tuple[float, ...], ...]
    columns: Mapping[str, tuple[tuple[float, ...], ...]]

    @property
    def span(self) -> float:
        """The last time."""
        return max(times[-1] for times in self.times)

    @property
    def summary(self) -> str:
        """How much there is."""
        return f"{len(self.times)} x {len(self.times[0])} rows"

    def of(self, states: Sequence[str]) -> Measurements:
        """The columns of these states. Raises InvalidArgument where one is missing or empty."""
        for state in states:
            if state not in self.columns:
                held = ", ".join(self.columns) or "none"
                raise InvalidArgument(
                    f"{self.name} must have a column for each state; {state!r} is missing, it has {held}"
                )
            if all(math.isnan(value) for rows in self.columns[state] for value in rows):
                raise InvalidArgument(f"{self.name} holds no number in the column {state!r}")
        values = torch.tensor([self.columns[state] for state in states], dtype=torch.float64)
        times = torch.tensor(self.times, dtype=torch.float64)
        return Measurements(times[..., None], values.movedim(0, -1).contiguous())


def read_table(name: str, content: bytes) -> Table:
    """The table of a file's bytes. Raises InvalidArgument that names the file, and the line where there is one."""
    return _split(name, *read_rows(name, content))


def read_rows(name: str, content: bytes) -> tuple[str, list[tuple[int, dict[str, float]]]]:
    """The column of times, and every row by column with its line. Raises InvalidArgument."""
    rows = csv_rows(content, name, most=MOST_ROWS)
    time = next(column for column in rows[0].cells if column.lower() in TIMES)
    return time, [(row.line, {column: csv_number(row, column, name) for column in row.cells}) for row in rows]


def _split(name: str, time: str, numbers: Sequence[tuple[int, dict[str, float]]]) -> Table:
    """Rows by trajectory, each with times that grow."""
    groups: dict[float, list[dict[str, float]]] = {}
    for line, row in numbers:
        mine = groups.setdefault(row.get(TRAJECTORY, 0.0), [])
        # a NaN is not greater than anything
        if not (math.isfinite(row[time]) and (not mine or row[time] > mine[-1][time])):
            raise InvalidArgument(f"times of {name} must be there and grow; line {line} has {row[time]:g}")
        mine.append(row)
    if len({len(rows) for rows in groups.values()}) > 1:
        raise InvalidArgument(f"trajectories of {name} must have the same number of rows; leave cells empty for NaN")
    columns = {
        column: tuple(tuple(row[column] for row in rows) for rows in groups.values()) for column in numbers[0][1]
    }
    times = tuple(tuple(moment - rows[0] for moment in rows) for rows in columns.pop(time))
    columns.pop(TRAJECTORY, None)
    return Table(name, times, columns)
