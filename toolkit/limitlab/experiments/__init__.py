"""One experiment a system: data, models, baselines, loss and metrics, at three sizes.

A module of this package with an `EXPERIMENT` is an experiment; its name is the module's.
"""

import importlib
import pkgutil

from limitlab.errors import unknown_name
from limitlab.experiments.experiment import SIZES, Experiment, Prepared, Result, Stage, Training
from limitlab.experiments.settings import Option, Settings, option

_SHARED = {"experiment", "settings", "operator_learning"}


def names() -> tuple[str, ...]:
    """Names of all experiments."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in _SHARED))


def get(name: str) -> Experiment:
    """The experiment of this name; raises UnknownName."""
    if name not in names():
        raise unknown_name("experiment", name, names())
    return importlib.import_module(f"{__name__}.{name}").EXPERIMENT


__all__ = [
    "SIZES",
    "Experiment",
    "Option",
    "Prepared",
    "Result",
    "Settings",
    "Stage",
    "Training",
    "get",
    "names",
    "option",
]
