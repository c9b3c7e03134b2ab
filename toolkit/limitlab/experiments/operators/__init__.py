"""Experiments that learn the solution operator of a problem."""
