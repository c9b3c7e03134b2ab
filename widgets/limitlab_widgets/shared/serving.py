"""The kind of a studio by its name, for a page that holds nothing else."""

from __future__ import annotations

from importlib import import_module

from limitlab_widgets.shared.studio import Studio


def studio_kind(name: str) -> type[Studio]:
    """The class of the studio in the package with this name, such as "solver"."""
    module = import_module(f"limitlab_widgets.{name}.studio")
    (kind,) = (
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Studio) and kind.__module__ == module.__name__
    )
    return kind
