"""What a page must be told of a figure that has changed: the properties that differ, by their paths, and nothing else.

Plotly's own way to bring a figure up to date checks and copies every property that is named. Here traces and layout are
compared as the plain data that they are; what differs goes into one message, arrays as the bytes that they hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

Path = tuple[str, ...]
Changes = dict[Path, Any]
PAGES_OWN = ("uid", "autosize", "template")
"""What plotly gives every trace, what a page says when a figure has followed its column, and what follows the theme:
taken back, a figure would keep the width that it has."""


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Changes:
    """The properties of `new` that differ from `old`, by path, and None for those that are gone."""
    return dict(_differing(old, new, ()))


def _differing(old: Mapping[str, Any], new: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, Any]]:
    for name in old:
        if new.get(name) is None and not (not path and name in PAGES_OWN) and not _is_empty(old[name]):
            yield (*path, name), None
    for name, value in new.items():
        if value is None or (not path and name in PAGES_OWN):
            continue
        before = old.get(name)
        if isinstance(value, Mapping):
            yield from _differing(before if isinstance(before, Mapping) else {}, value, (*path, name))
        elif before is None or not same(before, value):
            yield (*path, name), value


def _is_empty(value: Any) -> bool:
    """Whether nothing was ever set there."""
    return value is None or (isinstance(value, Mapping | list | tuple) and not len(value))


def same(one: Any, other: Any) -> bool:
    """Whether two properties are equal; a list and a tuple may be, gaps in arrays are."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        one, other = np.asarray(one), np.asarray(other)
        return np.array_equal(one, other, equal_nan="f" == one.dtype.kind == other.dtype.kind)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return not differences(one, other)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def can_be_set(old: Mapping[str, Any], changes: Changes) -> bool:
    """Whether the changes keep the number of shapes, annotations and the like, of which plotly has an object each."""
    for path, value in changes.items():
        before = _at(old, path)
        # a list of dicts is objects, a list of numbers is not
        if any(isinstance(part, Mapping) for part in [*_items(before), *_items(value)]) and (
            len(_items(before)) != len(_items(value))
        ):
            return False
    return True


def set_changes(old: dict[str, Any], changes: Changes) -> None:
    """Set what differs in the data of a trace or of a layout."""
    for (*above, name), value in changes.items():
        part = old
        for step in above:
            part = part.setdefault(step, {})
        if value is None:
            part.pop(name, None)
        else:
            part[name] = value


def message(changes: Sequence[Changes], nothing: Any) -> dict[str, list[Any]]:
    """The changes of several traces as plotly is told them: by property, a value for each; `nothing` where none."""
    paths = dict.fromkeys(path for each in changes for path in each)
    return {".".join(path): [each.get(path, nothing) for each in changes] for path in paths}


def as_bytes(value: Any, _manager: Any = None) -> Any:
    """What a page is sent of a property: numbers in arrays as bytes, those in tables row by row."""
    if isinstance(value, dict):
        return {name: as_bytes(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [as_bytes(part) for part in value]
    if not isinstance(value, np.ndarray):
        from plotly.basedatatypes import Undefined

        return "_undefined_" if value is Undefined else value
    if value.dtype.kind not in "uif" or value.ndim not in (1, 2):
        return value.tolist()
    if value.ndim == 2:
        return [as_bytes(row) for row in value]
    # a page has no arrays of such integers
    numbers: Any = value.astype(np.float64) if value.dtype.itemsize == 8 and value.dtype.kind in "ui" else value
    numbers = numbers.astype(np.float32) if numbers.dtype == np.float16 else np.ascontiguousarray(numbers)
    return {"buffer": memoryview(numbers), "dtype": str(numbers.dtype), "shape": numbers.shape}


def _at(part: Any, path: Path) -> Any:
    for step in path:
        part = part.get(step) if isinstance(part, Mapping) else None
    return part


def _items(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()
