"""A cache of datasets: each is a zarr group, addressed by a hash of what made it, and verified whenever it is opened.

    home/datasets/<key>/manifest.json       written last: the recipe, and size and SHA-256 of every file of the data
    home/datasets/<key>/<attempt>/          the data, in a folder of the writer's own, so that writers never meet
    home/datasets/<key>/<attempt>.writing   there while the writer is at work

The key is the SHA-256 of the recipe as canonical JSON. The manifest commits an entry: locally it is renamed into place,
on an object store it is one put, so a reader sees a whole entry or none, on every file system that fsspec knows. Of
two processes that make the same entry at once, the later one keeps what the earlier one committed. Missing chunks read
as NaN, never as zeros.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import socket
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limitlab.atomic import replacing
from limitlab.data import zarr_group
from limitlab.errors import InvalidArgument, LimitlabError

if TYPE_CHECKING:
    import fsspec
    import xarray

FORMAT = 1
"""Version of the cache's data format, part of every key: raise it and older entries are forgotten."""

FOREIGN_ATTEMPT_SECONDS = 7 * 86400
CLOCK_SLACK_SECONDS = 60


class CacheDamaged(UserWarning):
    """An entry of the cache is damaged or half-written; it is removed and generated again."""


class CacheUnwritable(LimitlabError, OSError):
    """The cache's folder does not take data: read-only, full, or not a folder."""


def home() -> str:
    """Folder or fsspec address (such as "s3://bucket/limitlab") of the cache: LIMITLAB_HOME, or the platform's own.

    >>> import os
    >>> ll.data.home() == os.environ["LIMITLAB_HOME"]
    True
    """
    import platformdirs

    return os.environ.get("LIMITLAB_HOME", "").strip() or platformdirs.user_cache_dir("limitlab", appauthor=False)


@dataclass(frozen=True)
class Entry:
    """One dataset of the cache, named by the recipe (JSON values) that decides its numbers."""

    recipe: dict[str, Any]

    @property
    def key(self) -> str:
        """SHA-256 of the recipe as canonical JSON; raises InvalidArgument if it is not JSON."""
        try:
            # NaN is not JSON, and not equal to itself: no key may hold one
            text = json.dumps({"format": FORMAT, **self.recipe}, sort_keys=True, separators=(",", ":"), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InvalidArgument(f"what decides a dataset must be finite JSON values: {error}") from error
        return hashlib.sha256(text.encode()).hexdigest()

    def open(self) -> xarray.Dataset | None:
        """The stored dataset if it is there and every byte of it is right, else None.

        Lazy (dask) above `zarr_group.LAZY_BYTES`. A damaged entry is removed, with the warning `CacheDamaged`.
        """
        fs, folder = _locate(self.key)
        try:
            attempt = self._verified(fs, folder)
        except _Damage as damage:
            self._discard(fs, folder, str(damage), damage.manifest)
            return None
        if attempt is None:
            self._discard_leftovers(fs, folder)
            return None
        return zarr_group.read(fs, f"{folder}/{attempt}")

    def write(self, samples: int, chunks: Iterable[tuple[int, xarray.Dataset]], chunk_size: int) -> xarray.Dataset:
        """Store a dataset of `samples` that arrives as (start, chunk) in any order, and return it as `open` would.

        Every chunk, of `chunk_size` samples but for the last, goes to disk as it comes. Raises CacheUnwritable;
        whatever goes wrong, nothing stays behind.
        """
        fs, folder = _locate(self.key)
        with _attempt(fs, folder) as attempt:
            address = zarr_group.zarr_address(fs, f"{folder}/{attempt}")
            started = False
            for start, chunk in chunks:
                with _cache_errors():
                    if not started:
                        zarr_group.create(address, chunk, samples, int(chunk["sample"][0]) - start, chunk_size)
                        started = True
                    zarr_group.write_region(address, chunk, start)
            with _cache_errors():
                committed = self._commit(fs, folder, attempt)
            return zarr_group.read(fs, f"{folder}/{committed}")

    def _commit(self, fs: fsspec.AbstractFileSystem, folder: str, attempt: str) -> str:
        """Make `attempt` the entry, unless a good one came first; returns the one that is the entry."""
        try:
            earlier = self._verified(fs, folder)
        except _Damage:
            earlier = None
        if earlier is not None:
            fs.rm(f"{folder}/{attempt}", recursive=True)
            return earlier
        files = {name: _fingerprint(fs, path) for name, path in _files(fs, f"{folder}/{attempt}").items()}
        manifest = {"format": FORMAT, "recipe": self.recipe, "data": attempt, "files": files}
        _put(fs, f"{folder}/manifest.json", json.dumps(manifest, indent=1).encode())
        return attempt

    def _verified(self, fs: fsspec.AbstractFileSystem, folder: str) -> str | None:
        """Name of the data folder if all its files are as the manifest says; None if there is no manifest."""
        # fsspec remembers listings, and another process may have written since
        fs.invalidate_cache()
        try:
            text = fs.cat_file(f"{folder}/manifest.json")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _Damage(f"its manifest cannot be read ({error})", b"") from error
        try:
            manifest = json.loads(text)
            attempt, files = str(manifest["data"]), {str(k): list(v) for k, v in manifest["files"].items()}
            # through JSON, which makes lists of tuples
            mine = manifest["recipe"] == json.loads(json.dumps(self.recipe))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _Damage("its manifest is not one", text) from error
        # a manifest must not name a folder outside of its entry
        if not mine or not files or attempt != os.path.basename(attempt):
            raise _Damage("its manifest belongs to another entry", text)
        stored = _files(fs, f"{folder}/{attempt}")
        for name, expected in files.items():
            if name not in stored:
                raise _Damage(f"{name} is missing", text)
            try:
                size, digest = _fingerprint(fs, stored[name])
            except OSError as error:
                raise _Damage(f"{name} cannot be read ({error})", text) from error
            # slices, so that an entry which is too short counts as damage
            if expected[:1] != [size]:
                raise _Damage(f"{name} has {size} bytes instead of {expected[:1]}", text)
            if expected[1:] != [digest]:
                raise _Damage(f"{name} has changed (SHA-256)", text)
        return attempt

    def _discard(self, fs: fsspec.AbstractFileSystem, folder: str, reason: str, manifest: bytes) -> None:
        self._warn(folder, reason)
        with suppress(OSError):  # a read-only cache keeps its damage; writing then says why
            # another process may have made the entry again in the meantime
            if fs.cat_file(f"{folder}/manifest.json") == manifest:
                fs.rm_file(f"{folder}/manifest.json")
                for leftover, _ in _leftovers(fs, folder):
                    _remove(fs, f"{folder}/{leftover}")

    def _discard_leftovers(self, fs: fsspec.AbstractFileSystem, folder: str) -> None:
        for leftover, was_writing in _leftovers(fs, folder):
            process = leftover.split("-")[1]
            half = f"it is half-written: process {process} ended in the middle"
            self._warn(folder, half if was_writing else "its manifest is missing")
            _remove(fs, f"{folder}/{leftover}")

    def _warn(self, folder: str, reason: str) -> None:
        named = ", ".join(f"{k} {v}" for k, v in self.recipe.items() if isinstance(v, str | int | float))
        message = f"cache entry {folder} ({named}) is damaged: {reason}; it will be generated again"
        # the line that called `generate`
        warnings.warn(message, CacheDamaged, stacklevel=5)


class _Damage(Exception):
    def __init__(self, reason: str, manifest: bytes) -> None:
        super().__init__(reason)
        self.manifest = manifest


@contextmanager
def _attempt(fs: fsspec.AbstractFileSystem, folder: str) -> Iterator[str]:
    """Name of a new folder for one writer, marked while it is being written, removed if the writer fails."""
    # the host goes last, as its name may hold hyphens
    attempt = f"{time.time():.0f}-{os.getpid()}-{secrets.token_hex(4)}-{socket.gethostname()}"
    marker = f"{folder}/{attempt}.writing"
    with _cache_errors():
        fs.makedirs(f"{folder}/{attempt}", exist_ok=True)
        fs.pipe_file(marker, b"writing")
    try:
        yield attempt
    # an interruption too: a half-written attempt must not stay
    except BaseException:
        _remove(fs, f"{folder}/{attempt}")
        raise
    finally:
        with suppress(OSError):
            fs.rm_file(marker)


def _leftovers(fs: fsspec.AbstractFileSystem, folder: str) -> list[tuple[str, bool]]:
    """Attempts in an entry without manifest that nobody is writing, and whether a writer died in them."""
    fs.invalidate_cache()
    try:
        names = [os.path.basename(path.rstrip("/")) for path in fs.ls(folder, detail=False)]
    except OSError:
        return []
    marked = {name.removesuffix(".writing") for name in names if name.endswith(".writing")}
    attempts = {name.removesuffix(".writing") for name in names if name.count("-") >= 3}
    return [(name, name in marked) for name in sorted(attempts) if name not in marked or not _alive(name)]


def _alive(attempt: str) -> bool:
    """Whether the process that marked an attempt may still be at work; another host's has a week."""
    import psutil

    created, pid, _, host = attempt.split("-", 3)
    if host != socket.gethostname():
        return time.time() - float(created) < FOREIGN_ATTEMPT_SECONDS
    try:
        # a process of this number that is younger than the attempt is another one
        return psutil.Process(int(pid)).create_time() < float(created) + CLOCK_SLACK_SECONDS
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True


@contextmanager
def _cache_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CacheUnwritable(
            f"cannot write the cache {home()} ({error}); set LIMITLAB_HOME to a folder with room, or pass cache=False"
        ) from error


def _locate(key: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """File system and path of an entry."""
    from fsspec.core import url_to_fs
    from fsspec.implementations.local import LocalFileSystem

    address = os.path.expanduser(home()).rstrip("/")
    if not _is_chain_or_url(address):
        return LocalFileSystem(), os.path.abspath(f"{address}/datasets/{key}")
    try:
        fs, path = url_to_fs(f"{address}/datasets/{key}")
    except (ValueError, ImportError) as error:
        raise InvalidArgument(f"LIMITLAB_HOME is no folder or address that fsspec can open: {error}") from error
    return fs, path


def _is_chain_or_url(address: str) -> bool:
    """Whether fsspec shall read the address; a folder of this machine may have :: in its name, which fsspec would cut.

    Raises InvalidArgument for an address that is cut, as file:///data/a::b is.
    """
    from fsspec.registry import known_implementations

    parts = address.split("::")
    remote = "://" in address
    if not remote and (len(parts) == 1 or parts[0] not in known_implementations):
        return False
    if len(parts) > 1 and (
        not all("://" in part or part in known_implementations for part in parts[:-1])
        or (remote and "://" not in parts[-1])
    ):
        raise InvalidArgument(
            "LIMITLAB_HOME must not have :: in an address, except as fsspec chains them, simplecache::s3://bucket; "
            f"got {address!r:.80}"
        )
    return True


def _files(fs: fsspec.AbstractFileSystem, folder: str) -> dict[str, str]:
    """Path relative to `folder`, to path, of every file in it."""
    root = fs._strip_protocol(folder).rstrip("/") + "/"
    return {path.removeprefix(root): path for path in fs.find(folder)}


def _fingerprint(fs: fsspec.AbstractFileSystem, path: str) -> list[int | str]:
    with fs.open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return [file.tell(), digest]


def _put(fs: fsspec.AbstractFileSystem, path: str, content: bytes) -> None:
    """Write a file that is seen whole or not at all."""
    if not zarr_group.is_local(fs):
        fs.pipe_file(path, content)
        return
    with replacing(Path(path), alone=False) as temporary:
        temporary.write_bytes(content)


def _remove(fs: fsspec.AbstractFileSystem, attempt: str) -> None:
    """Remove an attempt and its mark; what cannot be removed is ignored by every reader."""
    with suppress(OSError):
        fs.rm(attempt, recursive=True)
    with suppress(OSError):
        fs.rm_file(f"{attempt}.writing")
