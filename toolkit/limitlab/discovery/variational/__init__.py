"""Variational problems: energies that networks minimise, descent whose iterates are networks, Barron norms."""
