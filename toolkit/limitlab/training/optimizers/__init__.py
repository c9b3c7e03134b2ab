"""Optimisers that torch does not have, and the line search of those that look at a whole batch."""

from limitlab.training.optimizers import natural_gradient, quasi_newton, soap

__all__ = ["natural_gradient", "quasi_newton", "soap"]
