"""Equations as text: the grammar, its functions, systems of equations, their notation."""
