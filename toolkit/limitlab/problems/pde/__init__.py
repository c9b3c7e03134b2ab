"""Partial differential equations: the problem, its laws and its catalogue."""
