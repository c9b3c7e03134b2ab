"""The engines by name, gathered from the rows of this package's modules; a new engine is a module with its row."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from pathlib import Path

from limitlab.discovery.symbolic.engine import Engine


@cache
def engines() -> dict[str, Engine]:
    """Engines by name.

    >>> from limitlab.discovery.symbolic import engines
    >>> "evolve" in engines()
    True
    """
    names = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    modules = [importlib.import_module(f"limitlab.discovery.symbolic.{name}") for name in names]
    rows = sorted((row for module in modules for row in getattr(module, "ROWS", ())), key=lambda row: row.name)
    return {row.name: row for row in rows}
