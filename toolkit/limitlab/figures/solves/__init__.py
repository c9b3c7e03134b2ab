"""Figures of solutions and of the steps that made them."""
