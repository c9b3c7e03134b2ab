"""Sparse regression over libraries of terms: derivatives, libraries, thresholds, equations of motion."""

from limitlab.discovery.symbolic.sparse.paths import ROWS
