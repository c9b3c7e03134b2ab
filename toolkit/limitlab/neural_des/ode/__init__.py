"""Neural ordinary differential equations y' = f(t, y): fields that learn, and the modules that solve them."""

from limitlab.neural_des.ode.augmented import AugmentedODE, LearnedLift, ZeroLift
from limitlab.neural_des.ode.events import EventODE
from limitlab.neural_des.ode.fields import MLPField
from limitlab.neural_des.ode.flow import ContinuousFlow
from limitlab.neural_des.ode.model import NeuralODE
from limitlab.neural_des.ode.networks import Acceleration, Energy
from limitlab.neural_des.ode.outputs import FlowClassifier, FlowForecaster
from limitlab.neural_des.ode.structured import HamiltonianField, HybridField, SecondOrderField

__all__ = [
    "Acceleration",
    "AugmentedODE",
    "ContinuousFlow",
    "Energy",
    "EventODE",
    "FlowClassifier",
    "FlowForecaster",
    "HamiltonianField",
    "HybridField",
    "LearnedLift",
    "MLPField",
    "NeuralODE",
    "SecondOrderField",
    "ZeroLift",
]
