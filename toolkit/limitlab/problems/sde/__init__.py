"""Stochastic differential equations: the problem and its catalogue."""
