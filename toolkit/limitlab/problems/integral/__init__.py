"""Integral equations: the problem and its catalogue."""
