"""OperatorStudio: learn the solution operator of a PDE."""
