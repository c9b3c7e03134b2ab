"""How to solve: ordinary, stochastic and controlled equations with every step in view; linear systems on grids."""

from limitlab.solvers import linear
from limitlab.solvers.arguments import ToleranceBelowRoundOff
from limitlab.solvers.cde import solve_cde
from limitlab.solvers.failures import SolutionBlewUp, SolveFailed, StepSizeUnderflow, TooManySteps
from limitlab.solvers.methods.catalogue import method_names
from limitlab.solvers.ode.events import Event
from limitlab.solvers.ode.solve import solve_ode
from limitlab.solvers.sde.brownian import BrownianPath
from limitlab.solvers.sde.schemes import sde_method_names
from limitlab.solvers.sde.solve import solve_sde
from limitlab.solvers.solution import Evaluations, EventLog, Failure, Solution, StepLog

__all__ = [
    "BrownianPath",
    "Evaluations",
    "Event",
    "EventLog",
    "Failure",
    "Solution",
    "SolutionBlewUp",
    "SolveFailed",
    "StepLog",
    "StepSizeUnderflow",
    "ToleranceBelowRoundOff",
    "TooManySteps",
    "linear",
    "method_names",
    "sde_method_names",
    "solve_cde",
    "solve_ode",
    "solve_sde",
]
