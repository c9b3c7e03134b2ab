"""Laws in data: equations that networks solve, hidden terms that they learn, and the formulas that are read off them.

`symbolic` finds equations, `pinn` trains networks on residuals, `variational` on energies; `terms` are the summands of
an equation, of which some are hidden and looked for.
"""

from __future__ import annotations

import importlib
from types import ModuleType

_PIECES = ("pinn", "symbolic", "terms", "variational")


def __getattr__(name: str) -> ModuleType:
    if name in _PIECES:
        return importlib.import_module(f"limitlab.discovery.{name}")
    raise AttributeError(f"module 'limitlab.discovery' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(_PIECES)
