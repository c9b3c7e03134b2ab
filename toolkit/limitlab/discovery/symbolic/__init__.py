"""Equations from data: expressions, the front of error against complexity, and the engines that search it.

`search` is the face; `engines` is the table of those who search.
"""

from limitlab.discovery.symbolic.catalogue import engines
from limitlab.discovery.symbolic.engine import Data, Engine, Progress, Settings
from limitlab.discovery.symbolic.expression import COMPLEXITY, Expr
from limitlab.discovery.symbolic.front import Candidate, ParetoFront
from limitlab.discovery.symbolic.rewriting.simplify import simplified
from limitlab.discovery.symbolic.scoring import scored
from limitlab.discovery.symbolic.search import SearchInterrupted, search
from limitlab.discovery.symbolic.units import Units

__all__ = [
    "COMPLEXITY",
    "Candidate",
    "Data",
    "Engine",
    "Expr",
    "ParetoFront",
    "Progress",
    "SearchInterrupted",
    "Settings",
    "Units",
    "engines",
    "scored",
    "search",
    "simplified",
]
