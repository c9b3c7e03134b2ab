"""Optimisers that torch lacks: SOAP, those that look at a whole batch, and the running mean of weights."""

from limitlab.training.optimizers import natural_gradient, quasi_newton, soap
from limitlab.training.optimizers.averaging import averaged

__all__ = ["averaged", "natural_gradient", "quasi_newton", "soap"]
