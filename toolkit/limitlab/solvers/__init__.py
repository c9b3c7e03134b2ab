"""How to solve: ordinary differential equations with every step in view, spectral time stepping, elliptic solvers."""

from limitlab.solvers.catalogue import method_names
from limitlab.solvers.events import Event
from limitlab.solvers.failures import SolutionBlewUp, SolveFailed, StepSizeUnderflow, TooManySteps
from limitlab.solvers.ode import solve_ode
from limitlab.solvers.solution import Evaluations, EventLog, Failure, Solution, StepLog

__all__ = [
    "Evaluations",
    "Event",
    "EventLog",
    "Failure",
    "Solution",
    "SolutionBlewUp",
    "SolveFailed",
    "StepLog",
    "StepSizeUnderflow",
    "TooManySteps",
    "method_names",
    "solve_ode",
]
