"""Equations from data: expressions, the front of error against complexity, and the engines that search it.

`search` is the face; `engines` is the table of those who search.
"""

from __future__ import annotations

from typing import Any

from limitlab.discovery.symbolic.catalogue import engines
from limitlab.discovery.symbolic.engine import Data, Engine, Progress, Settings
from limitlab.discovery.symbolic.expression import COMPLEXITY, Expr
from limitlab.discovery.symbolic.front import Candidate, ParetoFront
from limitlab.discovery.symbolic.refit.completed import Completed, Refits
from limitlab.discovery.symbolic.refit.forward import Holed
from limitlab.discovery.symbolic.refit.refit import refit
from limitlab.discovery.symbolic.refit.refit_field import UnsettledField, refit_field
from limitlab.discovery.symbolic.rewriting.simplify import simplified
from limitlab.discovery.symbolic.rewriting.structure import same_structure
from limitlab.discovery.symbolic.scoring import scored
from limitlab.discovery.symbolic.search import SearchInterrupted, search
from limitlab.discovery.symbolic.sparse.dynamics import CollinearTerms, SparseDynamics, sparse_dynamics
from limitlab.discovery.symbolic.sparse.library import Library
from limitlab.discovery.symbolic.sparse.subsets import subsets
from limitlab.discovery.symbolic.units import Units

__all__ = [
    "COMPLEXITY",
    "Candidate",
    "CollinearTerms",
    "Completed",
    "Data",
    "Engine",
    "Expr",
    "Holed",
    "Library",
    "ParetoFront",
    "Progress",
    "Refits",
    "SearchInterrupted",
    "Settings",
    "SparseDynamics",
    "SymbolicRegressor",
    "Units",
    "UnsettledField",
    "engines",
    "refit",
    "refit_field",
    "same_structure",
    "scored",
    "search",
    "simplified",
    "sparse_dynamics",
    "subsets",
]


def __getattr__(name: str) -> Any:
    # scikit-learn takes a second to load, and need not be there
    if name == "SymbolicRegressor":
        from limitlab.discovery.symbolic.bridges.estimator import SymbolicRegressor

        return SymbolicRegressor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
