"""A notebook's parameters, read without running it, and the values a person types for them.

The cell tagged `parameters` holds assignments of literals, each with its help in a comment:

    modes = 12                                     # Fourier modes kept along each axis [2, 64]
    viscosity: float = 0.01                        # (0, 1]
    problem: Literal["burgers", "darcy"] = "darcy" # equation whose operator is learned
    resolutions = [32, 64, 128]                    # grids of the test

The cell is parsed to a syntax tree and never executed; text is converted by the parameter's type and never evaluated:
a text is taken as it is; a list stands in brackets or not, and texts in it in quotes or not, between which they may
hold commas. Values that come from Python have the parameter's type, too; numbers of NumPy are numbers, arrays lists.
A range at the end of a comment is in the notation of intervals: `[` includes its end, `(` does not.
"""

from __future__ import annotations

import ast
import io
import math
import numbers
import re
import tokenize
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from limitlab.errors import InvalidArgument, one_of
from limitlab.reports import notebooks

Value = int | float | bool | str | list[int] | list[float] | list[bool] | list[str]

LONGEST_VALUE = 1000
MOST_ITEMS = 100
MOST_POINTS = 256

_NAMES = {"int": int, "float": float, "bool": bool, "str": str}
_IN_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_REAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_END = r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?inf)\s*"
_RANGE = re.compile(rf"([\[(]){_END},{_END}([\])])\s*$", re.ASCII)


@dataclass(frozen=True)
class NotebookParameter:
    """One parameter: `kind` is the type of the value, or of each item where `is_list`."""

    name: str
    kind: type
    default: Value
    help: str = ""
    is_list: bool = False
    choices: tuple[Any, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    low_included: bool = True
    high_included: bool = True

    def convert(self, text: str) -> Value:
        """The value that the text stands for: items of a list are separated by commas. Raises InvalidArgument."""
        if not self.is_list:
            return self._item(text.strip())
        inner = text.strip()
        if not inner:
            raise InvalidArgument(f"parameter {self.name!r} must be {self.accepts}, [] for none; got nothing")
        if inner.startswith("[") and inner.endswith("]"):
            inner = inner[1:-1].strip()
        items = _unquoted_parts(inner, ",", ",") if inner else []
        if len(items) > MOST_ITEMS:
            raise InvalidArgument(f"parameter {self.name!r} takes at most {MOST_ITEMS} items")
        return [self._item(_without_quotes(item)) for item in items]

    def read(self, value: Any) -> Value:
        """The value that a caller in Python gave, where it has the parameter's type, in Python's own types.

        Raises InvalidArgument.
        """
        if not self.is_list:
            return self._read_item(value)
        is_array = getattr(value, "ndim", None) == 1
        if not is_array and not isinstance(value, list | tuple | range):
            raise self._refused(value)
        if len(value) > MOST_ITEMS:
            raise InvalidArgument(f"parameter {self.name!r} takes at most {MOST_ITEMS} items")
        return [self._read_item(item) for item in value]

    def check(self, value: Value) -> Value:
        """The value itself, when it is among the choices and in the range. Raises InvalidArgument."""
        for item in value if isinstance(value, list) else [value]:
            if self.choices and item not in self.choices:
                raise self._refused(item)
            if isinstance(item, int | float) and not isinstance(item, bool):
                above = item >= self.low if self.low_included else item > self.low
                below = item <= self.high if self.high_included else item < self.high
                if not (above and below):
                    raise self._refused(item)
        return value

    @property
    def accepts(self) -> str:
        """What a value must be, in words: `a whole number in [2, 64]`."""
        choices = ", ".join(map(str, self.choices))
        words = f"one of {choices}" if choices else _IN_WORDS[self.kind]
        if math.isfinite(self.low) or math.isfinite(self.high):
            left, right = "[" if self.low_included else "(", "]" if self.high_included else ")"
            words += f" in {left}{self.low:g}, {self.high:g}{right}"
        return f"a list, each item {words}" if self.is_list else words

    def _item(self, text: str) -> Any:
        if self.kind is str:
            return self.check(text)
        if self.kind is bool and text.lower() in ("true", "false"):
            return self.check(text.lower() == "true")
        if self.kind is int and _WHOLE.fullmatch(text):
            return self.check(int(text))
        if self.kind is float and _REAL.fullmatch(text) and math.isfinite(float(text)):
            return self.check(float(text))
        raise self._refused(text)

    def _read_item(self, value: Any) -> Any:
        if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
            value = value.item()
        # True is an int in Python, and 2.0 is refused where a whole number is typed as well
        is_number = isinstance(value, numbers.Integral if self.kind is int else numbers.Real)
        fits = is_number and not isinstance(value, bool) if self.kind in (int, float) else isinstance(value, self.kind)
        if not fits or (self.kind is float and not math.isfinite(value)):
            raise self._refused(value)
        return self.check(self.kind(value))

    def _refused(self, value: Any) -> InvalidArgument:
        return InvalidArgument(f"parameter {self.name!r} must be {self.accepts}; got {str(value)[:60]!r}")


def read_parameters(notebook: Mapping[str, Any], name: str = "notebook") -> tuple[NotebookParameter, ...]:
    """The parameters of a notebook, in the order of its cell; none where no cell is tagged `parameters`.

    Raises InvalidArgument where the cell holds anything but assignments of literals (and imports for its annotations).
    """
    for cell in notebook["cells"]:
        if cell.get("cell_type") == "code" and "parameters" in cell.get("metadata", {}).get("tags", []):
            return _read_cell(notebooks.source(cell), name)
    return ()


def parse_values(assignments: Iterable[str], parameters: Sequence[NotebookParameter]) -> dict[str, Value]:
    """`["modes=16", "problem=darcy"]` -> {"modes": 16, "problem": "darcy"}. Raises UnknownName, InvalidArgument."""
    return {parameter.name: parameter.convert(text) for parameter, text in _split(assignments, parameters)}


def parse_sweep(assignments: Iterable[str], parameters: Sequence[NotebookParameter]) -> dict[str, list[Value]]:
    """`["modes=8,16"]` -> {"modes": [8, 16]}: the values to try, without repetitions.

    A parameter that is itself a list takes semicolons between its values: `resolutions=16,32;32,64`.
    Raises UnknownName, InvalidArgument, also where the product has more than 256 points.
    """
    axes: dict[str, list[Value]] = {}
    for parameter, text in _split(assignments, parameters):
        pieces = _unquoted_parts(text, ";", "[,;") if parameter.is_list else text.split(",")
        axes[parameter.name] = _distinct(map(parameter.convert, pieces))
    _require_few(axes)
    return axes


def read_axes(axes: Mapping[str, Iterable[Any]], parameters: Sequence[NotebookParameter]) -> dict[str, list[Value]]:
    """The axes of a sweep from Python: lists or arrays of values, without repetitions. Raises as `parse_sweep` does."""
    known = {parameter.name: parameter for parameter in parameters}
    listed: dict[str, list[Any]] = {}
    for name, values in axes.items():
        one_of("parameter", name, known)
        # the letters of a text are no values
        if isinstance(values, str) or not isinstance(values, Iterable) or getattr(values, "ndim", 1) == 0:
            raise InvalidArgument(f"axis {name!r} of a sweep must be a list of values; got {values!r:.60}")
        listed[name] = list(values)
    _require_few(listed)
    return {name: _distinct(map(known[name].read, values)) for name, values in listed.items()}


def complete(values: Mapping[str, Any], parameters: Sequence[NotebookParameter]) -> dict[str, Value]:
    """All parameters: these values over the defaults, in Python's own types. Raises UnknownName, InvalidArgument."""
    known = {parameter.name: parameter for parameter in parameters}
    read = {name: known[one_of("parameter", name, known)].read(value) for name, value in values.items()}
    return {parameter.name: read.get(parameter.name, parameter.default) for parameter in parameters}


def _unquoted_parts(text: str, separator: str, openers: str) -> list[str]:
    """The parts between separators outside of quotes, which begin at the start or after an opener: it's has none."""
    parts, start, quote, fresh = [], 0, "", True
    for place, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'" and fresh:
            quote, fresh = character, False
        elif character == separator:
            parts.append(text[start:place])
            start, fresh = place + 1, True
        elif not character.isspace():
            fresh = character in openers
    if quote:
        raise InvalidArgument(f"a quote is not closed in {text:.60}")
    return [*parts, text[start:]]


def _without_quotes(item: str) -> str:
    item = item.strip()
    if item[:1] not in ('"', "'"):
        return item
    if item[0] in item[1:-1] or item[-1] != item[0]:
        raise InvalidArgument(f"a text in quotes ends with its quote; got {item:.60}")
    return item[1:-1]


def _distinct(values: Iterable[Value]) -> list[Value]:
    # a list has no hash
    kept: list[Value] = []
    for value in values:
        if value not in kept:
            kept.append(value)
    return kept


def _require_few(axes: Mapping[str, Sequence[Value]]) -> None:
    if math.prod(map(len, axes.values())) > MOST_POINTS:
        raise InvalidArgument(f"a sweep has at most {MOST_POINTS} points")


def _split(assignments: Iterable[str], parameters: Sequence[NotebookParameter]) -> list[tuple[NotebookParameter, str]]:
    known = {parameter.name: parameter for parameter in parameters}
    pairs: dict[str, tuple[NotebookParameter, str]] = {}
    for assignment in assignments:
        if len(assignment) > LONGEST_VALUE:
            raise InvalidArgument(f"{assignment[:30]!r}... is longer than {LONGEST_VALUE} characters")
        if not assignment.isprintable():
            raise InvalidArgument(f"{assignment[:60]!r} holds characters that are not printable")
        name, equals, text = assignment.partition("=")
        name = name.strip()
        if not equals or not name:
            raise InvalidArgument(f"a parameter is given as name=value; got {assignment[:60]!r}")
        one_of("parameter", name, known)
        if name in pairs:
            raise InvalidArgument(f"parameter {name!r} is given twice")
        pairs[name] = (known[name], text)
    return list(pairs.values())


def _read_cell(text: str, name: str) -> tuple[NotebookParameter, ...]:
    try:
        body = ast.parse(text).body
        comments = {
            token.start[0]: token.string.lstrip("#").strip()
            for token in tokenize.generate_tokens(io.StringIO(text).readline)
            if token.type == tokenize.COMMENT
        }
    except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError) as cause:
        raise InvalidArgument(f"{name}: the parameters cell is not Python: {cause}") from None
    parameters: dict[str, NotebookParameter] = {}
    for statement in body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            continue
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        target, default = targets[0], getattr(statement, "value", None)
        is_assignment = isinstance(statement, ast.Assign | ast.AnnAssign) and len(targets) == 1
        if not is_assignment or not isinstance(target, ast.Name) or default is None:
            raise InvalidArgument(
                f"{name}: line {statement.lineno} of the parameters cell is not of the form `name = literal`"
            )
        comment = comments.get(statement.end_lineno or statement.lineno, "")
        annotation = getattr(statement, "annotation", None)
        parameters[target.id] = _read_parameter(target.id, annotation, default, comment, name)
    return tuple(parameters.values())


def _read_parameter(
    variable: str, annotation: ast.expr | None, default: ast.expr, comment: str, name: str
) -> NotebookParameter:
    where = f"{name}: parameter {variable!r}"
    try:
        value = ast.literal_eval(default)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise InvalidArgument(f"{where} has a default that is not a literal") from None
    is_list = isinstance(value, list | tuple)
    kinds = {type(item) for item in value} if is_list else {type(value)}
    # [1, 0.5] is a list of numbers
    kind = float if kinds == {int, float} else next(iter(kinds), None)
    choices: tuple[Any, ...] = ()
    match annotation:
        case None:
            pass
        case ast.Name(id=str() as written) if written in _NAMES and not is_list:
            kind = _NAMES[written]
        case ast.Subscript(value=ast.Name(id="list" | "List"), slice=ast.Name(id=str() as written)) if (
            written in _NAMES and is_list
        ):
            kind = _NAMES[written]
        case ast.Subscript(value=ast.Name(id="Literal"), slice=inner) if not is_list:
            choices = tuple(
                item.value
                for item in (inner.elts if isinstance(inner, ast.Tuple) else [inner])
                if isinstance(item, ast.Constant) and type(item.value) is kind
            )
        case _:
            raise InvalidArgument(f"{where} has an annotation that does not fit its default: {ast.unparse(annotation)}")
    if kind not in _IN_WORDS or len(kinds - {kind} - ({int} if kind is float else set())) > 0:
        raise InvalidArgument(f"{where} must be int, float, bool, str or a list of one of them")
    if kind is float:
        value = [float(item) for item in value] if is_list else float(value)
    limits = _RANGE.search(comment) if kind in (int, float) else None
    parameter = NotebookParameter(
        name=variable,
        kind=kind,
        default=list(value) if is_list else value,
        help=comment,
        is_list=is_list,
        choices=choices,
        low=float(limits[2]) if limits else -math.inf,
        high=float(limits[3]) if limits else math.inf,
        low_included=not limits or limits[1] == "[",
        high_included=not limits or limits[4] == "]",
    )
    try:
        parameter.check(parameter.default)
    except InvalidArgument as cause:
        raise InvalidArgument(f"{name}: the default breaks its own rule: {cause}") from None
    return parameter
