"""Experiments by family: data, models, baselines, loss and metrics, at three sizes.

A module of a family's folder is an experiment, its name is the module's; modules that begin with `_` are shared.
"""

import importlib
import pkgutil
from functools import cache

from limitlab.errors import unknown_name
from limitlab.experiments.contract.experiment import SIZES, Experiment, Prepared, Result, Stage, Training
from limitlab.experiments.contract.settings import Option, Settings, option


@cache
def _modules() -> dict[str, str]:
    """Where the experiment of each name lies."""
    families = (family for family in pkgutil.iter_modules(__path__) if family.ispkg and family.name != "contract")
    modules = {}
    for family in families:
        for module in pkgutil.iter_modules([f"{__path__[0]}/{family.name}"]):
            if not module.name.startswith("_"):
                modules[module.name] = f"{__name__}.{family.name}.{module.name}"
    return modules


def names() -> tuple[str, ...]:
    """Names of all experiments."""
    return tuple(sorted(_modules()))


def get(name: str) -> Experiment:
    """The experiment of this name; raises UnknownName."""
    if name not in _modules():
        raise unknown_name("experiment", name, names())
    return importlib.import_module(_modules()[name]).EXPERIMENT


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
