"""`open`: a file of a reader's own, of any format and layout that is known, as a labelled dataset."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from limitlab.data.axes import Kind
from limitlab.data.files.layouts import plain
from limitlab.data.files.row import Contents, Dims, Format, Layout, listed, rows
from limitlab.errors import InvalidArgument

if TYPE_CHECKING:
    import xarray

FORMATS: dict[str, Format] = {suffix: row for row in rows("formats") for suffix in row.suffixes}
# what is plain is what nobody else knows
LAYOUTS: tuple[Layout, ...] = tuple(sorted(rows("layouts"), key=lambda row: row is plain.ROW))
LONGEST_REASON = 200


def open(path: str | PathLike[str], *, dims: Dims = None, kind: Kind = None) -> xarray.Dataset:
    """The fields of a file: dims sample, time, channel and those of space, the attribute `grid` where it has one.

    Formats, by the ending: .npz, .pt, .mat, .h5, .nc, .zarr. Layouts, by their structure: PDEBench, The Well, datasets
    of this library, and arrays that share their samples, with coordinates x, y, z and t where there are any.
    dims: of every field, such as "sample x y time", or of each by name; needed where sizes leave them open. kind:
    "periodic", "cells" or "nodes", where the points do not say what is meant. What is large is read when it is used.
    Raises InvalidArgument: no such file, another ending, damaged, no numbers, or dims that do not fit.

    >>> import numpy as np
    >>> x = np.linspace(0, 1, 16)
    >>> np.savez("waves.npz", x=x, u=np.sin(x * np.arange(1, 9)[:, None]), v=np.cos(x * np.arange(1, 9)[:, None]))
    >>> own = ll.data.open("waves.npz")
    >>> dict(own.sizes), list(own.data_vars)
    ({'sample': 8, 'x': 16}, ['u', 'v'])
    >>> ll.data.batches(ll.data.pairs(own, "u", "v"), size=4).batch(0)["input"].shape
    torch.Size([4, 1, 16])
    """
    contents = contents_of(path)
    with _naming(Path(path)):
        if isinstance(contents, Contents):
            layout = next(layout for layout in LAYOUTS if layout.recognises(contents))
            dataset, name = layout.label(contents, dims, kind), layout.name
        else:
            dataset, name = plain.relabel(contents, Path(path).name, dims, kind), "xarray"
    return dataset.assign_attrs({"layout": name, "source": str(path), **dataset.attrs})


def contents_of(path: str | PathLike[str]) -> Contents | xarray.Dataset:
    """The arrays of a file, by the format of its ending. Raises InvalidArgument."""
    if not isinstance(path, str | PathLike):
        raise InvalidArgument(f"path must be that of a file; got {path!r:.80}")
    place = Path(path).expanduser()
    row = FORMATS.get(place.suffix.lower())
    if row is None:
        ending = place.suffix or "no ending"
        raise InvalidArgument(f"{place} must end in one of {', '.join(FORMATS)}; got {ending!r:.40}")
    if not (place.is_dir() if row.is_folder else place.is_file()):
        found = "another thing" if place.exists() else "none"
        raise InvalidArgument(f"{place} must be a {row.title}; there is {found}")
    if not row.is_folder:
        _require_signature(place, row)
    with _naming(place):
        try:
            return row.read(place)
        except InvalidArgument:
            raise
        # libraries raise what they like where a file is damaged
        except Exception as problem:
            reason = " ".join(str(problem).split())[:LONGEST_REASON] or type(problem).__name__
            raise InvalidArgument(f"{place} cannot be read as a {row.title}: {reason}") from problem


@contextmanager
def _naming(place: Path) -> Iterator[None]:
    """What is raised of an axis or an array, which know of no file, names it."""
    try:
        yield
    except InvalidArgument as problem:
        if place.name in str(problem):
            raise
        # the same kind of error, such as an unknown name
        raise type(problem)(f"{place}: {problem}") from None


def _require_signature(place: Path, row: Format) -> None:
    """Raise InvalidArgument for an empty file, or one whose first bytes are those of another format."""
    with place.open("rb") as file:
        head = file.read(16)
    if not head:
        raise InvalidArgument(f"{place} must be a {row.title}; it is empty")
    if row.signatures and not head.startswith(row.signatures):
        others = {each.title for each in FORMATS.values() if each.signatures and head.startswith(each.signatures)}
        looks = f"begins like a {listed(others)}" if others else f"begins with {head[:8]!r}"
        raise InvalidArgument(f"{place} must be a {row.title}, as its ending says; it {looks}")
