"""Physics-informed networks: a network as the solution, the residual of its equation as the loss."""
