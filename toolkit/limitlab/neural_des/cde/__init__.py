"""Neural controlled differential equations dz = f(z) dX: a hidden state that a path through the data drives."""

from limitlab.neural_des.cde.classification import accuracy, cross_entropy, dropped_accuracy
from limitlab.neural_des.cde.control import Control, with_unit_knots
from limitlab.neural_des.cde.model import MatrixField, NeuralCDE

__all__ = ["Control", "MatrixField", "NeuralCDE", "accuracy", "cross_entropy", "dropped_accuracy", "with_unit_knots"]
