"""The operators by name, gathered from the rows of this package's modules: those that learn first.

Lists, pickers, experiments and the tests of all operators read this table; a new operator is a module with its row, or
a row that an installed package offers as an entry point of `limitlab.operators`.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path
from typing import Any

from torch import nn

from limitlab.errors import InvalidArgument, check_number, unknown_name
from limitlab.extensions import Catalogue
from limitlab.operators.row import Operator


def _rows() -> list[Operator]:
    # itself left out, which is being imported at this moment
    names = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    modules = [importlib.import_module(f"limitlab.operators.{name}") for name in names if name != "catalogue"]
    rows = [row for module in modules for row in getattr(module, "ROWS", ())]
    return sorted(rows, key=lambda row: (not row.trains, row.name))


def _fault(row: Operator) -> str:
    if not (isinstance(row.model, type) and issubclass(row.model, nn.Module)):
        return f"model must be a class of torch modules; got {row.model!r:.80}"
    if row.fixed and not hasattr(row.model, "points"):
        return f"fixed, but {row.model.__name__} has no `points`"
    return "" if callable(row.build) else f"build must be a function of task and settings; got {row.build!r:.80}"


OPERATORS: Catalogue[Operator] = Catalogue("operator", Operator, {row.name: row for row in _rows()}, _fault)


def names() -> tuple[str, ...]:
    """Names that `get` and `build` know.

    >>> "fno" in ll.operators.names()
    True
    """
    return tuple(sorted(OPERATORS))


def get(name: str) -> type[nn.Module]:
    """The class behind a name; raises UnknownName.

    >>> ll.operators.get("unet").__name__
    'UNet'
    """
    return OPERATORS.named(name).model


def build(name: str, in_channels: int, out_channels: int, dimension: int, **options: Any) -> nn.Module:
    """A model from its name and options (those of its class).

    `modes` of an FNO may be one number for all axes (default 12). A mean predictor needs `mean_field`, a LordNet
    `points`, a DeepONet `grid`. Raises UnknownName (for a name or an option), InvalidArgument.

    >>> ll.operators.build("fno", 1, 1, 2, modes=12, width=32).modes
    (12, 12)
    """
    model = get(name)
    axes = int(check_number("dimension", dimension, low=1, high=3, integer=True))
    task = {"in_channels": in_channels, "out_channels": out_channels, "dimension": axes}
    parameters = inspect.signature(model).parameters
    known = set(parameters) - set(task)
    for option in options:
        if option not in known:
            raise unknown_name(f"option of {name}", option, known)
    required = [key for key in known if parameters[key].default is inspect.Parameter.empty]
    for option in sorted(required):
        if option not in options:
            raise InvalidArgument(f"{name} needs the option {option}")
    return model(**{key: value for key, value in task.items() if key in parameters}, **options)


def points_of(model: nn.Module) -> tuple[int, ...] | None:
    """Points per axis of the one grid that a model takes, where it is or holds a fixed operator; None: any grid.

    >>> ll.operators.points_of(ll.operators.UNet(1, 1, width=4)) is None
    True
    """
    fixed: tuple[Any, ...] = tuple(row.model for row in OPERATORS.values() if row.fixed)
    return next((module.points for module in model.modules() if isinstance(module, fixed)), None)
