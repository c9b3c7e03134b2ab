"""Losses of operators: relative errors in function spaces, after a step or a rollout, and residuals of equations."""
