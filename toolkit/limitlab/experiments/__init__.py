"""Experiments by family: data, models, baselines, loss and metrics, at three sizes.

A module of a family's folder, or of one of its themes, is an experiment, and its name is the module's; modules that
begin with `_` are shared. An installed package offers more as entry points of `limitlab.experiments`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from limitlab.experiments.contract.experiment import SIZES, Experiment, Prepared, Trial
from limitlab.experiments.contract.result import Result
from limitlab.experiments.contract.rivals import with_rivals
from limitlab.experiments.contract.settings import (
    Batched,
    Ensemble,
    MixedPrecision,
    OnDevice,
    Option,
    Settings,
    Trained,
    option,
    sizes,
)
from limitlab.experiments.contract.tracking import tracked
from limitlab.experiments.contract.training import Stage, Training
from limitlab.experiments.operators._learning import OperatorSettings, operator_learning, with_models
from limitlab.experiments.operators.own.operator_learning import with_functions
from limitlab.extensions import Catalogue


@cache
def places() -> dict[str, str]:
    """The module of every experiment by its name, which stays when a module moves.

    >>> ll.experiments.places()["burgers_fno"]
    'limitlab.experiments.operators.burgers_fno'
    """
    below = pkgutil.walk_packages(__path__, f"{__name__}.")
    paths = (module.name for module in below if not module.ispkg and ".contract." not in module.name)
    return {name: path for path in paths if not (name := path.rpartition(".")[2]).startswith("_")}


def names() -> tuple[str, ...]:
    """Names of all experiments.

    >>> "darcy_fno" in ll.experiments.names()
    True
    """
    return tuple(sorted(EXPERIMENTS))


@cache
def _load(name: str) -> Experiment[Any, Any]:
    # imported when asked for: a list of names must not load every family
    return replace(importlib.import_module(places()[name]).EXPERIMENT, name=name)


class _Modules(Mapping[str, Experiment[Any, Any]]):
    """The experiments of this package by name."""

    def __getitem__(self, name: str) -> Experiment[Any, Any]:
        return _load(name)

    def __contains__(self, name: object) -> bool:
        return name in places()

    def __iter__(self) -> Iterator[str]:
        return iter(places())

    def __len__(self) -> int:
        return len(places())


EXPERIMENTS: Catalogue[Experiment[Any, Any]] = Catalogue("experiment", Experiment, _Modules())


def get(name: str) -> Experiment[Any, Any]:
    """The experiment of this name; raises UnknownName.

    >>> ll.experiments.get("darcy_fno").configure("smoke", modes=4).modes
    4
    """
    return EXPERIMENTS.named(name)


def of(*, problem: str | None = None, system: str | None = None) -> tuple[Experiment[Any, Any], ...]:
    """The experiments that learn from this problem, that belong to this system, or both.

    >>> [experiment.name for experiment in ll.experiments.of(problem="burgers", system="mg-tfno")]
    ['burgers_fno']
    """
    every = map(get, names())
    return tuple(e for e in every if problem in (None, e.problem) and system in (None, e.system))


__all__ = [
    "SIZES",
    "Batched",
    "Ensemble",
    "Experiment",
    "MixedPrecision",
    "OnDevice",
    "OperatorSettings",
    "Option",
    "Prepared",
    "Result",
    "Settings",
    "Stage",
    "Trained",
    "Training",
    "Trial",
    "get",
    "names",
    "of",
    "operator_learning",
    "option",
    "sizes",
    "tracked",
    "with_functions",
    "with_models",
    "with_rivals",
]
