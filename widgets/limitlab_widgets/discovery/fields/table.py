"""A file of measurements of a field: comma-separated text with columns of times, of positions and of values.

t, x, u                     rows in any order, at any places of the domain; an empty cell, or `nan`, says that
0.0, 0.25, 0.98             nothing was measured there
0.1, 0.3, 0.71
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from limitlab.discovery.pinn import Measurements
from limitlab.errors import InvalidArgument
from limitlab_widgets.discovery.table import read_rows

POSITION = "x"


@dataclass(frozen=True)
class Scattered:
    """Times from the first one on, positions, and values by field, one number a row."""

    name: str
    times: tuple[float, ...]
    positions: tuple[float, ...]
    columns: tuple[tuple[str, tuple[float, ...]], ...]

    @property
    def span(self) -> float:
        """The last time."""
        return max(self.times)

    @property
    def summary(self) -> str:
        """How much there is."""
        return f"{len(self.times)} rows"

    def of(self, field: str, low: float, high: float) -> Measurements:
        """The values of a field on [low, high]. Raises InvalidArgument where they are missing or lie elsewhere."""
        held = dict(self.columns)
        if field not in held:
            raise InvalidArgument(f"{self.name} must have a column {field}; it has {', '.join(held) or 'no other'}")
        if all(math.isnan(value) for value in held[field]):
            raise InvalidArgument(f"{self.name} holds no number in the column {field!r}")
        if min(self.positions) < low or max(self.positions) > high:
            raise InvalidArgument(
                f"x of {self.name} must lie in [{low:g}, {high:g}], the domain of the equation; it goes from "
                f"{min(self.positions):g} to {max(self.positions):g}"
            )
        points = torch.tensor([self.times, self.positions], dtype=torch.float64).T
        return Measurements(points[None], torch.tensor(held[field], dtype=torch.float64)[None, :, None])


def read_scattered(name: str, content: bytes) -> Scattered:
    """The measurements of a file's bytes. Raises InvalidArgument, naming file and line."""
    time, rows = read_rows(name, content)
    columns = list(rows[0][1])
    if POSITION not in columns:
        raise InvalidArgument(f"the first line of {name} must name a column x beside {time}; it names {columns}")
    for line, row in rows:
        if not (math.isfinite(row[time]) and math.isfinite(row[POSITION])):
            raise InvalidArgument(f"times and positions of {name} must be there; line {line} lacks one")
    first = min(row[time] for _, row in rows)
    if not max(row[time] for _, row in rows) > first:
        raise InvalidArgument(f"times of {name} must differ; all are {first:g}")
    values = tuple(
        (column, tuple(row[column] for _, row in rows)) for column in columns if column not in (time, POSITION)
    )
    return Scattered(name, tuple(row[time] - first for _, row in rows), tuple(row[POSITION] for _, row in rows), values)
