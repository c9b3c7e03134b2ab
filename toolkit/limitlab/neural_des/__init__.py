"""Infinite depth: models whose layers are the time of a differential equation.

`ode` holds neural ordinary differential equations, `cde` controlled ones, `sde` stochastic ones, `latent` those behind
data with gaps; `stable_sde` the classes that a data path drives, `regularization` trains models that are cheap to
solve, `reduction` makes a trained one small.
"""

from __future__ import annotations

import importlib
from types import ModuleType

_PIECES = ("cde", "latent", "ode", "reduction", "regularization", "sde", "stable_sde")


def __getattr__(name: str) -> ModuleType:
    if name in _PIECES:
        return importlib.import_module(f"limitlab.neural_des.{name}")
    raise AttributeError(f"module 'limitlab.neural_des' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(_PIECES)
