"""What installed packages add to the catalogues: rows that they offer as entry points.

    [project.entry-points."limitlab.operators"]        # in a package's pyproject.toml
    blur = "limitlab_blur.operator:ROWS"

An entry point of the groups `limitlab.operators`, `limitlab.problems`, `limitlab.experiments` or `limitlab.systems` is
a row of that catalogue, or a tuple of rows. They are read when a catalogue is first asked for more than its own rows,
and never by `import limitlab`. What cannot be imported, is no such row, or has a name that is taken is left out, with a
warning that names the package and the reason; all the rest works.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from threading import RLock
from typing import Any, Generic, TypeVar

from limitlab.errors import InvalidArgument, unknown_name

Row = TypeVar("Row")


class ExtensionLeftOut(UserWarning):
    """An installed package offers what a catalogue cannot take."""


@dataclass(frozen=True)
class Offer:
    """An entry point, and what became of it: the names that it added, or why it was left out.

    >>> offer = ll.extensions.Offer("limitlab-blur 1.0", "limitlab.operators", "blur", reason="the name is taken")
    >>> print(offer)
    package limitlab-blur 1.0, 'blur' of limitlab.operators, is left out: the name is taken
    """

    package: str
    group: str
    entry: str
    names: tuple[str, ...] = ()
    reason: str = ""

    def __str__(self) -> str:
        fate = f"is left out: {self.reason}" if self.reason else f"adds {', '.join(self.names)}"
        return f"package {self.package}, {self.entry!r} of {self.group}, {fate}"


class Catalogue(Mapping[str, Row], Generic[Row]):
    """Rows by name: `own` ones first, and after them those that installed packages offer in the group of this noun.

    own: what a name of it means never depends on packages, and asking for it reads none. fault: what a row of the right
    class lacks, "" where that is nothing.

    >>> sorted(ll.extensions.Catalogue("colour", str, {"red": "#f00"}))
    ['red']
    """

    def __init__(
        self, noun: str, kind: type, own: Mapping[str, Row], fault: Callable[[Row], str] = lambda row: ""
    ) -> None:
        self.noun, self.kind, self.own, self.fault = noun, kind, own, fault
        self._offered: dict[str, Row] | None = None
        self._offers: tuple[Offer, ...] = ()
        self._lock = RLock()

    @property
    def group(self) -> str:
        """The group of entry points."""
        return f"limitlab.{self.noun}s"

    def named(self, name: str) -> Row:
        """The row of this name; raises UnknownName, with the nearest one."""
        if not isinstance(name, str) or name not in self:
            raise unknown_name(self.noun, name, self)
        return self[name]

    def offers(self) -> tuple[Offer, ...]:
        """What became of every entry point of the group."""
        self._read()
        return self._offers

    def __getitem__(self, name: str) -> Row:
        return self.own[name] if name in self.own else self._read()[name]

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in self._read()

    def __iter__(self) -> Iterator[str]:
        yield from self.own
        yield from self._read()

    def __len__(self) -> int:
        return len(self.own) + len(self._read())

    def _read(self) -> dict[str, Row]:
        """What packages offer, by name."""
        with self._lock:
            if self._offered is None:
                # a package that asks while it is imported sees the rows that are there
                self._offered = {}
                self._offers = tuple(map(self._take, _sorted(self.group)))
                for offer in self._offers:
                    if offer.reason:
                        warnings.warn(str(offer), ExtensionLeftOut, stacklevel=4)
            return self._offered

    def _take(self, entry: EntryPoint) -> Offer:
        """Add the rows behind an entry point, all or none."""
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "of an unknown name"
        try:
            rows = self._rows(entry)
        # whatever a package does when it is imported, it is left out and the others are not
        except (Exception, SystemExit) as error:
            kind = "" if isinstance(error, InvalidArgument) else f"{type(error).__name__}: "
            reason = " ".join(f"{kind}{error}".split())
            return Offer(package, self.group, entry.name, reason=reason)
        assert self._offered is not None
        self._offered |= rows
        return Offer(package, self.group, entry.name, tuple(rows))

    def _rows(self, entry: EntryPoint) -> dict[str, Row]:
        """What an entry point holds. Raises InvalidArgument for what this catalogue cannot take."""
        value = entry.load()
        rows: dict[str, Row] = {}
        for row in value if isinstance(value, tuple | list) else (value,):
            if not isinstance(row, self.kind):
                raise InvalidArgument(
                    f"{entry.value} must be a {self.kind.__name__} or a tuple of them; got {row!r:.80}"
                )
            named: Any = row
            name = named.name or entry.name
            if not isinstance(name, str):
                raise InvalidArgument(f"the name of {entry.value} must be a text; got {name!r:.80}")
            if name in self or name in rows:
                raise InvalidArgument(f"there is {_a(self.noun)} {name!r} already")
            # an experiment is named by where it stands
            rows[name] = named if named.name else dataclasses.replace(named, name=name)
            if fault := self.fault(rows[name]):
                raise InvalidArgument(f"{self.noun} {name!r}: {fault}")
        return rows


def import_offers(group: str) -> None:
    """Import what packages offer in a group, so that their classes are there; a catalogue says what fails.

    >>> ll.extensions.import_offers("limitlab.operators")
    """
    for entry in _sorted(group):
        with suppress(Exception, SystemExit):
            entry.load()


def _sorted(group: str) -> list[EntryPoint]:
    """The entry points of a group in an order that does not depend on that of the installation."""
    return sorted(entry_points(group=group), key=lambda entry: (entry.dist.name if entry.dist else "", entry.name))


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
