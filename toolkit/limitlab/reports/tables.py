"""Tables of a notebook: rows of values, each formatted in one place, shown as Markdown.

    Table(["method", "order"], [["euler", 0.98], ["rk4", 4.02]], form=".2f")

An xarray with a dim `seed` is shown as its mean over the seeds and their standard deviation. The stars of a formula,
which would begin italics in Markdown, are escaped there; back-ticks, for a formula as code, are optional.
"""

from __future__ import annotations

import numbers
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from limitlab.errors import InvalidArgument

SPREAD = "seed"
MOST_ITEMS = 8
_LEFT = r"(`+)(?!`).+?(?<!`)\1(?!`)|\$[^$]+\$|\\.|(?<!\S)\*\*[A-Za-z ]+\*\*(?!\S)"  # code, TeX, escapes, bold words
_LEFT_OR_STAR = re.compile(rf"{_LEFT}|\*")


class Table:
    """A header and rows of values; in a notebook a Markdown table, elsewhere its text.

    form: format of numbers that are not whole. Raises InvalidArgument where a row is not as long as the header.

    >>> ll.reports.Table(["method", "order"], [["euler", 0.9812]], form=".2f")
    | method | order |
    | --- | --- |
    | euler | 0.98 |
    """

    def __init__(self, header: Sequence[str], rows: Iterable[Sequence[Any]], form: str = ".3g") -> None:
        self.header = list(header)
        self.rows = [[formatted(value, form) for value in row] for row in rows]
        for row in self.rows:
            if len(row) != len(self.header):
                raise InvalidArgument(f"a row of this table has {len(self.header)} values; got {len(row)}: {row}")

    def __repr__(self) -> str:
        return self._text(_cell)

    def _repr_markdown_(self) -> str:
        return self._text(lambda text: _with_plain_stars(_cell(text)))

    def _text(self, cell: Callable[[str], str]) -> str:
        lines = [self.header, ["---"] * len(self.header), *self.rows]
        return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines)


def formatted(value: Any, form: str = ".3g") -> str:
    """The text of a value: numbers by `form`, several of them with commas, `name value` pairs, mean ± std over seeds.

    Whole numbers are written out, None is empty, of more than eight numbers the range is shown.

    >>> ll.reports.formatted({"U-Net": [0.0307, 0.0312]}, ".4f")
    'U-Net 0.0307, 0.0312'
    """
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {formatted(item, form)}" for name, item in value.items())
    if SPREAD in getattr(value, "dims", ()):
        return _spread(value, form)
    value = in_python(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, numbers.Integral):
        return str(value)
    if isinstance(value, numbers.Real):
        return format(float(value), form)
    if isinstance(value, Iterable):
        items = list(value)
        if len(items) > MOST_ITEMS and all(isinstance(item, numbers.Real) for item in items):
            return f"{formatted(min(items), form)} to {formatted(max(items), form)}"
        return ", ".join(formatted(item, form) for item in items)
    return str(value)


def in_python(value: Any) -> Any:
    """Numbers of Python for an array, a tensor or an xarray.DataArray; anything else as it is."""
    if hasattr(value, "dims"):
        value = value.values
    return value.tolist() if hasattr(value, "tolist") else value


def _spread(values: Any, form: str) -> str:
    """Mean ± standard deviation over seeds; of an array with another dim, one after the other."""
    mean, deviation = values.mean(SPREAD), values.std(SPREAD)
    if mean.ndim > 1:
        raise InvalidArgument(f"at most one dim beside {SPREAD!r} can be shown in a table; got {values.dims}")
    pairs = zip(mean.values.reshape(-1), deviation.values.reshape(-1), strict=True)
    return ", ".join(f"{float(middle):{form}} ± {float(width):{form}}" for middle, width in pairs)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _with_plain_stars(text: str) -> str:
    """Markdown that shows the stars of a formula as stars; code, TeX and bold words stay as they are."""
    return _LEFT_OR_STAR.sub(lambda part: r"\*" if part[0] == "*" else part[0], text)
