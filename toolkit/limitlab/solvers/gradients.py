"""Ways to the gradient of a solve."""

from __future__ import annotations

from torch import Tensor

from limitlab.solvers.march import March, Outcome


def direct(march: March, y: Tensor, slope: Tensor) -> Outcome:
    """The tape of all steps."""
    return march.run(y, slope)


GRADIENTS = {"direct": direct}
