"""SolverStudio: solve an equation and look at every step."""
