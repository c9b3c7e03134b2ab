"""Optimisers that torch lacks: SOAP, quasi-Newton methods with a line search, and the running mean of weights."""

from limitlab.training.optimizers import quasi_newton, soap
from limitlab.training.optimizers.averaging import averaged

__all__ = ["averaged", "quasi_newton", "soap"]
