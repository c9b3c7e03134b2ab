"""Modules of machine code, which there are where numba can be used."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

PACKAGE = "limitlab.discovery"


@cache
def code_of(module: str) -> Any:
    """The module of that name below `limitlab.discovery`; None where numba cannot be used.

    >>> from limitlab.discovery.machine_code import code_of
    >>> code_of("pinn.jets.tanh").tangents.__name__
    'tangents'
    """
    try:
        return import_module(f"{PACKAGE}.{module}")
    except (ImportError, RuntimeError):
        # numba raises RuntimeError where no folder for its cache can be written
        return None
