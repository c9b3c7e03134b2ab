"""Solves in machine code, where no gradient is asked: what numba compiles at its first call, and keeps on the disk.

numba keeps a function for as long as its own file stays the same, and forgets to ask about those that it calls. So all
that is older than any file of this folder is compiled anew.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

SHORTEST = 4


def is_transformed(points: int) -> bool:
    """Whether lines of so many points are transformed in machine code: powers of two.

    >>> from limitlab.solvers.pde.native import is_transformed
    >>> [points for points in range(100) if is_transformed(points)]
    [4, 8, 16, 32, 64]
    """
    return points >= SHORTEST and points & (points - 1) == 0


def forget_stale(folder: Path) -> None:
    """Remove what numba keeps of the modules of a folder, where it is older than one of them.

    >>> from pathlib import Path
    >>> from limitlab.solvers.pde.native import forget_stale
    >>> forget_stale(Path(ll.__file__).parent / "solvers" / "pde" / "native")
    """
    newest = max((source.stat().st_mtime for source in folder.glob("*.py")), default=0.0)
    # another process may do the same, and the folder may be another person's
    with suppress(OSError):
        for index in (folder / "__pycache__").glob("*.nbi"):
            if index.stat().st_mtime < newest:
                index.unlink(missing_ok=True)


forget_stale(Path(__file__).parent)
