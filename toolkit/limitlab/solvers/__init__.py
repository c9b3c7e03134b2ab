"""How to solve: integrators and linear solvers as functions."""
