"""Experiments on Darcy's equation, from the coefficient to the pressure."""
