"""Bridges to packages that need not be there: the engine of pyoperon, and the contract of scikit-learn."""

from limitlab.discovery.symbolic.bridges.operon import ROWS
