"""What a format and a layout are: one row of a table each, and the arrays that pass between them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limitlab.data.axes import Kind
from limitlab.errors import InvalidArgument

if TYPE_CHECKING:
    import xarray

Dims = str | Mapping[str, str] | None


@dataclass(frozen=True)
class Contents:
    """The arrays of a file by their path in it, "group/name", and the attributes of groups, arrays and the root ""."""

    name: str
    arrays: Mapping[str, Any]
    attrs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def attribute(self, path: str, name: str, default: Any = None) -> Any:
        """An attribute, texts decoded. Raises InvalidArgument where it is needed and not there."""
        value = self.attrs.get(path, {}).get(name, default)
        if value is None:
            raise InvalidArgument(f"{self.name} must have the attribute {name!r} at {path or 'its root'}")
        if hasattr(value, "tolist"):
            value = value.tolist()
        listed = value if isinstance(value, list | tuple) else [value]
        plain = [each.decode() if isinstance(each, bytes) else each for each in listed]
        return plain if isinstance(value, list | tuple) else plain[0]


@dataclass(frozen=True)
class Format:
    """How a file of these endings is read. signatures: its first bytes, one of them, any where there are none.

    read(path) gives the arrays, or a dataset where the format names dims itself. A folder has no first bytes.
    """

    title: str
    suffixes: tuple[str, ...]
    read: Callable[[Path], Contents | xarray.Dataset]
    signatures: tuple[bytes, ...] = ()
    is_folder: bool = False


@dataclass(frozen=True)
class Layout:
    """What the arrays of a file mean: whether they are of this layout, and the dataset that they make."""

    name: str
    recognises: Callable[[Contents], bool]
    label: Callable[[Contents, Dims, Kind], xarray.Dataset]


def rows(folder: str) -> list[Any]:
    """The `ROW` of every module of a folder beside this one."""
    package = f"{__package__}.{folder}"
    names = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent / folder)]))
    return [importlib.import_module(f"{package}.{name}").ROW for name in names]


def listed(names: Any, most: int = 12) -> str:
    """Names for a message, at most so many."""
    every = sorted(map(str, names))
    return (", ".join(every[:most]) or "nothing") + (f" and {len(every) - most} more" if len(every) > most else "")
