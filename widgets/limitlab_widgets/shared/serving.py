"""A studio by its name, for a page that holds nothing else."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from limitlab_widgets.shared.studio import Studio


def studio_of(name: str) -> Studio:
    """The studio of the package with this name, such as "solver", as it begins."""
    module = import_module(f"limitlab_widgets.{name}.studio")
    made: list[Callable[[], Studio]] = [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Studio) and kind.__module__ == module.__name__
    ]
    (make,) = made
    return make()
