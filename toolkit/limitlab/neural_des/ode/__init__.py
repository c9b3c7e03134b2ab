"""Neural ordinary differential equations y' = f(t, y): fields that learn, and the module that solves them."""

from limitlab.neural_des.ode.fields import MLPField
from limitlab.neural_des.ode.model import NeuralODE

__all__ = ["MLPField", "NeuralODE"]
