"""Files that are seen whole or not at all: written beside their place, synced to the disk, then renamed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path, *, alone: bool = True) -> Iterator[Path]:
    """Gives a temporary path beside `path`; what was written there becomes `path` if the block succeeds.

    alone: one writer at a time writes this file; without it several may, and the last one to finish wins.

    >>> from pathlib import Path
    >>> with ll.atomic.replacing(Path("settings.json")) as temporary:
    ...     size = temporary.write_text("{}")
    >>> Path("settings.json").read_text()
    '{}'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # alone, always one name: what a killed writer left is written over and never piles up
    writer = "" if alone else f".{secrets.token_hex(4)}"
    temporary = path.with_name(f".{path.name}{writer}.part")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            # before the rename, or a crash could leave the new name with nothing in it
            os.fsync(file.fileno())
        # some libraries write files that only their owner can read: as open as the folder is right for shared results
        os.chmod(temporary, path.parent.stat().st_mode & 0o666)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":
        _sync_folder(path.parent)


def write_atomically(path: Path, text: str) -> Path:
    """The file with this text, whichever of several writers comes last.

    >>> from pathlib import Path
    >>> ll.atomic.write_atomically(Path("pages/index.html"), "<p>").name
    'index.html'
    """
    with replacing(path, alone=False) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _sync_folder(folder: Path) -> None:
    """A rename lasts only once its folder is on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
