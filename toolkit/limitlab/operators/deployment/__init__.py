"""What is known of an operator without training it, and what leaves the laboratory: a graph that torch runs alone."""

from limitlab.operators.deployment.export import export
from limitlab.operators.deployment.reach import describe, receptive_field

__all__ = ["describe", "export", "receptive_field"]
