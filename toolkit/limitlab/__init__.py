"""limitlab: a laboratory for the limits of depth, resolution and width.

The pieces in the order of their use: `problems` (equations), `data` (labelled, cached samples), `operators` and
`discovery` (models), `training` (one loop), `experiments` (all of it together, at three sizes), `figures` (xarray to
plotly), `reports`. They load when they are first touched.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_PIECES = (
    "atomic",
    "cards",
    "data",
    "discovery",
    "errors",
    "experiments",
    "extensions",
    "figures",
    "fits",
    "infinite_width",
    "labels",
    "layers",
    "neural_des",
    "operators",
    "problems",
    "reports",
    "saved",
    "solvers",
    "spaces",
    "systems",
    "training",
    "weights",
)

_FACES = {"cite": "systems", "load": "saved"}
"""Functions of a piece that are at hand as `limitlab.load`, too."""


def __getattr__(name: str) -> Any:
    if name in _PIECES:
        return importlib.import_module(f"limitlab.{name}")
    if name in _FACES:
        return getattr(importlib.import_module(f"limitlab.{_FACES[name]}"), name)
    raise AttributeError(f"module 'limitlab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*_PIECES, *_FACES, "__version__"]
