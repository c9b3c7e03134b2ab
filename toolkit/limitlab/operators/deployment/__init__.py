"""What leaves the laboratory of an operator: a graph that torch runs without it."""

from limitlab.operators.deployment.export import export

__all__ = ["export"]
