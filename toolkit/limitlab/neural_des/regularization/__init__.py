"""Models that are cheap to solve: the solver's own estimates of error and stiffness as a part of the loss.

model = nn.Sequential(RegularizedODE(NeuralODE(field), Global("error")), nn.Linear(3, 2))
recipe = regularized(Recipe(...), exponential(10.0, 1.0, steps=100))
"""

from limitlab.neural_des.regularization.layer import RegularizedODE
from limitlab.neural_des.regularization.local import Local, local_error, step_at
from limitlab.neural_des.regularization.local_sde import local_sde_error
from limitlab.neural_des.regularization.penalties import Global, Steer, TrainingSolve, Unregularized
from limitlab.neural_des.regularization.recipes import drawn, exponential, regularized
from limitlab.neural_des.regularization.step_terms import AGGREGATIONS, QUANTITIES, step_term
from limitlab.neural_des.regularization.taylor import Taylor, total_derivative

__all__ = [
    "AGGREGATIONS",
    "QUANTITIES",
    "Global",
    "Local",
    "RegularizedODE",
    "Steer",
    "Taylor",
    "TrainingSolve",
    "Unregularized",
    "drawn",
    "exponential",
    "local_error",
    "local_sde_error",
    "regularized",
    "step_at",
    "step_term",
    "total_derivative",
]
