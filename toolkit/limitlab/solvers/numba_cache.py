"""What numba keeps on the disk is kept too long: a function is compiled anew when its own file changes, and not when
one does that it calls, or takes a constant from.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def forget_stale(folder: Path) -> None:
    """Remove what numba keeps of the modules of a folder, where it is older than one of them.

    >>> from pathlib import Path
    >>> from limitlab.solvers.numba_cache import forget_stale
    >>> forget_stale(Path(ll.__file__).parent / "solvers" / "native")
    """
    newest = max((source.stat().st_mtime for source in folder.glob("*.py")), default=0.0)
    # another process may do the same, and the folder may be another person's
    with suppress(OSError):
        for index in (folder / "__pycache__").glob("*.nbi"):
            if index.stat().st_mtime < newest:
                index.unlink(missing_ok=True)
